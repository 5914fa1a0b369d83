from __future__ import annotations

import random
import subprocess
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pygit2
import pytest
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.gitstore import (
    EntryNotFound,
    GitRepository,
    Ref,
    RevisionNotFound,
    diffs,
    ref_files,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ALICE = gitstore.Author("alice", "alice@example.org")
FILE = 0o100644


@pytest.fixture
def storage(settings: Settings, tmp_path: Path) -> str:
    settings.GIT_ROOT = tmp_path
    key = uuid.uuid4().hex
    gitstore.create_repository(
        key,
        default_branch="main",
        files={".gitattributes": b"*.bin filter=lfs\n"},
        message="initial commit",
        author=ALICE,
        at=NOW,
    )
    return key


@pytest.fixture
def repo(storage: str) -> GitRepository:
    return gitstore.open_repository(storage)


def put(repo: GitRepository, message: str, **files: bytes | None) -> str:
    """Commit files to main; a name's `__` stands for `/`, None deletes."""
    base = head_of(repo)
    changes = {
        name.replace("__", "/"): None if data is None else (repo.write_blob(data), FILE)
        for name, data in files.items()
    }
    tree = repo.write_tree(base, changes)
    oid = repo.write_commit(tree=tree, parents=[base], message=message, author=ALICE, at=NOW)
    write_refs(repo, main=oid)
    return oid


def write_refs(repo: GitRepository, **branches: str) -> None:
    refs = [Ref(f"refs/heads/{name}", oid, oid) for name, oid in branches.items()]
    ref_files.write(Path(repo.raw.path), refs, version=1)


def head_of(repo: GitRepository) -> str:
    return next(ref.target for ref in repo.refs_in_files() if ref.name == "refs/heads/main")


class TestCommit:
    @pytest.mark.parametrize(
        ("seconds", "year"), [(0, 1970), (1_700_000_000, 2023), (9_999_999_999_999, 9998), (2**62, 9998)]
    )
    def test_is_read_whatever_time_it_names(self, repo: GitRepository, seconds: int, year: int) -> None:
        """Git takes times far beyond the calendar; lists of commits must not fail for them."""
        tree = repo.raw[head_of(repo)].peel(pygit2.Tree).id
        who = f"a <a@example.org> {seconds} +0000"
        text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\ntext\n"
        oid = str(repo.raw.odb.write(pygit2.enums.ObjectType.COMMIT, text.encode()))
        assert repo.commit(oid).at.year == year
        assert [commit.at.year for commit in repo.history(oid)] == [year]


class TestCommitById:
    def test_finds_whole_ids_and_short_ones(self, repo: GitRepository) -> None:
        oid = put(repo, "two", a=b"a")
        assert (repo.commit_by_id(oid), repo.commit_by_id(oid[:7])) == (oid, oid)

    def test_takes_no_annotated_tag_for_the_commit_behind_it(self, repo: GitRepository) -> None:
        head = head_of(repo)
        tag = repo.write_tag(name="v1", target=head, message="one", author=ALICE, at=NOW)
        with pytest.raises(RevisionNotFound):
            repo.commit_by_id(tag)
        assert repo.commit_behind(tag) == head

    @pytest.mark.parametrize(
        "revision",
        ["", "nope", "0" * 40, "abcdef", "main", "HEAD", "refs/heads/main", "main^{tree}", "a..b", "é"],
    )
    def test_refuses_what_leads_to_no_commit(self, repo: GitRepository, revision: str) -> None:
        with pytest.raises(RevisionNotFound):
            repo.commit_by_id(revision)

    def test_refuses_the_id_of_a_blob(self, repo: GitRepository) -> None:
        with pytest.raises(RevisionNotFound):
            repo.commit_by_id(repo.write_blob(b"x"))


class TestTrees:
    def test_lists_folders_before_what_they_hold(self, repo: GitRepository) -> None:
        oid = put(repo, "two", a__b__c=b"1", d=b"22")
        listed = [(entry.path, entry.kind, entry.size) for entry in repo.entries(oid, recursive=True)]
        assert listed == [
            (".gitattributes", "file", 17),
            ("a", "directory", 0),
            ("a/b", "directory", 0),
            ("a/b/c", "file", 1),
            ("d", "file", 2),
        ]
        assert [entry.path for entry in repo.entries(oid, "a")] == ["a/b"]

    def test_refuses_to_list_a_file_or_nothing(self, repo: GitRepository) -> None:
        oid = put(repo, "two", d=b"22")
        for path in ("d", "nope", "d/e"):
            with pytest.raises(EntryNotFound):
                repo.entries(oid, path)

    def test_knows_pointers(self, repo: GitRepository) -> None:
        pointer = gitstore.Pointer(oid="ab" * 32, size=12345)
        oid = put(repo, "two", w=pointer.render(), almost=pointer.render() + b"x" * 2000)
        assert repo.entry(oid, "w").pointer == pointer
        assert repo.entry(oid, "w").content_size == 12345
        assert repo.entry(oid, "almost").pointer is None

    def test_drops_folders_that_become_empty(self, repo: GitRepository) -> None:
        put(repo, "two", a__b__c=b"1")
        oid = put(repo, "three", a__b__c=None)
        assert [entry.path for entry in repo.entries(oid, recursive=True)] == [".gitattributes"]

    @pytest.mark.parametrize("path", ["d/e", "a"])
    def test_refuses_a_path_that_is_in_the_way_of_another(self, repo: GitRepository, path: str) -> None:
        oid = put(repo, "two", a__b=b"1", d=b"22")
        with pytest.raises(gitstore.InvalidPath):
            repo.write_tree(oid, {path: (repo.write_blob(b"x"), FILE)})

    def test_lets_a_file_and_a_folder_take_each_others_place(self, repo: GitRepository) -> None:
        oid = put(repo, "two", a__b=b"1", d=b"22")
        blob = (repo.write_blob(b"x"), FILE)
        tree = repo.write_tree(oid, {"a/b": None, "a": blob, "d/e": blob, "d": None})
        after = repo.write_commit(tree=tree, parents=[oid], message="three", author=ALICE, at=NOW)
        assert [entry.path for entry in repo.entries(after, recursive=True)] == [
            ".gitattributes",
            "a",
            "d",
            "d/e",
        ]


class TestHistory:
    @pytest.fixture
    def long(self, repo: GitRepository) -> str:
        """The newest of 300 commits, of which the oldest has a parent that nobody can read."""
        tree = repo.raw[head_of(repo)].peel(pygit2.Tree).id
        parent = "1" * 40
        for number in range(300):
            who = f"a <a@example.org> {1_700_000_000 + number} +0000"
            text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{number}\n"
            parent = str(repo.raw.odb.write(pygit2.enums.ObjectType.COMMIT, text.encode()))
        return parent

    def test_is_read_as_far_as_it_is_asked_for(self, repo: GitRepository, long: str) -> None:
        assert [commit.title for commit in islice(repo.history(long), 3)] == ["299", "298", "297"]
        assert [commit.title for commit in islice(repo.history(long, skip=100), 2)] == ["199", "198"]
        with pytest.raises(pygit2.GitError):
            list(repo.history(long))

    def test_is_counted_up_to_a_limit(self, repo: GitRepository, long: str) -> None:
        assert repo.count_commits(long, limit=200) is None
        short = put(repo, "two", a=b"a")
        assert repo.count_commits(short, limit=2) == 2
        assert repo.count_commits(short, limit=1) is None

    def test_has_both_sides_of_a_merge_by_their_time(self, repo: GitRepository) -> None:
        base = head_of(repo)
        tree = str(repo.raw[base].peel(pygit2.Tree).id)

        def commit(name: str, hours: int, *parents: str) -> str:
            at = NOW + timedelta(hours=hours)
            return repo.write_commit(tree=tree, parents=list(parents), message=name, author=ALICE, at=at)

        left = commit("left 3", 3, commit("left 1", 1, base))
        right = commit("right 4", 4, commit("right 2", 2, base))
        merged = commit("merge", 5, left, right)
        titles = [found.title for found in repo.history(merged)]
        assert titles == ["merge", "right 4", "left 3", "right 2", "left 1", "initial commit"]

    def test_compares_no_file_beyond_the_limits(
        self, repo: GitRepository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not even to tell whether it is binary: libgit2 compares all lines for that."""
        names = "abcdefgh"
        chance = random.Random(1)

        def shuffled() -> bytes:
            return b"".join(b"%d\n" % chance.randrange(3000) for _ in range(30_000))

        old = put(repo, "old", **{name: shuffled() for name in names})
        new = put(repo, "new", **{name: shuffled() for name in names})

        def cost() -> float:
            started = time.thread_time()
            changes = repo.diff(old, new, with_patch=True)
            assert [change.path for change in changes] == list(names)
            return time.thread_time() - started

        # The lines of the first file are more than a diff shows.
        one = cost()
        monkeypatch.setattr(diffs, "PATCH_LINES_MAX", 1 << 30)
        assert one < cost() / 3
        monkeypatch.setattr(diffs, "PATCH_SECONDS", 0.0)
        assert cost() < one / 3
        assert "Binary files a/h and b/h differ" in repo.patch_text(old, new)

    def test_tells_binary_files(self, repo: GitRepository) -> None:
        old = put(repo, "old", text=b"1\n", binary=b"\0" * 10)
        new = put(repo, "new", text=b"2\n", binary=b"\0" * 20)
        found = {change.path: change.is_binary for change in repo.diff(old, new, with_patch=True)}
        assert found == {"text": False, "binary": True}

    def test_shows_what_differs(self, repo: GitRepository) -> None:
        old = put(repo, "old", kept=b"k\n", changed=b"1\n2\n", gone=b"g\n")
        new = put(repo, "new", changed=b"1\n3\n", gone=None, added=b"n\n")
        changes = {change.path: change for change in repo.diff(old, new, with_patch=True, renames=False)}
        assert {path: change.status for path, change in changes.items()} == {
            "added": "added",
            "changed": "modified",
            "gone": "deleted",
        }
        assert (changes["changed"].additions, changes["changed"].deletions) == (1, 1)
        assert "-2\n+3\n" in changes["changed"].patch

    def test_says_of_large_files_only_that_they_differ(self, repo: GitRepository) -> None:
        old = put(repo, "old", large=b"1\n" * 600_000, small=b"1\n")
        new = put(repo, "new", large=b"2\n" * 600_000, small=b"2\n")
        changes = {change.path: change for change in repo.diff(old, new, with_patch=True)}
        assert changes["large"].patch == ""
        assert "-1\n+2\n" in changes["small"].patch
        patch = repo.patch_text(old, new)
        assert "Binary files a/large and b/large differ" in patch
        assert "-1\n+2\n" in patch
        assert "[diff cut]" in repo.patch_text(old, new, bytes_max=50)

    def test_merges_no_large_files_that_both_sides_changed(self, repo: GitRepository) -> None:
        """Comparing them can take minutes, in which the process answers nothing else."""
        for size, is_merged in ((1_000, True), (diffs.MERGE_BYTES_MAX, False)):
            lines = [b"%d\n" % number for number in range(size // 4)]
            base = put(repo, "base", big=b"".join(lines), other=b"1")
            tree = repo.write_tree(base, {"big": (repo.write_blob(b"".join([b"x\n", *lines])), FILE)})
            theirs = repo.write_commit(tree=tree, parents=[base], message="t", author=ALICE, at=NOW)
            ours = put(repo, "ours", big=b"".join([*lines, b"y\n"]))
            merged = repo.write_merge(ours=ours, theirs=theirs, message="m", author=ALICE, at=NOW)
            assert (merged is not None) == is_merged
            assert repo.conflicts(ours, theirs) == ([] if is_merged else ["big"])
            # A file that only one side changed is taken over as it is, at any size.
            beside = put(repo, "beside", other=b"2")
            assert repo.conflicts(beside, theirs) == ([] if is_merged else ["big"])
            alone = repo.write_commit(tree=tree, parents=[base], message="a", author=ALICE, at=NOW)
            tree = repo.write_tree(base, {"other": (repo.write_blob(b"3"), FILE)})
            aside = repo.write_commit(tree=tree, parents=[base], message="b", author=ALICE, at=NOW)
            assert repo.conflicts(aside, alone) == []

    def test_lists_conflicts_and_merges_what_has_none(self, repo: GitRepository) -> None:
        base = put(repo, "base", same=b"1\n")
        ours = put(repo, "ours", same=b"2\n")
        tree = repo.write_tree(base, {"same": (repo.write_blob(b"3\n"), FILE)})
        theirs = repo.write_commit(tree=tree, parents=[base], message="theirs", author=ALICE, at=NOW)
        assert repo.conflicts(ours, theirs) == ["same"]
        assert repo.write_merge(ours=ours, theirs=theirs, message="m", author=ALICE, at=NOW) is None
        tree = repo.write_tree(base, {"other": (repo.write_blob(b"3\n"), FILE)})
        beside = repo.write_commit(tree=tree, parents=[base], message="beside", author=ALICE, at=NOW)
        merged = repo.write_merge(ours=ours, theirs=beside, message="m", author=ALICE, at=NOW)
        assert merged is not None
        assert repo.commit(merged).parents == (ours, beside)
        assert repo.read(repo.entry(merged, "same").oid) == b"2\n"

    def test_rewrites_without_some_objects_and_keeps_the_rest(self, repo: GitRepository) -> None:
        doomed = gitstore.Pointer(oid="ab" * 32, size=1)
        untouched = put(repo, "before", a=b"1")
        put(repo, "adds", folder__w=doomed.render(), b=b"2")
        head = put(repo, "after", c=b"3")
        mapped = repo.without_pointers([head], frozenset({doomed.oid}))
        assert mapped[untouched] == untouched
        new = mapped[head]
        assert new != head
        assert repo.pointers([new]) == {}
        assert [entry.path for entry in repo.entries(new, recursive=True)] == [
            ".gitattributes",
            "a",
            "b",
            "c",
        ]
        assert [commit.title for commit in repo.history(new)] == ["after", "adds", "before", "initial commit"]


class TestOnDisk:
    def test_is_what_git_takes_for_a_sound_repository(self, repo: GitRepository, storage: str) -> None:
        put(repo, "two", a__b=b"1")
        folder = gitstore.folder_of(storage)
        done = subprocess.run(
            ["git", "-C", folder, "fsck", "--full", "--strict"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not done.stdout

    def test_deleting_twice_is_fine(self, storage: str) -> None:
        gitstore.delete_repository(storage)
        gitstore.delete_repository(storage)
        assert not gitstore.folder_of(storage).exists()
