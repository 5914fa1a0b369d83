from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.principals import Principal
from hub.gitstore import RevisionNotFound
from hub.repos.models import Repository
from hub.revisions import selectors, services
from hub.revisions.locations import RevisionPath, locate
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    """Branches main, rel/1 and rel/2/x, tags rel, main/v1 and v1.0; all hold a/b.txt."""
    made = make.repository(alice, "model", files={"README.md": b"# one\n"})
    blob = selectors.git_of(made).write_blob(b"b")
    paths = ("a/b.txt", "1/f", "v1/f", "rel/f")
    services.commit(
        actor=alice,
        repository=made,
        revision="main",
        request=NewCommit(operations=[AddBlob(path=p, blob=blob, size=1) for p in paths], title="a/b"),
        now=make.NOW,
    )
    for name in ("rel/1", "rel/2/x"):
        services.create_branch(actor=alice, repository=made, name=name, now=make.NOW)
    for name in ("rel", "main/v1", "v1.0"):
        services.create_tag(actor=alice, repository=made, name=name, revision="main", now=make.NOW)
    return Repository.objects.get(pk=made.pk)


class TestLocate:
    @pytest.mark.parametrize(
        ("text", "revision", "path"),
        [
            ("main", "main", ""),
            ("main/", "main", ""),
            ("main/a/b.txt", "main", "a/b.txt"),
            ("v1.0/a/b.txt", "v1.0", "a/b.txt"),
            ("rel/1/a/b.txt", "rel/1", "a/b.txt"),
            ("rel/1", "rel/1", ""),
            ("rel/2/x/a/b.txt", "rel/2/x", "a/b.txt"),
            ("rel/f", "rel", "f"),
            ("rel/2/f", "rel", "2/f"),
            ("main/v1/f", "main/v1", "f"),
            ("main/v2/f", "main", "v2/f"),
            ("refs/heads/main/a/b.txt", "refs/heads/main", "a/b.txt"),
            ("refs/heads/rel/1/f", "refs/heads/rel/1", "f"),
            ("refs/tags/v1.0/f", "refs/tags/v1.0", "f"),
            ("HEAD/a/b.txt", "HEAD", "a/b.txt"),
            ("main/" + "d/" * 500 + "f", "main", "d/" * 500 + "f"),
        ],
    )
    def test_takes_the_longest_ref(self, repo: Repository, text: str, revision: str, path: str) -> None:
        found = locate(repo, RevisionPath(text))
        assert (found.revision, found.commit, found.path) == (revision, repo.head_sha, path)

    def test_takes_an_escaped_slash_at_its_word(self, repo: Repository) -> None:
        assert locate(repo, RevisionPath("1/f", revision="refs/heads/main")).path == "1/f"
        with pytest.raises(RevisionNotFound):
            locate(repo, RevisionPath("f", revision="rel/3"))

    def test_takes_commit_ids(self, repo: Repository) -> None:
        for name in (repo.head_sha, repo.head_sha[:9]):
            assert locate(repo, RevisionPath(f"{name}/a/b.txt"))[1:] == (repo.head_sha, "a/b.txt")

    @pytest.mark.parametrize("text", ["nothing/f", "refs/heads/nothing/f", "refs", "re/l/1", "a b/~^:?*["])
    def test_refuses_what_is_no_revision(self, repo: Repository, text: str) -> None:
        with pytest.raises(RevisionNotFound):
            locate(repo, RevisionPath(text))


class TestDoors:
    """Every address that holds a revision takes one with slashes, plain and escaped."""

    @pytest.mark.parametrize("revision", ["rel/1", "refs/heads/rel/1", "rel%2F1", "refs%2fheads%2Frel%2F1"])
    @pytest.mark.parametrize(
        "address",
        [
            "/alice/model/resolve/{}/a/b.txt",
            "/alice/model/raw/{}/a/b.txt",
            "/hf/alice/model/resolve/{}/a/b.txt",
            "/csg/alice/model/resolve/{}/a/b.txt",
            "/ms/alice/model/resolve/{}/a/b.txt",
            "/api/models/alice/model/tree/{}",
            "/api/models/alice/model/tree/{}/a",
            "/csg/api/models/alice/model/tree/{}/a",
            "/api/models/alice/model/commits/{}",
            "/api/models/alice/model/revision/{}",
            "/api/models/alice/model/compare/main..{}",
            "/api/models/alice/model/xet-read-token/{}",
            "/alice/model/tree/{}",
            "/alice/model/tree/{}/a",
            "/alice/model/blob/{}/a/b.txt",
            "/alice/model/commits/{}",
            "/modelscope/api/v1/models/alice/model/repo?FilePath=a/b.txt&Revision={}",
            "/modelscope/api/v1/models/alice/model/repo/files?Root=a&Revision={}",
        ],
    )
    def test_serve_revisions_with_slashes(
        self, client: Client, repo: Repository, address: str, revision: str
    ) -> None:
        answer = client.get(address.format(revision))
        assert answer.status_code == 200, answer

    @pytest.mark.parametrize("revision", ["rel/1", "rel%2F1"])
    def test_take_posts_to_revisions_with_slashes(
        self, client: Client, alice: Principal, repo: Repository, revision: str
    ) -> None:
        assert alice.user is not None
        headers, base = make.bearer(alice.user), "/api/models/alice/model"
        asked = client.post(
            f"{base}/paths-info/{revision}",
            {"paths": ["a/b.txt"], "expand": True},
            content_type="application/json",
            headers=headers,
        )
        assert [row["lastCommit"]["title"] for row in asked.json()] == ["a/b"]
        sent = client.post(
            f"{base}/commit/{revision}",
            b'{"key":"header","value":{"summary":"one"}}\n'
            b'{"key":"file","value":{"path":"new.txt","content":"eA==","encoding":"base64"}}\n',
            content_type="application/x-ndjson",
            headers=headers,
        )
        assert sent.status_code == 200, sent.content
        assert ref_rows.commit_of(repo, "refs/heads/rel/1") == sent.json()["commitOid"]
