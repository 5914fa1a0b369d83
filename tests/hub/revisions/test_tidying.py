"""Packing what lately changed, one repository after another, while the hub goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hub import gitstore
from hub.accounts.principals import Principal
from hub.gitstore import upkeep
from hub.repos import holds
from hub.repos.models import Repository
from hub.revisions import jobs, ref_copies, selectors
from tests.factories import hub as make
from tests.hub.revisions.test_commits import blob, commit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Principal:
    return make.actor("alice")


@pytest.fixture
def repos(alice: Principal) -> list[Repository]:
    """Two that changed lately, whose refs are published."""
    made = [make.repository(alice, name) for name in ("one", "two")]
    for repository in made:
        commit(alice, repository, blob(repository, "a"))
        ref_copies.publish(Repository.objects.get(pk=repository.pk))
    return made


@pytest.fixture
def while_packing(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[str], object]]:
    """Calls to make in place of git, with the storage key, one for each repository."""
    calls: list[Callable[[str], object]] = []

    def call(storage: str) -> None:
        calls.pop(0)(storage)

    monkeypatch.setattr(upkeep, "tidy", call)
    return calls


def test_ends_when_a_backup_begins(
    repos: list[Repository], while_packing: list[Callable[[str], object]]
) -> None:
    while_packing.append(lambda _: holds.hold(until=make.NOW + timedelta(hours=1)))
    assert jobs.tidy(now=make.NOW) == 1


def test_packs_by_the_refs_of_that_moment(
    alice: Principal, repos: list[Repository], while_packing: list[Callable[[str], object]]
) -> None:
    """git would drop old objects that only a ref leads to which moved since the job began."""
    listed: list[str] = []

    def note(storage: str) -> None:
        listed.extend(ref.target for ref in gitstore.open_repository(storage).refs_in_files())

    while_packing += [lambda _: commit(alice, repos[1], blob(repos[1], "b")), note]
    assert jobs.tidy(now=make.NOW) == 2
    assert listed == [selectors.resolve(Repository.objects.get(pk=repos[1].pk), "main")]


def test_goes_on_past_a_repository_that_takes_too_long(
    repos: list[Repository], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "never")
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\nexec cat {tmp_path}/never\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(upkeep, "SECONDS_MAX", 0.1)
    assert jobs.tidy(now=make.NOW) == 2
    assert not Repository.objects.exclude(packing_until=None).exists()
