"""`manage.py refs`: rows of refs and git's files of refs, compared and made anew from each other."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from foundation.database.pages import page_by_page
from foundation.errors import DeletedMeanwhile
from hub.gitstore.errors import ObjectNotVisible
from hub.progress import Progress
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository
from hub.revisions import ref_copies


class Command(BaseCommand):
    help = (
        "Refs are rows of the database; git's files are a copy of them. fill: make the rows of repositories"
        " of an earlier release (they are made at first use, too; killed and run again, it goes on). compare:"
        " name differences and how to mend them. publish: write git's files from the rows. rebuild: make rows"
        " from git's files, for a database that lost them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["fill", "compare", "publish", "rebuild"], help="What to do.")
        parser.add_argument(
            "--repo", action="append", default=[], metavar="ID", help="Only this id (any kind)."
        )
        parser.add_argument("--all", action="store_true", help="With rebuild: every repository.")

    def handle(self, *args: Any, act: str, repo: list[str], **options: Any) -> None:
        if act == "rebuild" and not repo and not options["all"]:
            raise CommandError("rebuild replaces rows: name repositories by --repo ID, or say --all.")
        if act == "fill":
            with Progress("Reading refs", total=ref_copies.count_without_rows()) as progress:
                for _ in ref_copies.fill_all():
                    progress.advance()
            return
        act_on = {"compare": self._compare, "publish": self._publish, "rebuild": self._rebuild}[act]
        problems = self._each(_chosen(repo), act_on)
        if problems:
            raise CommandError(f"{problems} problems.")

    def _each(self, chosen: QuerySet[Repository], act_on: Callable[[Repository], Iterator[str]]) -> int:
        """Act on repositories one by one, print what is said of each, and return how many lines that were."""
        problems = 0
        with Progress("Repositories", total=chosen.count()) as progress:
            for repository in page_by_page(chosen):
                try:
                    said = list(act_on(repository))
                except FileNotFoundError:
                    said = ["its git repository is missing"]
                except ObjectNotVisible:
                    said = ["objects of its refs are missing: refs compare names them"]
                except DeletedMeanwhile:
                    said = []
                for line in said:
                    self.stderr.write(f"{repository.kind} {repository.full_name}: {line}")
                problems += len(said)
                progress.advance()
        return problems

    def _compare(self, repository: Repository) -> Iterator[str]:
        yield from map(str, ref_copies.differences(repository))

    def _publish(self, repository: Repository) -> Iterator[str]:
        ref_copies.publish(repository, is_forced=True)
        yield from ()

    def _rebuild(self, repository: Repository) -> Iterator[str]:
        ref_copies.rebuild(repository)
        yield from ()


def _chosen(repo_ids: list[str]) -> QuerySet[Repository]:
    """Raises: CommandError for an id of no repository."""
    everything = Repository.objects.all()
    if not repo_ids:
        return everything
    found: list[int] = []
    for repo_id in repo_ids:
        named = [repos.find_repository(kind=kind, repo_id=repo_id) for kind in Kind.values]
        if not any(named):
            raise CommandError(f"There is no repository {repo_id}.")
        found += [repository.pk for repository in named if repository is not None]
    return everything.filter(pk__in=found)
