"""File names that are not UTF-8 text: shown, served and deleted, and refused when they are new."""

from __future__ import annotations

from datetime import UTC, datetime

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from hub.gitstore import names
from hub.gitstore.errors import EntryNotFound, InvalidPath
from hub.gitstore.values import Author
from hub.repos.models import Repository
from hub.revisions import selectors
from tests.factories import hub as make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 1, tzinfo=UTC)
LATIN = b"one-\xe9.txt"
SHOWN = "one-\ufffd.txt"


def tree_of(*entries: tuple[bytes, bytes, pygit2.Oid]) -> bytes:
    return b"".join(mode + b" " + name + b"\0" + oid.raw for mode, name, oid in entries)


@pytest.fixture
def repository() -> Repository:
    return make.repository(make.user("alice"), "latin", files={"a.txt": b"a"})


@pytest.fixture
def commit(repository: Repository) -> str:
    """A commit with an odd file, and an odd folder that holds one."""
    raw = selectors.git_of(repository).raw
    blob = raw.create_blob(b"content")
    odd = (b"100644", LATIN, blob)
    folder = raw.odb.write(ObjectType.TREE, tree_of((b"100644", b"in.txt", blob), odd))
    tree = raw.odb.write(
        ObjectType.TREE, tree_of((b"40000", b"dir-\xff", folder), (b"100644", b"nl\nx", blob), odd)
    )
    who = pygit2.Signature("a", "a@example.org", 1_700_000_000, 0)
    return str(raw.create_commit(None, who, who, "odd", tree, [pygit2.Oid(hex=repository.head_sha)]))


class TestOddNames:
    def test_are_listed_and_found_by_what_is_listed(self, repository: Repository, commit: str) -> None:
        git = selectors.git_of(repository)
        listed = [item.path for item in git.items(commit, recursive=True)]
        assert listed == [
            "dir-\ufffd",
            "dir-\ufffd/in.txt",
            f"dir-\ufffd/{SHOWN}",
            "nl\nx",
            SHOWN,
        ]
        for path in listed:
            assert git.entry(commit, path).path == path
        with pytest.raises(EntryNotFound):
            git.entry(commit, "two-\ufffd.txt")

    def test_can_be_compared(self, repository: Repository, commit: str) -> None:
        git = selectors.git_of(repository)
        changes = git.diff(repository.head_sha, commit, with_patch=True)
        assert {change.path for change in changes} >= {SHOWN, "nl\nx", f"dir-\ufffd/{SHOWN}"}
        assert all(change.path.encode() for change in changes)

    @pytest.mark.parametrize("path", [SHOWN, "nl\nx", "dir-\ufffd"])
    def test_can_be_deleted(self, repository: Repository, commit: str, path: str) -> None:
        git = selectors.git_of(repository)
        tree = git.write_tree(commit, {path: None})
        author = Author("a", "a@example.org")
        after = git.write_commit(tree=tree, parents=[commit], message="m", author=author, at=NOW)
        assert git.find_entry(after, path) is None
        assert len(list(git.items(after))) == 2

    def test_can_be_replaced(self, repository: Repository, commit: str) -> None:
        git = selectors.git_of(repository)
        tree = git.raw[git.write_tree(commit, {SHOWN: (git.write_blob(b"new"), FileMode.BLOB)})]
        assert isinstance(tree, pygit2.Tree)
        assert [item.raw_name for item in tree] == [b"dir-\xff", b"nl\nx", SHOWN.encode()]

    def test_of_a_folder_keep_what_is_below_them(self, repository: Repository, commit: str) -> None:
        git = selectors.git_of(repository)
        with pytest.raises(InvalidPath, match="delete the folder"):
            git.write_tree(commit, {"dir-\ufffd/in.txt": None})


class TestProblems:
    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            (b"a.txt", None),
            ("名字 é 😀\u2028".encode(), None),
            (LATIN, names.Problem.NOT_UTF8),
            (b"\xed\xa0\x80", names.Problem.NOT_UTF8),
            (b"a\nb", names.Problem.CONTROL_CHARACTER),
            (b"a\x1bb", names.Problem.CONTROL_CHARACTER),
            (b"a\x7fb", names.Problem.CONTROL_CHARACTER),
            ("a\u0085b".encode(), names.Problem.CONTROL_CHARACTER),
        ],
    )
    def test_of_new_names(self, name: bytes, problem: names.Problem | None) -> None:
        assert names.problem_of(name) == problem

    def test_are_named_without_the_bytes_themselves(self) -> None:
        assert names.quoted(b"a\x1b\xe9\n") == r"a\x1b\xe9\x0a"

    def test_entries_of_a_tree_are_read(self) -> None:
        oid = pygit2.Oid(hex="20" * 20)  # blanks: an id may hold any byte
        assert names.entries_in(tree_of((b"40000", b"d x", oid), (b"100644", LATIN, oid))) == [
            (b"40000", b"d x", oid.raw),
            (b"100644", LATIN, oid.raw),
        ]

    @pytest.mark.parametrize(
        ("mode", "is_usual"),
        [
            (b"100644", True),
            (b"100755", True),
            (b"100664", True),
            (b"120000", True),
            (b"40000", True),
            (b"040000", True),
            (b"160000", True),
            (b"0", False),
            (b"777", False),
            (b"40755", False),
            (b"120777", False),
            (b"140000", False),
            (b"160755", False),
            (b"240000", False),
            (b"7" * 1000, False),
        ],
    )
    def test_modes_that_git_writes_are_known(self, mode: bytes, is_usual: bool) -> None:
        assert names.is_usual_mode(mode) == is_usual
