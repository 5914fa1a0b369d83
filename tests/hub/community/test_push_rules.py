"""Pushes that no client of git sends: names of refs in other spellings, stale refs, refs named twice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import Refusal
from hub import gitstore
from hub.accounts.principals import Principal
from hub.community.services import open_pull_request
from hub.gitstore import InvalidRefName, RefUpdate, serving
from hub.gitstore.questions import NULL_SHA
from hub.repos import quotas
from hub.repos.models import Repository
from hub.revisions import moves, refs, services
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.factories.hub import NOW
from tests.hub.community.pushing import EMPTY_PACK, overtake, pkt, request_of, send
from tests.hub.revisions.test_pushes import next_commit

pytestmark = pytest.mark.django_db

Push = Callable[..., list[str]]
# Spellings of refs/heads/main that libgit2 takes for it, and others that it refuses.
SPELLINGS = (
    "refs/heads//main",
    "refs//heads/main",
    "/refs/heads/main",
    "refs/heads/main/",
    "refs/heads/./main",
    "refs/heads/x/../main",
)


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repository(alice: Principal) -> Repository:
    return make.repository(alice)


@pytest.fixture
def push(tmp_path: Path) -> Push:
    def push(actor: Principal, repository: Repository, *updates: RefUpdate, **options: bytes) -> list[str]:
        return send(tmp_path / "request", actor, repository, request_of(*updates, **options))

    return push


class TestNames:
    @pytest.mark.parametrize("ref", SPELLINGS)
    def test_in_other_spellings_move_and_delete_nothing(
        self, alice: Principal, repository: Repository, push: Push, ref: str
    ) -> None:
        head, before = repository.head_sha, ref_rows.all_of(repository)
        new = next_commit(repository, head, "one.txt")
        for update in (RefUpdate(ref, head, None), RefUpdate(ref, head, new), RefUpdate(ref, None, new)):
            assert push(alice, repository, update)[1:] == [f"ng {ref} pre-receive hook declined"]
            assert services.move_pushed(
                actor=alice, repository=repository, updates=[update], authorize=lambda *_: [], now=NOW
            ).keys() == {ref}
        assert ref_rows.all_of(repository) == before

    @pytest.mark.parametrize("ref", SPELLINGS)
    def test_in_other_spellings_are_no_refs_of_the_hub(self, repository: Repository, ref: str) -> None:
        """So no address of the API passes a rule about the default branch by either."""
        assert refs.commit_of(repository, ref) is None
        head = repository.head_sha
        updates = [RefUpdate(ref.replace("main", "new"), None, head), RefUpdate(ref, head, None)]
        possible, refused = moves.sift(repository, updates)
        assert possible == []
        assert {type(refusal) for refusal in refused.values()} <= {InvalidRefName, gitstore.RefChanged}

    @pytest.mark.parametrize("name", ["/main", "main/", "refs/heads//main"])
    def test_in_other_spellings_pass_no_rule_of_the_api_by(
        self, alice: Principal, repository: Repository, name: str
    ) -> None:
        before = ref_rows.all_of(repository)
        with pytest.raises(Refusal):
            services.delete_branch(actor=alice, repository=repository, name=name, now=NOW)
        with pytest.raises(Refusal):
            services.super_squash(actor=alice, repository=repository, revision=name, message="One", now=NOW)
        assert ref_rows.all_of(repository) == before

    @pytest.mark.parametrize(
        "line",
        [
            "{old} {new} refs/heads/a\nend",
            "{old} {new} refs/heads/a\n{old} {new} refs/heads/b",
            "{old} {new} refs/heads/a\x01",
            "{old} {new} refs/heads/a\x7f",
            "{old} {new} refs/heads/" + "a" * 1000,
            "push-cert\0",
        ],
    )
    def test_that_hooks_cannot_pass_on_are_refused_before_git_is_started(
        self,
        alice: Principal,
        repository: Repository,
        tmp_path: Path,
        line: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(serving, "_running", None)  # would fail: git is not started
        command = line.format(old=NULL_SHA, new=repository.head_sha).encode()
        body = pkt(command + b"\0report-status") + b"0000" + EMPTY_PACK
        report = send(tmp_path / "request", alice, repository, body)
        assert "A ref name can have at most 1000 bytes and no control characters." in report[0]


class TestRefNamedTwice:
    def test_is_refused_and_moves_nothing(self, alice: Principal, repository: Repository, push: Push) -> None:
        head = repository.head_sha
        new = next_commit(repository, head, "one.txt")
        assert push(alice, repository, RefUpdate("refs/heads/a", None, head))[1:] == ["ok refs/heads/a"]
        before = ref_rows.all_of(repository)
        report = push(
            alice, repository, RefUpdate("refs/heads/a", head, None), RefUpdate("refs/heads/a", head, new)
        )
        assert report[1:] == ["ng refs/heads/a pre-receive hook declined"] * 2
        assert ref_rows.all_of(repository) == before


@pytest.fixture
def brought(repository: Repository, tmp_path: Path) -> tuple[str, bytes]:
    """A commit of a file of 100,000 bytes that the repository lacks, and a pack of what is new in it."""
    folder, objects = gitstore.folder_of(repository.storage), tmp_path / "objects"
    objects.mkdir()
    variables = {
        "PATH": "/usr/bin:/bin",
        "GIT_DIR": str(folder),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(folder / "objects"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        **{f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        **{f"GIT_{who}_DATE": "1784000000 +0000" for who in ("AUTHOR", "COMMITTER")},
    }

    def git(*arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *arguments], input=given, env=variables, check=True, capture_output=True
        ).stdout

    blob = git("hash-object", "-w", "--stdin", given=b"text" * 25_000).strip()
    tree = git("mktree", given=b"100644 blob %b\tnew.txt\n" % blob).decode().strip()
    commit = git("commit-tree", tree, "-p", repository.head_sha, "-m", "New").decode().strip()
    listed = f"{commit}\n^{repository.head_sha}\n".encode()
    return commit, git("pack-objects", "--revs", "--stdout", "-q", given=listed)


def billed(repository: Repository, actor: Principal) -> tuple[int, int]:
    """The bytes billed to the owner, for the repository, and to the actor, for proposals."""
    assert actor.user is not None
    return Repository.objects.get(pk=repository.pk).size_bytes, quotas.proposed_bytes(actor.user)


class TestQuota:
    """A client that sends an object once need not send it again: what git keeps is billed when it comes."""

    @pytest.mark.parametrize(
        ("ref", "old"),
        [("refs/heads/dev", "ab" * 20), ("refs/heads/main", None), ("refs/heads/main/x", None)],
        ids=["no such ref", "not new", "below another"],
    )
    def test_is_not_passed_by_with_a_ref_that_cannot_move(
        self,
        alice: Principal,
        repository: Repository,
        push: Push,
        brought: tuple[str, bytes],
        ref: str,
        old: str | None,
    ) -> None:
        (commit, pack), (before, _) = brought, billed(repository, alice)
        report = push(alice, repository, RefUpdate(ref, old, commit), pack=pack)
        assert report[1:] == [f"ng {ref} pre-receive hook declined"]
        assert billed(repository, alice) == (before, 0)
        # Git did not keep the objects, so a push without them fails.
        assert push(alice, repository, RefUpdate("refs/heads/dev", None, commit)) != [
            "unpack ok",
            "ok refs/heads/dev",
        ]
        report = push(alice, repository, RefUpdate("refs/heads/dev", None, commit), pack=pack)
        assert report == ["unpack ok", "ok refs/heads/dev"]
        assert billed(repository, alice) == (before + 100_000, 0)

    def test_is_not_passed_by_with_a_ref_of_a_pull_request(
        self, repository: Repository, push: Push, brought: tuple[str, bytes]
    ) -> None:
        bob, (commit, pack) = make.actor("bob"), brought
        pull_request = open_pull_request(actor=bob, repository=repository, title="Mend it", text="", now=NOW)
        head, (before, _) = repository.head_sha, billed(repository, bob)
        push(bob, repository, RefUpdate(pull_request.ref, "ab" * 20, commit), pack=pack)
        assert billed(repository, bob) == (before, 0)
        report = push(bob, repository, RefUpdate(pull_request.ref, head, commit), pack=pack)
        assert report == ["unpack ok", f"ok {pull_request.ref}"]
        assert billed(repository, bob) == (before, 100_000)

    @pytest.mark.parametrize("is_archived", [False, True])
    def test_counts_what_git_took_in_before_its_ref_moved_or_the_repository_was_archived(
        self,
        alice: Principal,
        repository: Repository,
        push: Push,
        brought: tuple[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
        is_archived: bool,
    ) -> None:
        (commit, pack), (before, _) = brought, billed(repository, alice)

        def act() -> None:
            if is_archived:
                Repository.objects.filter(pk=repository.pk).update(is_archived=True)
            else:
                ref_rows.put(repository, "refs/heads/dev", repository.head_sha)

        overtake(monkeypatch, act)
        [_, result] = push(alice, repository, RefUpdate("refs/heads/dev", None, commit), pack=pack)
        assert result.startswith("ng refs/heads/dev ")
        assert billed(repository, alice) == (before + 100_000, 0)


class TestDefaultBranch:
    def test_that_became_it_after_the_check_is_not_deleted(
        self, alice: Principal, repository: Repository, push: Push, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = repository.head_sha
        push(alice, repository, RefUpdate("refs/heads/dev", None, head))
        found = Repository.objects.filter(pk=repository.pk)
        overtake(monkeypatch, lambda: found.update(default_branch="dev"))
        [_, result] = push(alice, repository, RefUpdate("refs/heads/dev", head, None))
        assert "is the default branch and cannot be deleted" in result
        assert ref_rows.all_of(repository)["refs/heads/dev"] == head
