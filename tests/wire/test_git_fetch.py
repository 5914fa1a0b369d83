"""Fetching with the real git."""

from __future__ import annotations

import gzip
import time

import httpx
import pytest

from hub.downloads import jobs as downloads
from tests.clock import moment
from tests.servers.clients import run
from tests.servers.git import WorkingFolder, info, make_repository
from tests.servers.live import LiveBazaar, unique


@pytest.fixture(scope="module")
def bazaar(live_sqlite: LiveBazaar) -> LiveBazaar:
    return live_sqlite


@pytest.fixture(scope="module")
def grown(bazaar: LiveBazaar) -> str:
    """A repository with a few commits, a branch and a tag."""
    repo_id = make_repository(bazaar, bazaar.alice)
    work = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
    for number in range(3):
        work.commit(**{"notes__txt": f"{number}\n" * 500, f"extra{number}__txt": "x"})
    work.git("tag", "-a", "v1", "-m", "first")
    work.git("push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/dev", "v1")
    return repo_id


class TestClone:
    @pytest.mark.parametrize("suffix", ["", ".git"])
    @pytest.mark.parametrize("protocol", ["0", "1", "2"])
    def test_gives_the_files_and_branches(
        self, bazaar: LiveBazaar, grown: str, suffix: str, protocol: str
    ) -> None:
        work = WorkingFolder.clone(bazaar, grown + suffix, None, "-c", f"protocol.version={protocol}")
        assert (work.folder / "notes.txt").read_text() == "2\n" * 500
        assert (work.folder / ".gitattributes").exists()
        assert work.head == info(bazaar, grown)["sha"]
        assert "origin/dev" in work.git("branch", "-r").out
        assert work.git("cat-file", "-t", "v1").out.strip() == "tag"

    @pytest.mark.parametrize("protocol", ["0", "2"])
    def test_may_be_shallow_and_deepened(self, bazaar: LiveBazaar, grown: str, protocol: str) -> None:
        work = WorkingFolder.clone(bazaar, grown, None, "--depth=1", "-c", f"protocol.version={protocol}")
        assert work.git("rev-list", "--count", "HEAD").out.strip() == "1"
        work.git("fetch", "-q", "--unshallow")
        assert work.git("rev-list", "--count", "HEAD").out.strip() == "4"

    @pytest.mark.parametrize("protocol", ["0", "2"])
    def test_may_be_partial_and_filled_when_asked(
        self, bazaar: LiveBazaar, grown: str, protocol: str
    ) -> None:
        work = WorkingFolder.clone(
            bazaar, grown, None, "--filter=blob:none", "--no-checkout", "-c", f"protocol.version={protocol}"
        )
        missing = work.git("rev-list", "--objects", "--all", "--missing=print").out.count("\n?")
        assert missing > 0
        assert work.git("show", "HEAD~1:notes.txt").out == "1\n" * 500

    def test_of_other_kinds_stands_under_their_plural(self, bazaar: LiveBazaar) -> None:
        for kind, plurals in (("dataset", ["datasets"]), ("space", ["spaces"]), ("model", ["models"])):
            repo_id = make_repository(bazaar, bazaar.alice, kind=kind)
            for plural in plurals:
                WorkingFolder.clone(bazaar, f"{plural}/{repo_id}.git")

    def test_of_a_renamed_repository_follows_to_its_new_id(self, bazaar: LiveBazaar) -> None:
        repo_id = make_repository(bazaar, bazaar.alice)
        new_id = f"{bazaar.alice.name}/{unique('moved')}"
        answer = httpx.post(
            f"{bazaar.url}/api/repos/move",
            headers={"Authorization": f"Bearer {bazaar.alice.token}"},
            json={"fromRepo": repo_id, "toRepo": new_id, "type": "model"},
        )
        assert answer.status_code == 200, answer.text
        work = WorkingFolder.clone(bazaar, f"{repo_id}.git", bazaar.alice)
        work.commit(new__txt="under the old address")
        work.git("push", "-q", "origin", "main")
        assert info(bazaar, new_id)["sha"] == work.head

    def test_serves_a_history_larger_than_a_gzipped_request(self, bazaar: LiveBazaar, grown: str) -> None:
        """A fetch with many haves is sent gzipped."""
        work = WorkingFolder.clone(bazaar, grown, bazaar.alice)
        for number in range(60):
            work.git("commit", "-q", "--allow-empty", "-m", f"local {number}")
        other = WorkingFolder.clone(bazaar, grown, bazaar.alice)
        other.commit(from_other__txt=unique("content"))
        other.git("push", "-q", "origin", "main")
        traced = work.git("fetch", "origin", GIT_CURL_VERBOSE="1")
        assert "gzip" in traced.err
        assert work.git("rev-parse", "origin/main").out.strip() == other.head


def flush_downloads() -> None:
    """At the live server: write the counts to the tables."""
    downloads.flush(now=moment())
    downloads.recount(now=moment())


class TestCounting:
    def test_a_clone_is_one_download_and_a_look_at_the_refs_is_none(self, bazaar: LiveBazaar) -> None:
        looked_at, cloned = (make_repository(bazaar, bazaar.alice) for _ in range(2))
        for repo_id in (looked_at, cloned):
            run(["git", "ls-remote", bazaar.git_url(repo_id)], env=bazaar.client_env())
        for protocol in ("0", "2"):
            WorkingFolder.clone(bazaar, cloned, None, "-c", f"protocol.version={protocol}")
        until = time.monotonic() + 20
        while True:
            # The web tells Redis a moment after it has served.
            bazaar.remote.call("tests.wire.test_git_fetch:flush_downloads")
            counts = [info(bazaar, repo_id)["downloads"] for repo_id in (looked_at, cloned)]
            if counts[1] or time.monotonic() > until:
                break
        assert counts == [0, 1]


