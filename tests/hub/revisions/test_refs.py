from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from foundation.errors import Denied
from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import InvalidRefName, RefExists, RevisionNotFound
from hub.lfs import links
from hub.repos.errors import RepositoryExists, StorageQuotaExceeded
from hub.repos.models import Repository
from hub.revisions import ref_copies, selectors, services
from hub.revisions.errors import DefaultBranchProtected
from tests.clock import file_moment
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.hub.revisions.test_commits import blob, commit, paths, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model")


class TestBranches:
    def test_come_and_go(self, alice: Principal, repo: Repository) -> None:
        services.create_branch(actor=alice, repository=repo, name="dev/x", now=make.NOW)
        commit(alice, repo, blob(repo, "a"), revision="dev/x")
        assert "a" in paths(repo, "dev/x")
        assert "a" not in paths(repo)
        services.delete_branch(actor=alice, repository=repo, name="dev/x", now=make.NOW)
        with pytest.raises(RevisionNotFound):
            selectors.resolve(repo, "dev/x")

    def test_can_start_empty_or_move(self, alice: Principal, repo: Repository) -> None:
        services.create_branch(actor=alice, repository=repo, name="bare", is_empty=True, now=make.NOW)
        assert paths(repo, "bare") == set()
        services.create_branch(
            actor=alice, repository=repo, name="bare", start="main", overwrite=True, now=make.NOW
        )
        assert paths(repo, "bare") == {".gitattributes"}

    def test_are_refused_when_taken_misnamed_or_from_nowhere(
        self, alice: Principal, repo: Repository
    ) -> None:
        with pytest.raises(RefExists, match="Reference refs/heads/main already exists"):
            services.create_branch(actor=alice, repository=repo, name="main", now=make.NOW)
        with pytest.raises(InvalidRefName):
            services.create_branch(actor=alice, repository=repo, name="a..b", now=make.NOW)
        with pytest.raises(RevisionNotFound):
            services.create_branch(actor=alice, repository=repo, name="x", start="nope", now=make.NOW)

    def test_keep_the_default_one(self, alice: Principal, repo: Repository) -> None:
        with pytest.raises(DefaultBranchProtected, match="Cannot delete refs/heads/main"):
            services.delete_branch(actor=alice, repository=repo, name="main", now=make.NOW)
        with pytest.raises(Denied):
            services.create_branch(
                actor=alice, repository=repo, name="main", start="main", overwrite=True, now=make.NOW
            )

    def test_move_past_the_lock_file_of_a_killed_process(self, alice: Principal, repo: Repository) -> None:
        services.create_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        folder = gitstore.folder_of(repo.storage)
        for name in ("refs/heads/main", "refs/heads/dev", "refs/heads/new"):
            (folder / f"{name}.lock").touch()
        commit(alice, repo, blob(repo, "a"))
        services.create_branch(actor=alice, repository=repo, name="new", now=make.NOW)
        services.delete_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        ref_copies.publish(Repository.objects.get(pk=repo.pk))
        listed = selectors.git_of(repo).refs_in_files()
        assert {ref.name for ref in listed} == {"refs/heads/main", "refs/heads/new"}
        assert not list((folder / "refs").rglob("*.lock"))


class TestTags:
    def test_come_and_go(self, alice: Principal, repo: Repository) -> None:
        services.create_tag(
            actor=alice, repository=repo, name="v1", revision="main", message="one", now=make.NOW
        )
        assert selectors.resolve(repo, "v1") == repo.head_sha
        with pytest.raises(RefExists):
            services.create_tag(actor=alice, repository=repo, name="v1", revision="main", now=make.NOW)
        services.delete_tag(actor=alice, repository=repo, name="v1", now=make.NOW)
        with pytest.raises(RevisionNotFound):
            services.delete_tag(actor=alice, repository=repo, name="v1", now=make.NOW)


class TestHistory:
    def test_squash_leaves_one_commit_with_the_same_files(self, alice: Principal, repo: Repository) -> None:
        commit(alice, repo, blob(repo, "a"))
        services.super_squash(actor=alice, repository=repo, revision="main", message="", now=make.NOW)
        repo.refresh_from_db()
        assert paths(repo) == {".gitattributes", "a"}
        assert selectors.git_of(repo).count_commits(repo.head_sha, limit=1000) == 1

    @pytest.mark.parametrize("rewrite", [False, True])
    def test_deleted_objects_vanish(self, alice: Principal, repo: Repository, rewrite: bool) -> None:
        doomed = stored(repo, "w", b"weights")
        old = commit(alice, repo, doomed, blob(repo, "kept")).oid
        assert [file.oid for file in selectors.list_lfs_files(actor=alice, repository=repo)] == [doomed.oid]
        services.delete_lfs_files(
            actor=alice, repository=repo, oids=[doomed.oid], rewrite_history=rewrite, now=make.NOW
        )
        assert paths(repo) == {".gitattributes", "kept"}
        assert selectors.list_lfs_files(actor=alice, repository=repo) == []
        git = selectors.git_of(repo)
        assert git.is_ancestor(old, ref_rows.main_of(repo)) is not rewrite
        assert (doomed.oid in git.pointers([ref_rows.main_of(repo)])) is not rewrite

    def test_duplicates_share_objects_and_nothing_else(self, alice: Principal, repo: Repository) -> None:
        commit(alice, repo, stored(repo, "w", b"weights"))
        copy = services.duplicate(
            actor=alice, repository=repo, to="alice/copy", visibility="private", now=make.NOW
        )
        assert copy.is_private
        assert paths(copy) == {".gitattributes", "w"}
        assert copy.storage != repo.storage
        commit(alice, copy, blob(copy, "only-here"))
        assert "only-here" not in paths(repo)
        copy.refresh_from_db()
        repo.refresh_from_db()
        assert copy.size_bytes == repo.size_bytes + 1

    def test_a_duplicate_is_there_whole_or_not_at_all(
        self, alice: Principal, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit(alice, repo, stored(repo, "w", b"weights"))
        folders = set(gitstore.idle_folders(file_moment() + timedelta(days=1)))

        def fall(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(links, "copy", fall)
        with pytest.raises(MemoryError):
            services.duplicate(actor=alice, repository=repo, to="alice/copy", visibility=None, now=make.NOW)
        assert not Repository.objects.filter(name="copy").exists()
        assert set(gitstore.idle_folders(file_moment() + timedelta(days=1))) == folders

    def test_duplicates_count_to_the_quota_and_respect_names(
        self, alice: Principal, repo: Repository, settings: Settings
    ) -> None:
        commit(alice, repo, stored(repo, "w", b"weights"))
        repo.refresh_from_db()
        with pytest.raises(RepositoryExists):
            services.duplicate(actor=alice, repository=repo, to="alice/model", visibility=None, now=make.NOW)
        settings.DEFAULT_STORAGE_QUOTA_BYTES = repo.size_bytes * 2 - 1
        with pytest.raises(StorageQuotaExceeded):
            services.duplicate(actor=alice, repository=repo, to="alice/copy", visibility=None, now=make.NOW)
