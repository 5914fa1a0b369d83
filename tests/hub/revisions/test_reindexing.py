from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.accounts.principals import ANONYMOUS
from hub.repos.models import Repository
from hub.revisions import jobs, reindexing
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.search import index, selectors
from hub.search.queries import ListQuery
from tests.factories import hub, ref_rows

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    output = io.StringIO()
    call_command("reindex", *words, stdout=output, stderr=output)
    return output.getvalue()


@pytest.fixture
def made() -> list[Repository]:
    ada = hub.actor("ada")
    return [hub.repository(ada, name) for name in ("one", "two", "three")]


class TestReindex:
    def test_makes_everything_anew_from_git(self, made: list[Repository]) -> None:
        RepositoryTag.objects.all().delete()
        RepositoryFacts.objects.all().delete()
        Repository.objects.update(head_sha="0" * 40)
        index.remove([row.pk for row in made])
        assert "3 repositories indexed, 0 with problems." in run()
        for row in made:
            fresh = Repository.objects.get(pk=row.pk)
            assert fresh.head_sha == fresh.facts.commit_sha == row.head_sha
        page = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=ListQuery(text="two"))
        assert [row.name for row in page.items] == ["two"]

    def test_goes_on_where_it_stopped(self, made: list[Repository]) -> None:
        reindexing.remember(made[0].pk)
        assert "2 repositories indexed" in run()
        assert "3 repositories indexed" in run()

    def test_names_what_it_cannot_read(self, made: list[Repository]) -> None:
        gitstore.delete_repository(made[1].storage)
        gitstore.repository._local.handles.clear()
        assert "ada/two: its git repository is missing" in run()

    @pytest.mark.parametrize("is_apart", [False, True], ids=["one machine", "several nodes"])
    def test_names_a_damaged_repository_and_goes_on(
        self, made: list[Repository], settings: Settings, tmp_path: Path, is_apart: bool
    ) -> None:
        if is_apart:
            settings.GIT_FRONT_DIR = tmp_path / "fronts"
        RepositoryFacts.objects.all().delete()
        ref_rows.damage_tree(made[1], made[1].head_sha)
        said = run()
        assert f"ada/two: files of {made[1].head_sha[:12]} cannot be read" in said
        assert "3 repositories indexed, 1 with problems." in said
        assert set(RepositoryFacts.objects.values_list("pk", flat=True)) == {made[0].pk, made[2].pk}

    def test_of_the_periodic_task_goes_on_past_a_damaged_repository(self, made: list[Repository]) -> None:
        RepositoryFacts.objects.all().delete()
        ref_rows.damage_tree(made[0], made[0].head_sha)
        assert jobs.catch_up(now=hub.NOW) == 2

    def test_takes_one_by_its_id(self, made: list[Repository]) -> None:
        assert run("--repo", "ada/one") == "model ada/one is indexed.\n"
        with pytest.raises(CommandError):
            run("--repo", "ada/none")
