from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from unittest import mock

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from foundation.errors import Denied, NotFound, Unauthenticated
from hub import gitstore
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.gitstore import InvalidPath, Ref, RefChanged, RevisionNotFound, ref_files
from hub.lfs.models import LfsLink
from hub.repos.errors import RepositoryArchived, StorageQuotaExceeded
from hub.repos.models import Repository
from hub.repos.services import Settings as RepositorySettings
from hub.repos.services import change_settings
from hub.revisions import jobs, models, selectors, services
from hub.revisions.errors import LfsObjectMissing, LfsSizeMismatch, NothingToDelete
from hub.revisions.models import RepositoryFacts
from hub.revisions.operations import AddBlob, AddLfs, Copy, DeleteFile, DeleteFolder, Operation
from hub.revisions.services import Committed, NewCommit
from hub.revisions.staging import Staging
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model", files={"README.md": b"# one\n", "sub__x": b"1"})


def blob(repo: Repository, path: str, data: bytes = b"x") -> AddBlob:
    return AddBlob(path=path, blob=selectors.git_of(repo).write_blob(data), size=len(data))


def stored(repo: Repository, path: str, data: bytes) -> AddLfs:
    """An object whose bytes the repository has."""
    staged = Staging(repository=repo, commit=None, now=make.NOW).add(f"{path}.bin", [data])
    assert isinstance(staged, AddLfs)
    return AddLfs(path=path, oid=staged.oid, size=staged.size)


def commit(
    actor: Principal,
    repo: Repository,
    *operations: Operation,
    revision: str = "main",
    parent: str | None = None,
) -> Committed:
    request = NewCommit(operations=operations, title="Change", parent=parent)
    return services.commit(actor=actor, repository=repo, revision=revision, request=request, now=make.NOW)


def paths(repo: Repository, revision: str = "main") -> set[str]:
    commit = ref_rows.commit_of(repo, f"refs/heads/{revision}")
    assert commit is not None
    items = selectors.git_of(repo).items(commit, recursive=True)
    return {item.path for item in items if item.is_file}


