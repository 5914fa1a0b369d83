"""`manage.py reindex`: make the index of content (facts, tags, search) anew from git."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hub.progress import Progress
from hub.repos import selectors as repos
from hub.repos.models import Kind, Repository
from hub.revisions import reindexing
from hub.revisions.reindexing import Outcome

# Repositories after which the position is saved: so many are read twice after an interruption.
POSITION_EVERY = 20


class Command(BaseCommand):
    help = (
        "Rebuild what the database knows of repositories from git. Interrupted, it goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--repo", action="append", default=[], metavar="ID", help="Only this id (any kind)."
        )
        parser.add_argument(
            "--from-start", action="store_true", help="Begin again, not where an earlier run stopped."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["repo"]:
            for repo_id in options["repo"]:
                self._one(repo_id)
            return
        after = 0 if options["from_start"] else reindexing.position()
        if after:
            self.stdout.write(f"Continuing after repository {after} (--from-start begins again).")
        problems = 0
        with Progress("Indexing", total=reindexing.count(after=after)) as progress:
            for outcome in reindexing.reindex_all(after=after, now=timezone.now()):
                problems += self._tell(outcome)
                progress.advance()
                if progress.done % POSITION_EVERY == 0:
                    reindexing.remember(outcome.repository_id)
        reindexing.remember(0)
        self.stdout.write(f"{progress.done} repositories indexed, {problems} with problems.")

    def _tell(self, outcome: Outcome) -> bool:
        if outcome.problem:
            self.stderr.write(f"{outcome.full_name}: {outcome.problem}")
        return bool(outcome.problem)

    def _one(self, repo_id: str) -> None:
        found: list[Repository | None] = [
            repos.find_repository(kind=kind, repo_id=repo_id) for kind in Kind.values
        ]
        named = [repository for repository in found if repository is not None]
        if not named:
            raise CommandError(f"There is no repository {repo_id}.")
        for repository in named:
            outcome = reindexing.reindex(repository, now=timezone.now())
            if not self._tell(outcome):
                self.stdout.write(f"{outcome.full_name} is indexed.")
