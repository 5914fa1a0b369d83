from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate, serving
from hub.gitstore.incoming import Incoming
from hub.gitstore.questions import Push
from hub.gitstore.serving import asks_for_more_changes_than
from hub.lfs.models import LfsLink
from hub.repos.models import Repository
from hub.revisions import jobs, pushes, selectors
from hub.revisions.services import move_pushed
from hub.revisions.signals import revision_committed
from tests.factories import hub as factories
from tests.factories import ref_rows
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db

AUTHOR = gitstore.Author("Alice", "alice@example.org")


def next_commit(repository: Repository, parent: str, name: str) -> str:
    git = selectors.git_of(repository)
    tree = git.write_tree(parent, {name: (git.write_blob(name.encode()), 0o100644)})
    return git.write_commit(tree=tree, parents=[parent], message=name, author=AUTHOR, at=NOW)


class TestReasonsAgainst:
    def reasons(
        self, actor: Principal, repository: Repository, *changes: RefUpdate, authorized: bool = True
    ) -> list[str]:
        reasons, _ = pushes.reasons_against(
            actor=actor,
            repository=repository,
            push=Push(list(changes), None),
            authorize=lambda *_: [] if authorized else ["You may not."],
            now=NOW,
        )
        return reasons

    def test_are_none_for_a_writers_branches_and_tags(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        sha = repository.head_sha
        changes = [RefUpdate("refs/heads/dev", None, sha), RefUpdate("refs/tags/v1", None, sha)]
        assert self.reasons(alice, repository, *changes) == []
        assert self.reasons(alice, repository, RefUpdate("refs/heads/dev", sha, None)) == []

    @pytest.mark.parametrize(
        ("ref", "old", "new", "words"),
        [
            ("refs/heads/main", True, False, "default branch"),
            ("refs/notes/commits", False, True, "Only branches and tags"),
            ("refs/heads/HEAD", False, True, "Invalid reference"),
            ("refs/heads/refs/heads/x", False, True, "Invalid reference"),
        ],
    )
    def test_name_the_ref_and_the_rule(self, ref: str, old: bool, new: bool, words: str) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        sha = repository.head_sha
        [reason] = self.reasons(alice, repository, RefUpdate(ref, sha if old else None, sha if new else None))
        assert words in reason

    def test_include_what_the_rights_of_the_actor_say(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        change = RefUpdate("refs/heads/x", None, repository.head_sha)
        assert self.reasons(alice, repository, change, authorized=False) == ["You may not."]

    def test_include_that_the_repository_is_gone(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        Repository.objects.filter(pk=repository.pk).update(deleted_at=NOW)
        assert self.reasons(alice, repository, RefUpdate("refs/heads/x", None, repository.head_sha)) != []

    def test_include_an_object_that_is_no_commit(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        blob = selectors.git_of(repository).write_blob(b"not a commit")
        [reason] = self.reasons(alice, repository, RefUpdate("refs/tags/v1", None, blob))
        assert "must lead to a commit" in reason

    def test_include_more_branches_than_a_repository_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        sha = repository.head_sha
        monkeypatch.setattr(pushes, "BRANCHES_MAX", 2)
        one, two = (RefUpdate(f"refs/heads/{name}", None, sha) for name in "xy")
        assert self.reasons(alice, repository, one) == []
        [reason] = self.reasons(alice, repository, one, two)
        assert "2 branches and tags" in reason
        ref_rows.put(repository, "refs/tags/old", sha)
        assert self.reasons(alice, repository, one) != []
        assert self.reasons(alice, repository, one, RefUpdate("refs/tags/old", sha, None)) == []

    def test_include_too_many_refs(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        many = [
            RefUpdate(f"refs/tags/v{number}", None, repository.head_sha)
            for number in range(pushes.CHANGES_MAX + 1)
        ]
        assert len(self.reasons(alice, repository, *many)) == 1


def pushed(count: int) -> bytes:
    """The lines of a push that makes so many tags, and the first bytes of its pack."""
    lines = [f"{'0' * 40} {'1' * 40} refs/tags/v{number:05}\n" for number in range(count)]
    return "".join(f"{len(line) + 4:04x}{line}" for line in lines).encode() + b"0000PACK"


class TestCount:
    @pytest.mark.parametrize(
        ("body", "is_more"),
        [
            (b"", False),
            (pushed(0), False),
            (pushed(1000), False),
            (pushed(1001), True),
            (pushed(5000), True),
            (pushed(1000).removesuffix(b"0000PACK"), False),
            (b"zzzz" * 2000, False),
            (b"0001" * 2000, False),
            (b"ffff" + bytes(10), False),
        ],
        ids=["empty", "none", "most", "one more", "many", "cut", "no lines", "empty lines", "short line"],
    )
    def test_is_made_before_git_is_started(self, body: bytes, is_more: bool, tmp_path: Path) -> None:
        path = tmp_path / "body"
        path.write_bytes(body)
        with path.open("rb") as file:
            assert asks_for_more_changes_than(1000, file) == is_more
            assert file.read() == body

    def test_refuses_a_push_over_the_wire(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        alice = factories.user("alice")
        repository = factories.repository(alice)
        monkeypatch.setattr(serving, "_running", None)  # would fail: git is not started
        answer = client.post(
            f"/{repository.full_name}.git/git-receive-pack",
            pushed(5000),
            content_type="application/x-git-receive-pack-request",
            headers=factories.bearer(alice),
        )
        text = answer.getvalue()
        assert b"error: A push can move at most 1000 refs at once.\n" in text
        assert b"unpack A push can move at most 1000 refs at once.\n0000" in text


class TestIncoming:
    def test_looks_only_at_what_is_new(self, tmp_path: Path) -> None:
        """A pack that holds an old large file again, as a thin one is completed, is not refused for it."""
        alice = factories.actor()
        repository = factories.repository(alice)
        folder = gitstore.folder_of(repository.storage)
        old = selectors.git_of(repository).write_blob(b"old " * 100)
        objects = tmp_path / "objects"
        for name in ("pack", "info"):
            (objects / name).mkdir(parents=True)
        loose = folder / "objects" / old[:2] / old[2:]
        (objects / old[:2]).mkdir()
        shutil.copy(loose, objects / old[:2] / old[2:])
        new = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"],
            cwd=folder,
            env={"GIT_OBJECT_DIRECTORY": str(objects), "GIT_DIR": str(folder), "PATH": "/usr/bin:/bin"},
            input=b"new " * 100,
            capture_output=True,
            check=True,
        )
        found = Incoming(repository.storage, objects).contents(large_above=50, tree_entries_max=100)
        assert found.large == {new.stdout.decode().strip(): 400}
        assert found.blob_bytes == 400


class TestTidy:
    def test_packs_many_loose_objects_under_the_eyes_of_readers(self) -> None:
        repository = factories.repository(factories.actor())
        folder = gitstore.folder_of(repository.storage)
        before = gitstore.open_repository(repository.storage)
        parent = repository.head_sha
        for number in range(700):
            parent = next_commit(repository, parent, f"{number}.txt")
        ref_rows.put(repository, "refs/heads/main", parent)
        Repository.objects.filter(pk=repository.pk).update(updated_at=NOW)
        assert jobs.tidy(now=NOW) == 1
        assert list(folder.glob("objects/pack/*.pack"))
        assert sum(1 for _ in folder.glob("objects/??/*")) < 100
        listed = subprocess.run(["git", "-C", folder, "show-ref"], capture_output=True, text=True, check=True)
        assert listed.stdout == f"{parent} refs/heads/main\n"
        assert before.entry(parent, "699.txt").size == len("699.txt")
        after = gitstore.open_repository(repository.storage)
        assert after is not before
        assert after.count_commits(parent, limit=1000) == 701

    def test_leaves_what_did_not_change_alone(self) -> None:
        factories.repository(factories.actor())
        Repository.objects.update(updated_at=NOW - timedelta(days=3))
        assert jobs.tidy(now=NOW) == 0


class TestMovePushed:
    def move(
        self,
        actor: Principal,
        repository: Repository,
        *updates: RefUpdate,
        is_atomic: bool = False,
        reasons: Sequence[str] = (),
    ) -> dict[str, str]:
        return move_pushed(
            actor=actor,
            repository=repository,
            updates=updates,
            is_atomic=is_atomic,
            authorize=lambda *_: list(reasons),
            now=NOW,
        )

    def test_moves_the_branch_and_its_row(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        old = repository.head_sha
        new = next_commit(repository, old, "one.txt")
        assert self.move(alice, repository, RefUpdate("refs/heads/main", old, new)) == {}
        repository.refresh_from_db()
        assert repository.head_sha == new == ref_rows.commit_of(repository, "refs/heads/main")
        assert not LfsLink.objects.exists()

    def test_leaves_out_a_ref_that_moved_meanwhile_and_announces_the_others(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        start = repository.head_sha
        first = next_commit(repository, start, "one.txt")
        second = next_commit(repository, start, "two.txt")
        self.move(alice, repository, RefUpdate("refs/heads/main", start, first))
        heard: list[str] = []

        def hear(*, ref: str, **_: object) -> None:
            heard.append(ref)

        updates = [RefUpdate("refs/heads/main", start, second), RefUpdate("refs/heads/dev", None, second)]
        revision_committed.connect(hear)
        try:
            atomic = self.move(alice, repository, *updates, is_atomic=True)
            assert heard == []
            refused = self.move(alice, repository, *updates)
        finally:
            revision_committed.disconnect(hear)
        assert atomic == {
            "refs/heads/main": "moved meanwhile, fetch first",
            "refs/heads/dev": "another ref of this push did not move",
        }
        assert refused == {"refs/heads/main": "moved meanwhile, fetch first"}
        assert heard == ["refs/heads/dev"]
        selectors.git_of(repository)
        assert (
            ref_rows.commit_of(repository, "refs/heads/main"),
            ref_rows.commit_of(repository, "refs/heads/dev"),
        ) == (first, second)
        repository.refresh_from_db()
        assert repository.head_sha == first

    def test_moves_nothing_once_the_actor_lost_the_right(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        update = RefUpdate("refs/heads/dev", None, repository.head_sha)
        assert self.move(alice, repository, update, reasons=["Not any more."]) == {
            "refs/heads/dev": "Not any more."
        }
        assert ref_rows.commit_of(repository, "refs/heads/dev") is None

    def test_takes_annotated_tags_but_not_as_branches(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        git = selectors.git_of(repository)
        tag = git.write_tag(name="v1", target=repository.head_sha, message="One", author=AUTHOR, at=NOW)
        refused = self.move(
            alice,
            repository,
            RefUpdate("refs/tags/v1", None, tag),
            RefUpdate("refs/heads/v1", None, tag),
        )
        assert list(refused) == ["refs/heads/v1"]
        assert ref_rows.held_by(repository, "refs/tags/v1") == tag
        assert self.move(alice, repository, RefUpdate("refs/tags/v1", tag, None)) == {}
        assert ref_rows.held_by(repository, "refs/tags/v1") is None

    def test_deletes_what_is_gone_already(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        assert self.move(alice, repository, RefUpdate("refs/heads/dev", repository.head_sha, None)) == {}

    @pytest.mark.parametrize(
        ("names", "refused"),
        [
            (("a", "a/b"), ["a/b"]),
            (("a/b", "a"), ["a"]),
            (("a/b", "a/c", "b"), []),
            (("main/x",), ["main/x"]),
        ],
    )
    def test_keeps_names_apart_that_git_cannot_hold_together(
        self, names: tuple[str, ...], refused: list[str]
    ) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        updates = [RefUpdate(f"refs/heads/{name}", None, repository.head_sha) for name in names]
        found = self.move(alice, repository, *updates)
        assert [ref.removeprefix("refs/heads/") for ref in found] == refused

    def test_makes_a_branch_below_one_that_goes_in_the_same_push(self) -> None:
        alice = factories.actor()
        repository = factories.repository(alice)
        sha = repository.head_sha
        self.move(alice, repository, RefUpdate("refs/heads/a", None, sha))
        updates = [RefUpdate("refs/heads/a", sha, None), RefUpdate("refs/heads/a/b", None, sha)]
        assert self.move(alice, repository, *updates) == {}
        assert ref_rows.commit_of(repository, "refs/heads/a/b") == sha
