"""People and repositories for tests of the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from hub.accounts import services as accounts
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.repos import services as repos
from hub.repos.models import Repository
from hub.revisions import services as revisions
from hub.revisions.staging import Staging
from tests.clock import moment

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(db: None) -> User:
    return accounts.create_user(name="ada", email="ada@example.org", password=PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    return accounts.create_user(name="bob", email="bob@example.org", password=PASSWORD)


@pytest.fixture
def signed_in(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def make_repository(ada: User) -> Callable[..., Repository]:
    """A repository of ada's with these files."""

    def make(name: str = "model", kind: str = "model", **files: str) -> Repository:
        actor, now = Principal(user=ada), moment()
        found = repos.create_repository(
            actor=actor, request=repos.NewRepository(kind=kind, repo_id=f"ada/{name}"), now=now
        )
        if files:
            commit_files(found, {path.replace("__", "."): text for path, text in files.items()}, ada)
        return found

    return make


def commit_files(repository: Repository, files: dict[str, str], user: User, title: str = "Add files") -> str:
    now = moment()
    with Staging(repository=repository, commit=repository.head_sha, now=now) as staging:
        operations = [staging.add(path, [text.encode()]) for path, text in files.items()]
    return revisions.commit(
        actor=Principal(user=user),
        repository=repository,
        revision="main",
        request=revisions.NewCommit(operations=operations, title=title),
        now=now,
    ).oid
