from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from pygit2.enums import FileMode, ObjectType

from hub.accounts.principals import Principal
from hub.gitstore import GitRepository, TreeItem
from hub.repos.models import Repository
from hub.repos.services import git_author
from hub.revisions import indexing, moves, selectors, services
from hub.revisions.models import RepositoryFacts
from hub.revisions.operations import AddBlob, DeleteFile, Operation
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db


def siblings_of(stored: RepositoryFacts) -> list[tuple[Any, ...]]:
    assert stored.siblings is not None
    return [tuple(row) for row in stored.siblings]


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model", files={"README.md": b"# one\n"})


@pytest.fixture
def sized() -> Iterator[list[str]]:
    """The paths whose object headers were read."""
    seen: list[str] = []
    read = GitRepository.sized

    def counting(self: GitRepository, item: TreeItem) -> Any:
        seen.append(item.path)
        return read(self, item)

    with mock.patch.object(GitRepository, "sized", counting):
        yield seen


def commit(actor: Principal, repo: Repository, *operations: Operation) -> str:
    request = NewCommit(operations=operations, title="Change")
    done = services.commit(actor=actor, repository=repo, revision="main", request=request, now=make.NOW)
    return done.oid


def blob(repo: Repository, path: str, data: bytes = b"x") -> AddBlob:
    return AddBlob(path=path, blob=selectors.git_of(repo).write_blob(data), size=len(data))


def read_anew(repo: Repository, oid: str) -> indexing.Facts:
    """From git alone."""
    return indexing.facts_of(repo.kind, selectors.git_of(repo), oid)


class TestReads:
    def test_a_commit_of_one_file_reads_the_header_of_one_file(
        self, alice: Principal, repo: Repository, sized: list[str]
    ) -> None:
        commit(alice, repo, *(blob(repo, f"d{number % 7}/{number}", b"%d" % number) for number in range(300)))
        sized.clear()
        oid = commit(alice, repo, blob(repo, "d3/3", b"new"))
        assert sized == ["d3/3"]
        facts = RepositoryFacts.objects.get(repository=repo)
        assert (facts.commit_sha, facts.files_total) == (oid, read_anew(repo, oid).files_total)

    def test_a_commit_that_is_tried_again_reads_what_the_branch_has_gained(
        self, alice: Principal, repo: Repository, sized: list[str]
    ) -> None:
        """Three of four attempts are overtaken by another's commit; no attempt reads the 300 files."""
        commit(alice, repo, *(blob(repo, f"d/{number}", b"%d" % number) for number in range(300)))
        git = selectors.git_of(repo)
        read, others = moves.facts_for, iter(range(3))

        def overtaken(*args: Any) -> Any:
            facts = read(*args)
            if (number := next(others, None)) is not None:
                old = ref_rows.main_of(repo)
                blobs = {f"other/{number}": (git.write_blob(b"%d" % number), FileMode.BLOB)}
                theirs = git.write_commit(
                    tree=git.write_tree(old, blobs),
                    parents=[old],
                    message="theirs",
                    author=git_author(alice),
                    at=make.NOW,
                )
                ref_rows.put(repo, "refs/heads/main", theirs)
            return facts

        sized.clear()
        with mock.patch.object(moves, "facts_for", overtaken):
            oid = commit(alice, repo, blob(repo, "mine", b"mine"))
        assert sorted(set(sized)) == ["mine", "other/0", "other/1", "other/2"]
        assert len(sized) <= 8
        facts = RepositoryFacts.objects.get(repository=repo)
        assert facts.files_total == read_anew(repo, oid).files_total == 306


class TestAgreement:
    @pytest.mark.parametrize("seed", range(3))
    def test_with_what_a_fresh_reading_says(self, alice: Principal, repo: Repository, seed: int) -> None:
        """Files come, change, go, become folders and back, and become pointers."""
        chance = random.Random(seed)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 123456\n".encode()
        names = ["a", "a/x", "a/y", "a.txt", "d/e/f", "d/e-g", "ü", "README.md", "config.json"]
        held: set[str] = set()
        for _ in range(12):
            operations: dict[str, Operation] = {}
            for path in chance.sample(names, 3):
                clash = {one for one in held if one.startswith(f"{path}/") or path.startswith(f"{one}/")}
                if path in held and chance.random() < 0.4:
                    operations[path] = DeleteFile(path)
                    held.discard(path)
                elif not clash and not any(
                    one.startswith(f"{path}/") or path.startswith(f"{one}/") for one in operations
                ):
                    data = chance.choice([b"1", b"{}", b"longer text", pointer])
                    operations[path] = blob(repo, path, data)
                    held.add(path)
            if not operations:
                continue
            oid = commit(alice, repo, *operations.values())
            fresh, stored = read_anew(repo, oid), RepositoryFacts.objects.get(repository=repo)
            assert siblings_of(stored) == fresh.siblings
            assert (stored.files_total, stored.used_storage_bytes, stored.tags) == (
                fresh.files_total,
                fresh.used_storage_bytes,
                [tag.value for tag in fresh.tags],
            )

    def test_when_the_index_knows_a_commit_that_is_gone(self, alice: Principal, repo: Repository) -> None:
        RepositoryFacts.objects.filter(repository=repo).update(commit_sha="0" * 40)
        oid = commit(alice, repo, blob(repo, "a"))
        stored = RepositoryFacts.objects.get(repository=repo)
        assert siblings_of(stored) == read_anew(repo, oid).siblings

    def test_when_names_are_not_utf_8(self, alice: Principal, repo: Repository) -> None:
        """Such names look alike once decoded, so the whole tree is read."""
        git = selectors.git_of(repo)
        _, tree = git.raw.read(git.commit(repo.head_sha).tree)
        for name in (b"one-\xe8.txt", b"one-\xe9.txt"):
            tree += b"100644 " + name + b"\0" + git.raw.create_blob(name).raw
        theirs = git.write_commit(
            tree=str(git.raw.odb.write(ObjectType.TREE, tree)),
            parents=[repo.head_sha],
            message="odd",
            author=git_author(alice),
            at=make.NOW,
        )
        ref_rows.put(repo, "refs/heads/main", theirs)
        for number in range(2):
            oid = commit(alice, repo, blob(repo, f"a{number}"))
            stored = RepositoryFacts.objects.get(repository=repo)
            assert siblings_of(stored) == read_anew(repo, oid).siblings
            assert stored.files_total == 5 + number