class TestCommit:
    def test_puts_files_and_moves_the_branch_and_its_rows(self, alice: Principal, repo: Repository) -> None:
        done = commit(alice, repo, blob(repo, "a/b.txt"), blob(repo, "c d #%.txt"))
        assert {"a/b.txt", "c d #%.txt", "README.md"} <= paths(repo)
        row = Repository.objects.get(pk=repo.pk)
        assert row.head_sha == done.oid == ref_rows.main_of(repo)
        assert row.updated_at == make.NOW
        facts = RepositoryFacts.objects.get(repository=repo)
        assert facts.commit_sha == done.oid
        assert facts.siblings is not None
        assert "a/b.txt" in [sibling[0] for sibling in facts.siblings]

    def test_names_the_actor_as_author(self, alice: Principal, repo: Repository) -> None:
        made = selectors.git_of(repo).commit(commit(alice, repo, blob(repo, "a")).oid)
        assert (made.author.name, made.title, made.at) == ("alice", "Change", make.NOW)

    def test_lets_the_last_word_on_a_path_count(self, alice: Principal, repo: Repository) -> None:
        commit(
            alice,
            repo,
            DeleteFile("README.md"),
            blob(repo, "README.md", b"two"),
            blob(repo, "y"),
            DeleteFile("y"),
        )
        git = selectors.git_of(repo)
        assert git.read(git.entry(ref_rows.main_of(repo), "README.md").oid) == b"two"
        assert "y" not in paths(repo)

    def test_copies_and_renames(self, alice: Principal, repo: Repository) -> None:
        commit(alice, repo, Copy(source="README.md", path="docs/new.md"), DeleteFile("README.md"))
        assert "docs/new.md" in paths(repo)
        assert "README.md" not in paths(repo)

    def test_deletes_folders_whole(self, alice: Principal, repo: Repository) -> None:
        commit(alice, repo, blob(repo, "f/a"), blob(repo, "f/g/b"), blob(repo, "ff"))
        commit(alice, repo, DeleteFolder("f/"))
        assert not {path for path in paths(repo) if path.startswith("f/")}
        assert "ff" in paths(repo)

    @pytest.mark.parametrize(
        "operation", [DeleteFile("nope"), DeleteFolder("nope"), DeleteFolder("README.md")]
    )
    def test_refuses_to_delete_what_is_not_there(
        self, alice: Principal, repo: Repository, operation: Operation
    ) -> None:
        with pytest.raises(NothingToDelete):
            commit(alice, repo, operation)

    @pytest.mark.parametrize("path", ["../x", "/x", ".git/config", "a/../../b", "a\\.git\\x", ""])
    def test_refuses_paths_that_cannot_be_stored(self, alice: Principal, repo: Repository, path: str) -> None:
        before = repo.head_sha
        with pytest.raises(InvalidPath):
            commit(alice, repo, AddBlob(path=path, blob="0" * 40, size=1))
        assert ref_rows.main_of(repo) == before

    def test_refuses_a_parent_that_is_not_the_head(self, alice: Principal, repo: Repository) -> None:
        first = repo.head_sha
        commit(alice, repo, blob(repo, "a"), parent=first[:7])
        with pytest.raises(RefChanged):
            commit(alice, repo, blob(repo, "b"), parent=first)
        assert "b" not in paths(repo)

    @pytest.mark.parametrize("revision", ["nope", "v1", "HEAD~1", "0" * 40])
    def test_refuses_what_is_no_branch(self, alice: Principal, repo: Repository, revision: str) -> None:
        services.create_tag(actor=alice, repository=repo, name="v1", revision="main", now=make.NOW)
        with pytest.raises(RevisionNotFound):
            commit(alice, repo, blob(repo, "a"), revision=revision)

    def test_refuses_who_may_not_write(self, repo: Repository) -> None:
        with pytest.raises(Unauthenticated):
            commit(Principal(), repo, blob(repo, "a"))
        with pytest.raises(Denied):
            commit(make.actor(), repo, blob(repo, "a"))

    def test_refuses_an_archived_repository(self, alice: Principal, repo: Repository) -> None:
        change_settings(actor=alice, repository=repo, change=RepositorySettings(is_archived=True))
        repo.refresh_from_db()
        with pytest.raises(RepositoryArchived):
            commit(alice, repo, blob(repo, "a"))

    def test_hides_a_private_repository_from_strangers(self, alice: Principal) -> None:
        hidden = make.repository(alice, visibility="private")
        with pytest.raises(NotFound):
            commit(make.actor(), hidden, blob(hidden, "a"))

    def test_counts_what_it_adds_against_the_quota(
        self, alice: Principal, repo: Repository, settings: Settings
    ) -> None:
        settings.DEFAULT_STORAGE_QUOTA_BYTES = 100
        commit(alice, repo, blob(repo, "a", b"x" * 80))
        with pytest.raises(StorageQuotaExceeded, match=r"80.*100.*30"):
            commit(alice, repo, blob(repo, "b", b"x" * 30))
        assert "b" not in paths(repo)


class TestLargeObjects:
    def test_links_what_a_commit_names(self, alice: Principal, repo: Repository) -> None:
        named = stored(repo, "w.safetensors", b"weights" * 100)
        done = commit(alice, repo, named)
        entry = selectors.git_of(repo).entry(done.oid, "w.safetensors")
        assert entry.pointer is not None
        assert (entry.pointer.oid, entry.pointer.size) == (named.oid, 700)
        assert LfsLink.objects.get(repository=repo, object_id=named.oid).pushed_at == make.NOW

    def test_refuses_an_object_that_is_not_stored(self, alice: Principal, repo: Repository) -> None:
        with pytest.raises(LfsObjectMissing, match="LFS pointer"):
            commit(alice, repo, AddLfs(path="w", oid="ab" * 32, size=3))

    def test_refuses_another_size_than_the_stored_one(self, alice: Principal, repo: Repository) -> None:
        named = stored(repo, "w", b"weights")
        with pytest.raises(LfsSizeMismatch):
            commit(alice, repo, AddLfs(path="w", oid=named.oid, size=8))

    def test_refuses_what_only_a_hidden_repository_holds(self, alice: Principal, repo: Repository) -> None:
        bob = make.actor("bob")
        named = stored(make.repository(bob, visibility="private"), "w", b"secret weights")
        with pytest.raises(LfsObjectMissing):
            commit(alice, repo, named)

    def test_takes_what_a_readable_repository_holds(self, alice: Principal, repo: Repository) -> None:
        other = make.repository(make.actor("bob"))
        named = stored(other, "w", b"public weights")
        commit(alice, repo, named)
        assert "w" in paths(repo)


