"""Pushing with the real git."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import gitstore
from hub.repos.models import Repository
from hub.revisions import jobs
from tests.clock import moment
from tests.servers.clients import run
from tests.servers.git import WorkingFolder, info, make_repository
from tests.servers.live import LiveBazaar, LiveUser, unique
from tests.waiting import pause, until

CARD = "---\nlicense: apache-2.0\nlanguage: zh\n---\n# 通义\n"


@pytest.fixture
def bazaar(live_bazaar: LiveBazaar) -> LiveBazaar:
    return live_bazaar


@pytest.fixture
def repo_id(bazaar: LiveBazaar) -> str:
    return make_repository(bazaar, bazaar.alice)


@pytest.fixture
def work(bazaar: LiveBazaar, repo_id: str) -> WorkingFolder:
    return WorkingFolder.clone(bazaar, repo_id, bazaar.alice)


def refs_with_ids(bazaar: LiveBazaar, repo_id: str) -> list[tuple[str, str]]:
    listed = run(["git", "ls-remote", bazaar.git_url(repo_id, bazaar.alice)], env=bazaar.client_env())
    return [(name, oid) for oid, name in (line.split("\t") for line in listed.out.splitlines())]


def refs_of(bazaar: LiveBazaar, repo_id: str) -> set[str]:
    return {name for name, _ in refs_with_ids(bazaar, repo_id)}


def storage_of(bazaar: LiveBazaar, repo_id: str) -> Path:
    """The repository on the server's disk."""
    return Path(str(bazaar.remote.call("tests.wire.test_git_push:folder", repo_id)))


