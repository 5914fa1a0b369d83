"""Rows of refs, git's files of refs, and what makes the one from the other."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from foundation.errors import Refusal
from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import Ref, RefChanged, RefUpdate, ref_files
from hub.gitstore.errors import ObjectNotVisible
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import jobs, models, moves, ref_copies, refs, selectors, services
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.hub.revisions.test_commits import blob, commit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repo(alice: Principal) -> Repository:
    return make.repository(alice, "model")


@pytest.fixture
def folder(repo: Repository) -> Path:
    return gitstore.folder_of(repo.storage)


def files_of(repo: Repository) -> dict[str, str]:
    return {ref.name: ref.target for ref in selectors.git_of(repo).refs_in_files()}


def fresh(repo: Repository) -> Repository:
    return Repository.objects.get(pk=repo.pk)


def without_rows(repo: Repository) -> Repository:
    """The repository as a release that had no rows left it: each ref in a file of its own."""
    folder = gitstore.folder_of(repo.storage)
    for ref in refs.list_all(fresh(repo)):
        (folder / ref.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / ref.name).write_text(f"{ref.held}\n")
    (folder / "packed-refs").unlink(missing_ok=True)
    models.Ref.objects.filter(repository=repo).delete()
    Repository.objects.filter(pk=repo.pk).update(refs_version=0)
    return fresh(repo)


def lose(repo: Repository, oid: str) -> None:
    """Delete a loose object."""
    (gitstore.folder_of(repo.storage) / "objects" / oid[:2] / oid[2:]).unlink()
    gitstore.repository._local.handles.clear()


def run(*words: str) -> str:
    output = io.StringIO()
    try:
        call_command("refs", *words, stdout=output, stderr=output)
    except CommandError as error:
        output.write(f"failed: {error}")
    return output.getvalue()


class TestRows:
    def test_are_there_from_the_first_commit_on(self, repo: Repository) -> None:
        assert refs.list_all(repo) == [Ref("refs/heads/main", repo.head_sha, repo.head_sha)]
        assert repo.refs_version != 0

    def test_have_another_version_after_each_move_and_none_after_a_refused_one(
        self, alice: Principal, repo: Repository
    ) -> None:
        versions = {repo.refs_version}
        commit(alice, repo, blob(repo, "a"))
        versions.add(fresh(repo).refs_version)
        services.create_tag(actor=alice, repository=repo, name="v1", revision="main", now=make.NOW)
        versions.add(fresh(repo).refs_version)
        assert len(versions) == 3
        with pytest.raises(Refusal):
            services.create_branch(actor=alice, repository=repo, name="main/x", now=make.NOW)
        assert fresh(repo).refs_version in versions

    def test_are_moved_only_from_where_they_are(self, alice: Principal, repo: Repository) -> None:
        """Also where somebody moves them without the lock, between the look and the move."""
        old, new = repo.head_sha, commit(alice, repo, blob(repo, "a")).oid
        locked = locking.lock_for_change(repo.pk, lambda _: None)
        with pytest.raises(RefChanged):
            moves.move_refs(locked, [RefUpdate("refs/heads/main", old, new)])
        sifted = moves.sift(locked, [RefUpdate("refs/heads/main", new, old)])
        ref_rows.put(repo, "refs/heads/main", old)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(RefChanged):
            patch.setattr(moves, "sift", lambda *_: sifted)
            moves.move_refs(locked, [RefUpdate("refs/heads/main", new, old)])

    def test_of_annotated_tags_lead_to_their_commit(self, alice: Principal, repo: Repository) -> None:
        services.create_tag(
            actor=alice, repository=repo, name="v1", revision="main", message="one", now=make.NOW
        )
        tag = ref_rows.held_by(repo, "refs/tags/v1")
        assert tag != repo.head_sha
        assert selectors.resolve(repo, "v1") == repo.head_sha
        ref_copies.publish(fresh(repo))
        assert (
            (gitstore.folder_of(repo.storage) / "packed-refs")
            .read_text()
            .endswith(f"{tag} refs/tags/v1\n^{repo.head_sha}\n")
        )


class TestFill:
    def test_happens_at_first_use_by_every_way(self, alice: Principal, repo: Repository) -> None:
        services.create_branch(actor=alice, repository=repo, name="a/b", now=make.NOW)
        services.create_tag(
            actor=alice, repository=repo, name="v1", revision="main", message="one", now=make.NOW
        )
        before = refs.list_all(fresh(repo))
        for use in (
            lambda old: selectors.resolve(old, "v1"),
            lambda old: selectors.find_branch(old, "a/b"),
            lambda old: selectors.list_refs(actor=alice, repository=old),
            ref_copies.publish,
            lambda old: services.create_branch(actor=alice, repository=old, name="new", now=make.NOW),
        ):
            old = without_rows(repo)
            use(old)
            assert refs.list_all(fresh(repo))[: len(before) - 1] == before[:-1]
        assert "refs/heads/new" in ref_rows.all_of(repo)

    def test_by_a_move_keeps_what_it_found(self, alice: Principal, repo: Repository) -> None:
        """The move saves the same columns: a tag below the default branch would be found no more."""
        services.create_tag(actor=alice, repository=repo, name="main/x", revision="main", now=make.NOW)
        old = without_rows(repo)
        Repository.objects.update(has_tags_below_default=False)
        locked = locking.lock_for_change(old.pk, lambda _: None)
        moves.move_refs(locked, [RefUpdate("refs/pr/1", None, repo.head_sha)])
        assert fresh(repo).has_tags_below_default

    def test_takes_the_head_that_git_has_where_a_crash_left_the_row_behind(
        self, alice: Principal, repo: Repository
    ) -> None:
        behind, ahead = repo.head_sha, commit(alice, repo, blob(repo, "a")).oid
        without_rows(repo)
        Repository.objects.update(head_sha=behind)
        models.RepositoryFacts.objects.update(commit_sha=behind)
        assert jobs.catch_up(now=make.NOW) == 1
        assert (fresh(repo).head_sha, fresh(repo).facts.commit_sha) == (ahead, ahead)

    def test_is_done_for_all_by_the_command_which_goes_on_where_it_was_killed(
        self, alice: Principal, repo: Repository
    ) -> None:
        repos = [repo, *(make.repository(alice, name) for name in ("two", "three"))]
        for each in repos:
            without_rows(each)
        shutil.rmtree(gitstore.folder_of(repos[1].storage))
        assert next(ref_copies.fill_all()).pk == repo.pk
        assert ref_copies.count_without_rows() == 2
        run("fill")
        assert list(Repository.objects.filter(refs_version=0)) == [repos[1]]
        assert ref_rows.main_of(repos[2]) == repos[2].head_sha

    @pytest.mark.parametrize("is_apart", [False, True], ids=["one machine", "several nodes"])
    def test_keeps_refs_whose_objects_cannot_be_read(
        self, alice: Principal, repo: Repository, settings: Settings, tmp_path: Path, is_apart: bool
    ) -> None:
        """The objects may be on a disk that is not there, or of another user; the next copy has the refs."""
        if is_apart:
            settings.GIT_FRONT_DIR = tmp_path / "fronts"
        services.create_branch(actor=alice, repository=repo, name="dev", is_empty=True, now=make.NOW)
        services.create_tag(
            actor=alice, repository=repo, name="v1", revision="dev", message="one", now=make.NOW
        )
        before = refs.list_all(fresh(repo))
        old = without_rows(repo)
        lose(repo, before[0].target)
        assert refs.fill(old)
        assert refs.list_all(fresh(repo)) == before
        with contextlib.suppress(ObjectNotVisible):
            ref_copies.publish(fresh(repo))
        assert files_of(repo).keys() == {ref.name for ref in before}


class TestPublish:
    def test_writes_once_for_each_move(
        self, alice: Principal, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[int] = []
        write = ref_files.write

        def counted(*args: object, version: int) -> None:
            written.append(version)
            write(*args, version=version)

        monkeypatch.setattr(ref_files, "write", counted)
        for _ in range(3):
            ref_copies.publish(fresh(repo))
        services.create_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        for _ in range(3):
            ref_copies.publish(fresh(repo))
        assert written == [repo.refs_version, fresh(repo).refs_version]
        assert files_of(repo).keys() == {"refs/heads/main", "refs/heads/dev"}

    def test_never_puts_an_older_state_over_a_newer_one(self, alice: Principal, repo: Repository) -> None:
        """A request that read the repository before a move writes what is true when it writes."""
        before = fresh(repo)
        commit(alice, repo, blob(repo, "a"))
        after = fresh(repo)
        ref_copies.publish(after)
        ref_copies.publish(before)
        assert files_of(repo) == {"refs/heads/main": after.head_sha}

    def test_finds_files_of_another_life_of_the_database_to_be_old(
        self, repo: Repository, folder: Path
    ) -> None:
        """The database was put back to an earlier moment; no version is used twice."""
        ref_files.write(folder, [], version=refs.new_version())
        ref_copies.publish(fresh(repo))
        assert files_of(repo) == {"refs/heads/main": repo.head_sha}

    def test_follows_moves_within_the_hour(self, alice: Principal, repo: Repository) -> None:
        ref_copies.publish(fresh(repo))
        head = commit(alice, repo, blob(repo, "a")).oid
        assert files_of(repo) != {"refs/heads/main": head}
        jobs.catch_up(now=make.NOW)
        assert files_of(repo) == {"refs/heads/main": head}


class TestCompare:
    def test_names_nothing_where_rows_files_and_objects_agree(
        self, alice: Principal, repo: Repository
    ) -> None:
        ref_copies.publish(fresh(repo))
        commit(alice, repo, blob(repo, "a"))
        assert run("compare") == ""

    def test_names_refs_that_were_made_or_moved_by_hand_and_the_ways_to_mend_it(
        self, alice: Principal, repo: Repository, folder: Path
    ) -> None:
        old, new = repo.head_sha, commit(alice, repo, blob(repo, "a")).oid
        ref_copies.publish(fresh(repo))
        (folder / "refs/heads/main").write_text(f"{old}\n")
        (folder / "refs/heads/by-hand").write_text(f"{old}\n")
        said = run("compare")
        assert f"refs/heads/main: row {new[:12]}, file {old[:12]}" in said
        assert f"refs/heads/by-hand: row none, file {old[:12]}" in said
        assert "failed: 2 problems." in said
        assert {found.id for found in run_checks(tags=["doctor"], include_deployment_checks=True)} >= {
            "bazaar.W214"
        }
        assert run("publish") == ""
        assert files_of(repo) == {"refs/heads/main": new}
        assert run("compare") == ""

    def test_takes_no_move_since_the_repository_was_read_for_a_difference(
        self, alice: Principal, repo: Repository
    ) -> None:
        """Rebuilding rows from files that are merely older would lose the move."""
        services.create_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        ref_copies.publish(fresh(repo))
        before = fresh(repo)
        services.delete_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        assert list(ref_copies.differences(before)) == []

    def test_takes_no_move_during_the_comparison_for_a_difference(
        self, alice: Principal, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.create_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
        ref_copies.publish(fresh(repo))
        listed = gitstore.GitRepository.refs_in_files

        def move_first(git: gitstore.GitRepository) -> list[Ref]:
            services.delete_branch(actor=alice, repository=repo, name="dev", now=make.NOW)
            ref_copies.publish(fresh(repo))
            return listed(git)

        monkeypatch.setattr(gitstore.GitRepository, "refs_in_files", move_first)
        assert list(ref_copies.differences(fresh(repo))) == []

    def test_names_rows_whose_commit_git_lacks(self, repo: Repository) -> None:
        models.Ref.objects.update(held_sha="ab" * 20, commit_sha="ab" * 20)
        assert "git lacks this commit" in run("compare", "--repo", repo.full_name)
        assert {found.id for found in run_checks(tags=["doctor"], include_deployment_checks=True)} >= {
            "bazaar.E214"
        }

    def test_on_a_node_goes_on_past_lost_objects(
        self, alice: Principal, repo: Repository, settings: Settings, tmp_path: Path
    ) -> None:
        settings.GIT_FRONT_DIR = tmp_path / "fronts"
        services.create_branch(actor=alice, repository=repo, name="dev", is_empty=True, now=make.NOW)
        ref_copies.publish(fresh(repo))
        other = make.repository(alice, "other")
        lose(repo, ref_rows.all_of(repo)["refs/heads/dev"])
        assert "refs/heads/dev" in run("compare")
        assert "alice/model: objects of its refs are missing" in run("publish")
        assert files_of(other) == ref_rows.all_of(other)
        assert run("rebuild", "--all") == ""
        assert ref_rows.all_of(repo).keys() == {"refs/heads/dev", "refs/heads/main"}

    def test_of_an_unknown_repository_is_refused(self) -> None:
        assert "failed: There is no repository ada/none." in run("compare", "--repo", "ada/none")


class TestRebuild:
    def test_makes_lost_rows_from_gits_files_alone(self, alice: Principal, repo: Repository) -> None:
        services.create_tag(
            actor=alice, repository=repo, name="v1", revision="main", message="one", now=make.NOW
        )
        before = refs.list_all(fresh(repo))
        ref_copies.publish(fresh(repo))
        models.Ref.objects.all().delete()
        Repository.objects.update(head_sha="")
        assert run("rebuild", "--all") == ""
        assert refs.list_all(fresh(repo)) == before
        assert fresh(repo).head_sha == repo.head_sha

    def test_of_everything_must_be_asked_for(self, repo: Repository) -> None:
        assert "failed: rebuild replaces rows" in run("rebuild")
        assert run("rebuild", "--repo", repo.full_name) == ""