class TestAccess:
    def test_asks_a_stranger_to_sign_in_and_never_says_404_first(self, bazaar: LiveBazaar) -> None:
        private = make_repository(bazaar, bazaar.alice, private=True)
        for path in (f"{private}.git", f"{bazaar.alice.name}/nothing-here.git"):
            answer = httpx.get(f"{bazaar.url}/{path}/info/refs?service=git-upload-pack")
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")

    def test_gives_a_private_repository_to_its_owner_only(self, bazaar: LiveBazaar) -> None:
        private = make_repository(bazaar, bazaar.alice, private=True)
        WorkingFolder.clone(bazaar, private, bazaar.alice)
        env = bazaar.client_env()
        for user in (bazaar.bob, None):
            refused = run(["git", "clone", bazaar.git_url(private, user), "no"], env=env, fails=True)
            assert bazaar.alice.token not in refused.err

    def test_answers_a_hidden_and_a_missing_repository_alike(self, bazaar: LiveBazaar) -> None:
        private = make_repository(bazaar, bazaar.alice, private=True)
        answers = [
            httpx.get(
                f"{bazaar.url}/{path}/info/refs?service=git-upload-pack",
                headers={"Authorization": f"Bearer {bazaar.bob.token}"},
            )
            for path in (private, f"{bazaar.alice.name}/absent")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(private, "X") == answers[1].text.replace(
            f"{bazaar.alice.name}/absent", "X"
        )

    @pytest.mark.parametrize(
        "header", ["Bearer nonsense", "Basic bm9ib2R5Om5vbnNlbnNl", "Basic !", "Digest x"]
    )
    def test_refuses_a_token_it_does_not_know(self, bazaar: LiveBazaar, grown: str, header: str) -> None:
        answer = httpx.get(
            f"{bazaar.url}/{grown}.git/info/refs?service=git-upload-pack", headers={"Authorization": header}
        )
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers

    def test_says_who_a_gate_keeps_out_and_why(self, bazaar: LiveBazaar) -> None:
        gated = make_repository(bazaar, bazaar.alice)
        answer = httpx.put(
            f"{bazaar.url}/api/models/{gated}/settings",
            headers={"Authorization": f"Bearer {bazaar.alice.token}"},
            json={"gated": "manual"},
        )
        assert answer.status_code == 200, answer.text
        env = bazaar.client_env()
        anonymous = httpx.get(f"{bazaar.url}/{gated}/info/refs?service=git-upload-pack")
        assert anonymous.status_code == 401
        refused = run(["git", "clone", bazaar.git_url(gated, bazaar.bob), "no"], env=env, fails=True)
        assert "not in the authorized list" in refused.err
        WorkingFolder.clone(bazaar, gated, bazaar.alice)

    def test_takes_the_token_as_password_under_any_name(self, bazaar: LiveBazaar) -> None:
        private = make_repository(bazaar, bazaar.alice, private=True)
        answer = httpx.get(
            f"{bazaar.url}/{private}.git/info/refs?service=git-upload-pack",
            auth=("hf_user", bazaar.alice.token),
        )
        assert answer.status_code == 200

    def test_says_that_the_dumb_protocol_is_not_spoken(self, bazaar: LiveBazaar, grown: str) -> None:
        assert httpx.get(f"{bazaar.url}/{grown}.git/info/refs").status_code == 403
        service = "git-upload-archive"
        assert httpx.get(f"{bazaar.url}/{grown}.git/info/refs?service={service}").status_code == 403


class TestBadBodies:
    def post(self, bazaar: LiveBazaar, repo_id: str, body: bytes, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{bazaar.url}/{repo_id}.git/git-upload-pack",
            content=body,
            headers={"Content-Type": "application/x-git-upload-pack-request", **headers},
            timeout=60,
        )

    def test_stops_a_decompression_bomb(self, bazaar: LiveBazaar, grown: str) -> None:
        bomb = gzip.compress(bytes(200 * 1024 * 1024))
        answer = self.post(bazaar, grown, bomb, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 413

    def test_refuses_gzip_that_is_cut_or_none(self, bazaar: LiveBazaar, grown: str) -> None:
        cut = gzip.compress(b"0000" * 100)[:-9]
        for body in (cut, b"not gzip at all"):
            assert self.post(bazaar, grown, body, **{"Content-Encoding": "gzip"}).status_code == 400

    def test_refuses_other_encodings(self, bazaar: LiveBazaar, grown: str) -> None:
        assert self.post(bazaar, grown, b"", **{"Content-Encoding": "br"}).status_code == 501

    def test_outlives_nonsense(self, bazaar: LiveBazaar, grown: str) -> None:
        for body in (b"", b"0000", b"zzzz", b"ffff", b"0032want " + b"0" * 40 + b"\n0000"):
            answer = self.post(bazaar, grown, body, **{"Git-Protocol": "version=2; rm -rf"})
            assert answer.status_code == 200
        WorkingFolder.clone(bazaar, grown)

    def test_takes_a_chunked_body(self, bazaar: LiveBazaar, grown: str) -> None:
        answer = httpx.post(
            f"{bazaar.url}/{grown}.git/git-upload-pack",
            content=iter([b"0014command=ls-refs\n", b"0000"]),
            headers={"Git-Protocol": "version=2"},
        )
        assert b"refs/heads/main" in answer.content