class TestPush:
    def test_is_followed_by_the_index_at_once(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        head = work.commit(README__md=CARD, config__json='{"model_type": "qwen2"}')
        work.git("push", "-q", "origin", "main")
        found = info(bazaar, repo_id)
        assert found["sha"] == head
        card: Any = found["cardData"]
        assert card["license"] == "apache-2.0"
        assert "zh" in found["tags"]  # type: ignore[operator]
        assert {"README.md", "config.json"} <= {
            file["rfilename"]
            for file in found["siblings"]  # type: ignore[attr-defined]
        }

    def test_makes_and_deletes_branches_and_tags(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        work.commit(a__txt="a")
        work.git("tag", "light")
        work.git("tag", "-a", "heavy", "-m", "annotated")
        work.git("push", "-q", "origin", "HEAD:refs/heads/feature/one", "light", "heavy")
        assert {"refs/heads/feature/one", "refs/tags/light", "refs/tags/heavy"} <= refs_of(bazaar, repo_id)
        work.git("push", "-q", "origin", "--delete", "feature/one", "light")
        assert not {"refs/heads/feature/one", "refs/tags/light"} & refs_of(bazaar, repo_id)

    def test_may_rewrite_the_default_branch(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        work.commit(a__txt="a")
        work.git("push", "-q", "origin", "main")
        work.git("commit", "-q", "--amend", "-m", "again")
        refused = work.git("push", "origin", "main", fails=True)
        assert "non-fast-forward" in refused.err
        work.git("push", "-q", "--force", "origin", "main")
        assert info(bazaar, repo_id)["sha"] == work.head

    def test_may_be_large_and_so_chunked(self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder) -> None:
        for number in range(4):
            work.write(f"noise{number}.txt", os.urandom(3_000_000).hex())
        work.commit()
        traced = work.git("push", "origin", "main", GIT_CURL_VERBOSE="1")
        assert "transfer-encoding: chunked" in traced.err.lower()
        assert info(bazaar, repo_id)["sha"] == work.head
        assert WorkingFolder.clone(bazaar, repo_id).head == work.head

    def test_leaves_a_sound_repository_without_rubbish(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        work.commit(a__txt="a")
        work.git("push", "-q", "origin", "main")
        folder = storage_of(bazaar, repo_id)
        run(["git", "fsck", "--full", "--strict"], env=bazaar.client_env(), cwd=folder)
        assert not list(folder.glob("objects/tmp_*"))
        assert not list((bazaar.data / "tmp").glob("push-*"))


class TestRefusals:
    def test_protect_the_default_branch_from_deletion(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        refused = work.git("push", "origin", "--delete", "main", fails=True)
        assert "default branch and cannot be deleted" in refused.err
        assert "refs/heads/main" in refs_of(bazaar, repo_id)

    @pytest.mark.parametrize("ref", ["refs/pr/7", "refs/convert/parquet", "refs/notes/x", "refs/heads/-x"])
    def test_of_refs_that_are_neither_branch_nor_tag(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder, ref: str
    ) -> None:
        refused = work.git("push", "origin", f"HEAD:{ref}", fails=True)
        assert "remote: error:" in refused.err or "invalid refspec" in refused.err
        assert ref not in refs_of(bazaar, repo_id)

    def test_of_more_refs_than_a_push_may_move_come_before_git_looks_at_them(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        """The packed refs of the clone are written by hand: the client's git takes long to make so many."""
        lines = "".join(f"{work.head} refs/tags/v{number:05}\n" for number in range(1001))
        (work.folder / ".git" / "packed-refs").write_text(
            f"# pack-refs with: peeled fully-peeled sorted \n{lines}"
        )
        refused = work.git("push", "--tags", "origin", fails=True)
        assert "remote: error: A push can move at most 1000 refs at once." in refused.err
        assert not any(ref.startswith("refs/tags/") for ref in refs_of(bazaar, repo_id))

    def test_of_a_large_file_name_it_and_the_remedy(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        before = info(bazaar, repo_id)["sha"]
        work.write(".gitattributes", "")
        work.commit(**{"weights/big__bin": os.urandom(11 * 1024 * 1024)})
        refused = work.git("push", "origin", "main", fails=True)
        assert "weights/big.bin has 11534336 bytes" in refused.err
        assert "git lfs migrate import" in refused.err
        assert info(bazaar, repo_id)["sha"] == before

    def test_of_a_pointer_without_its_object_name_the_file(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        oid = "ab" * 32
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"
        work.write(".gitattributes", "")
        work.commit(model__safetensors=pointer)
        refused = work.git("push", "--no-verify", "origin", "main", fails=True)
        assert "model.safetensors was not uploaded" in refused.err
        assert oid in refused.err

    def test_of_a_pointer_to_a_strangers_private_object(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        """Knowing a hash must not give the content away."""
        theirs = make_repository(bazaar, bazaar.bob, private=True)
        secret = WorkingFolder.clone(bazaar, theirs, bazaar.bob)
        secret.git("lfs", "install", "--local")
        secret.commit(secret__bin=b"secret weights" * 100)
        secret.git("push", "-q", "origin", "main")
        pointer = secret.git("show", "HEAD:secret.bin").out
        work.write(".gitattributes", "")
        work.commit(mine__bin=pointer)
        refused = work.git("push", "--no-verify", "origin", "main", fails=True)
        assert "mine.bin was not uploaded" in refused.err

    def test_of_trees_that_reach_into_the_git_folder(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        blob = work.git(
            "hash-object", "-w", "README.md" if (work.folder / "README.md").exists() else ".gitattributes"
        )
        entry = f"100644 blob {blob.out.strip()}\t.git\n"
        tree = run(
            ["git", "-c", "core.protectNTFS=false", "mktree"], env=work.env, cwd=work.folder, input_text=entry
        )
        commit = work.git("commit-tree", tree.out.strip(), "-m", "evil")
        refused = work.git("push", "origin", f"{commit.out.strip()}:refs/heads/evil", fails=True)
        assert "hasDotgit" in refused.err
        assert "refs/heads/evil" not in refs_of(bazaar, repo_id)

    def test_of_who_may_not_write(self, bazaar: LiveBazaar, repo_id: str) -> None:
        work = WorkingFolder.clone(bazaar, repo_id, bazaar.bob)
        work.commit(a__txt="a")
        refused = work.git("push", "origin", "main", fails=True)
        assert "403" in refused.err
        assert "You need the role" in refused.err

    def test_of_a_token_that_may_only_read(self, bazaar: LiveBazaar) -> None:
        carol = bazaar.user(unique("carol"), scopes="read")
        dave = bazaar.user(unique("dave"))
        assert dave.token != carol.token
        answer = httpx.get(
            f"{bazaar.url}/{dave.name}/any.git/info/refs?service=git-receive-pack",
            auth=("x", carol.token),
        )
        assert answer.status_code == 404

    def test_of_strangers_before_they_send_anything(self, bazaar: LiveBazaar, repo_id: str) -> None:
        answer = httpx.get(f"{bazaar.url}/{repo_id}.git/info/refs?service=git-receive-pack")
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers
        answer = httpx.post(f"{bazaar.url}/{repo_id}.git/git-receive-pack", content=b"0000")
        assert answer.status_code == 401


class TestPullRequest:
    def test_takes_commits_from_its_author_and_from_writers(self, bazaar: LiveBazaar, repo_id: str) -> None:
        opened = httpx.post(
            f"{bazaar.url}/api/models/{repo_id}/discussions",
            headers={"Authorization": f"Bearer {bazaar.bob.token}"},
            json={"title": "Mend it", "description": "", "pullRequest": True},
        )
        assert opened.status_code in {200, 201}, opened.text
        ref = f"refs/pr/{opened.json()['num']}"
        for user in (bazaar.bob, bazaar.alice):
            work = WorkingFolder.clone(bazaar, repo_id, user)
            work.git("fetch", "-q", "origin", f"{ref}:pr")
            work.git("checkout", "-q", "pr")
            work.commit(**{f"{user.name}__txt": "mended"})
            work.git("push", "-q", "origin", f"pr:{ref}")
        assert "refs/heads/pr" not in refs_of(bazaar, repo_id)
        bob = WorkingFolder.clone(bazaar, repo_id, bazaar.bob)
        bob.commit(a__txt="to main")
        refused = bob.git("push", "origin", "main", fails=True)
        assert "You can't push to refs/heads/main" in refused.err

    def test_of_a_stranger_grows_at_the_strangers_cost(self, bazaar: LiveBazaar, repo_id: str) -> None:
        opened = httpx.post(
            f"{bazaar.url}/api/models/{repo_id}/discussions",
            headers={"Authorization": f"Bearer {bazaar.bob.token}"},
            json={"title": "Mend it", "description": "", "pullRequest": True},
        )
        ref = f"refs/pr/{opened.json()['num']}"
        before = {user.name: storage_used(bazaar, user) for user in (bazaar.alice, bazaar.bob)}
        work = WorkingFolder.clone(bazaar, repo_id, bazaar.bob)
        text = unique("a line") + "of text\n" * 1_000
        work.commit(new__txt=text)
        work.git("push", "-q", "origin", f"HEAD:{ref}")
        assert storage_used(bazaar, bazaar.alice) == before[bazaar.alice.name]
        assert storage_used(bazaar, bazaar.bob) == before[bazaar.bob.name] + len(text)


def storage_used(bazaar: LiveBazaar, user: LiveUser) -> int:
    """Bytes that count against a user."""
    answer = httpx.get(
        f"{bazaar.url}/api/hub/v1/namespaces/{user.name}/quota",
        headers={"Authorization": f"Bearer {user.token}"},
    )
    return int(answer.json()["storage_used_bytes"])


class TestTwoPeople:
    def test_pushing_to_one_branch_one_wins_and_the_other_is_refused(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        other = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
        work.commit(one__txt="1")
        other.commit(two__txt="2")
        work.git("push", "-q", "origin", "main")
        refused = other.git("push", "origin", "main", fails=True)
        assert "fetch first" in refused.err or "non-fast-forward" in refused.err
        other.git("pull", "-q", "--rebase", "origin", "main")
        other.git("push", "-q", "origin", "main")
        assert info(bazaar, repo_id)["sha"] == other.head


class TestParallel:
    def test_pushes_and_commits_lose_nothing(self, bazaar: LiveBazaar, repo_id: str) -> None:
        """25 pushes to branches of their own and 25 commits by the API to one branch, all at once."""
        base = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
        pushed: dict[str, str] = {}
        for number in range(25):
            base.git("checkout", "-q", "-b", f"b{number}", "origin/main")
            pushed[f"b{number}"] = base.commit(**{f"file{number}__txt": str(number)})

        def push(name: str) -> None:
            base.git("push", "-q", "origin", f"{name}:{name}")

        def commit(number: int) -> int:
            return api_commit(bazaar, repo_id, bazaar.alice, f"api{number}.txt")

        with ThreadPoolExecutor(12) as pool:
            pushes = [pool.submit(push, name) for name in pushed]
            commits = [pool.submit(commit, number) for number in range(25)]
            statuses = [each.result() for each in commits]
            for each in pushes:
                each.result()
        assert set(statuses) <= {200, 412, 409}
        after = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
        landed = sum(status == 200 for status in statuses)
        assert after.git("rev-list", "--count", "origin/main").out.strip() == str(1 + landed)
        for name, sha in pushed.items():
            assert after.git("rev-parse", f"origin/{name}").out.strip() == sha
        assert info(bazaar, repo_id)["sha"] == after.git("rev-parse", "origin/main").out.strip()
        folder = storage_of(bazaar, repo_id)
        run(["git", "fsck", "--full"], env=bazaar.client_env(), cwd=folder)

    def test_pushes_to_one_branch_leave_the_hub_at_the_winner(self, bazaar: LiveBazaar, repo_id: str) -> None:
        clones = [WorkingFolder.clone(bazaar, repo_id, bazaar.alice) for _ in range(6)]
        for number, clone in enumerate(clones):
            clone.commit(**{f"file{number}__txt": str(number)})

        def push(clone: WorkingFolder) -> None:
            for _ in range(30):
                try:
                    clone.git("push", "-q", "origin", "main")
                except AssertionError:
                    clone.git("pull", "-q", "--rebase", "origin", "main")
                else:
                    return
            raise AssertionError("never got through")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(push, clones))
        after = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
        assert after.git("rev-list", "--count", "HEAD").out.strip() == "7"
        assert info(bazaar, repo_id)["sha"] == after.head


class TestKilledServer:
    def test_leaves_each_push_done_or_undone(self, make_bazaar: Callable[..., LiveBazaar]) -> None:
        """Killed at any moment, the server comes back with sound repositories and nothing half-done."""
        bazaar = make_bazaar()
        repo_id = make_repository(bazaar, bazaar.alice)
        folder = storage_of(bazaar, repo_id)
        work = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
        for delay in (0.0, 0.08, 0.16, 0.3):
            before = work.git("rev-parse", "origin/main").out.strip()
            after = work.commit(data__txt=os.urandom(300_000).hex())
            push = subprocess.Popen(
                ["git", "push", "origin", "main"],
                cwd=work.folder,
                env=work.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            pause(delay)
            kill_web(bazaar)
            bazaar.start_web()
            _, printed = push.communicate(timeout=60)
            bazaar.remote.call("tests.wire.test_git_push:catch_up")
            [head] = [oid for name, oid in refs_with_ids(bazaar, repo_id) if name == "refs/heads/main"]
            assert head in {before, after}
            assert push.returncode != 0 or head == after, printed
            assert info(bazaar, repo_id)["sha"] == head
            run(["git", "fsck", "--full"], env=bazaar.client_env(), cwd=folder)
            work.git("push", "-q", "origin", "main")
            assert info(bazaar, repo_id)["sha"] == after
        until(lambda: not programs_in(folder), what=lambda: "a hook still waits for a dead hub")


def programs_in(folder: Path) -> list[str]:
    """Processes that work on a repository: it is their argument or their working folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if str(folder).encode() in command or (process / "cwd").readlink() == folder:
                found.append(command.decode(errors="replace"))
    return found


def kill_web(bazaar: LiveBazaar) -> None:
    """Kill the server and its workers, as when the machine goes."""
    assert bazaar._web is not None
    workers = Path(f"/proc/{bazaar._web.pid}/task/{bazaar._web.pid}/children").read_text().split()
    for pid in (bazaar._web.pid, *map(int, workers)):
        os.kill(pid, signal.SIGKILL)
    bazaar._web.wait()


def folder(full_name: str) -> str:
    """At the live server: where it keeps a repository."""
    return str(gitstore.folder_of(Repository.objects.get(full_name=full_name).storage))


def catch_up() -> None:
    """At the live server: what beat does every ten minutes."""
    jobs.catch_up(now=moment())


def api_commit(bazaar: LiveBazaar, repo_id: str, user: LiveUser, path: str) -> int:
    lines = (
        '{"key": "header", "value": {"summary": "add", "description": ""}}\n'
        f'{{"key": "file", "value": {{"path": "{path}", "content": "eA==", "encoding": "base64"}}}}\n'
    )
    answer = httpx.post(
        f"{bazaar.url}/api/models/{repo_id}/commit/main",
        content=lines,
        headers={"Authorization": f"Bearer {user.token}", "Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    return answer.status_code


class TestTrees:
    def test_that_stand_for_endless_files_are_refused_with_the_reason(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder
    ) -> None:
        """Ten tree objects, each of which holds the one below ten times, are 10^10 files."""
        before = refs_of(bazaar, repo_id)
        blob = work.git("hash-object", "-w", "/dev/null").out.strip()
        entries = [f"100644 blob {blob}\tf{number}" for number in range(10)]
        for _ in range(10):
            made = subprocess.run(
                ["git", "mktree"],
                cwd=work.folder,
                input="".join(f"{line}\n" for line in entries),
                capture_output=True,
                text=True,
                check=True,
            )
            tree = made.stdout.strip()
            entries = [f"040000 tree {tree}\td{number}" for number in range(10)]
        commit = work.git("commit-tree", tree, "-m", "a bomb").out.strip()
        refused = work.git("push", "origin", f"{commit}:refs/heads/bomb", fails=True)
        assert "A commit may hold 300000 files and folders" in refused.err
        assert refs_of(bazaar, repo_id) == before


class TestFileNames:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            (b"one-\xe9.txt", r"one-\xe9.txt” is not UTF-8"),
            (b"nl\nx.txt", r"nl\x0ax.txt” holds a control character"),
        ],
    )
    def test_that_no_client_could_ask_for_are_refused_with_the_reason(
        self, bazaar: LiveBazaar, repo_id: str, work: WorkingFolder, name: bytes, said: str
    ) -> None:
        before = refs_of(bazaar, repo_id), info(bazaar, repo_id)["sha"]
        (work.folder / os.fsdecode(name)).write_text("x")
        work.git("add", "--all")
        work.git("commit", "--quiet", "--message", "odd")
        assert said in work.git("push", fails=True).err
        assert (refs_of(bazaar, repo_id), info(bazaar, repo_id)["sha"]) == before