class TestStaging:
    def test_gives_large_and_tracked_files_to_lfs(self, repo: Repository, settings: Settings) -> None:
        settings.LFS_THRESHOLD_BYTES = 1000
        staging = Staging(repository=repo, commit=repo.head_sha, now=make.NOW)
        assert isinstance(staging.add("small.txt", [b"x" * 1000]), AddBlob)
        large = staging.add("large.txt", [b"x" * 600, b"y" * 600])
        assert isinstance(large, AddLfs)
        assert large.oid == hashlib.sha256(b"x" * 600 + b"y" * 600).hexdigest()
        assert isinstance(staging.add("tiny.safetensors", [b"x"]), AddLfs)
        assert isinstance(staging.add("empty.safetensors", []), AddBlob)

    def test_streams_past_what_memory_holds(self, repo: Repository) -> None:
        staging = Staging(repository=repo, commit=repo.head_sha, now=make.NOW)
        staged = staging.add("long.txt", (b"z" * 65536 for _ in range(40)))
        assert isinstance(staged, AddBlob)
        assert selectors.git_of(repo).read(staged.blob) == b"z" * 65536 * 40

    def test_takes_a_pointer_for_what_it_points_to(self, repo: Repository) -> None:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 7\n".encode()
        staging = Staging(repository=repo, commit=repo.head_sha, now=make.NOW)
        assert staging.add("w", [pointer[:50], pointer[50:]]) == AddLfs(path="w", oid="ab" * 32, size=7)


class TestCatchUp:
    def test_indexes_what_a_crash_left_behind_git(self, alice: Principal, repo: Repository) -> None:
        class Crashed(Exception):
            pass

        with (
            mock.patch("hub.revisions.moves._follow", side_effect=Crashed),
            pytest.raises(Crashed),
        ):
            commit(alice, repo, blob(repo, "a"))
        assert "a" not in paths(repo)  # nothing moved: rows and ref go together
        git = selectors.git_of(repo)
        tree = git.write_tree(repo.head_sha, {"b": (git.write_blob(b"b"), 0o100644)})
        author = selectors.git_of(repo).commit(repo.head_sha).author
        ahead = git.write_commit(tree=tree, parents=[repo.head_sha], message="b", author=author, at=make.NOW)
        # As an earlier release left it, if a crash came between git's files and the rows.
        ref_files.write(gitstore.folder_of(repo.storage), [Ref("refs/heads/main", ahead, ahead)], version=0)
        Repository.objects.filter(pk=repo.pk).update(refs_version=0)
        models.Ref.objects.all().delete()
        assert jobs.catch_up(now=make.NOW) == 1
        assert Repository.objects.get(pk=repo.pk).head_sha == ahead
        assert RepositoryFacts.objects.get(repository=repo).commit_sha == ahead
        assert jobs.catch_up(now=make.NOW) == 0


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_loses_no_commit(self, alice: Principal, repo: Repository) -> None:
        errors: list[BaseException] = []

        def run(number: int) -> Callable[[], None]:
            def one() -> None:
                try:
                    commit(alice, repo, blob(repo, f"f{number}"))
                except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                    errors.append(error)
                finally:
                    connection.close()

            return one

        threads = [threading.Thread(target=run(number)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert {f"f{number}" for number in range(20)} <= paths(repo)
        assert selectors.git_of(repo).count_commits(ref_rows.main_of(repo), limit=50) == 21


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "may"), [(Role.READ, False), (Role.CONTRIBUTOR, False), (Role.WRITE, True)]
    )
    def test_of_an_organization_decide(self, role: Role, may: bool) -> None:
        owner, member = make.user(), make.user()
        make.organization("lab", {owner: Role.ADMIN, member: role})
        repo = make.repository(owner, namespace="lab", visibility="private")
        actor = Principal(user=member)
        if may:
            commit(actor, repo, blob(repo, "a"))
        else:
            with pytest.raises(Denied):
                commit(actor, repo, blob(repo, "a"))
