"""Former names of users, organizations and repositories are not taken over, by any door that gives names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from hub.accounts import services as accounts
from hub.accounts.models import Namespace, Role, User
from hub.accounts.principals import SYSTEM, Principal
from hub.repos import services as repos
from hub.repos.models import Kind, Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db
REFUSED = {400, 401, 403, 404, 409, 422}
FILE = "weights.txt"


class Caller:
    """Somebody with a token for programs and a session for pages."""

    def __init__(self, user: User) -> None:
        self.name = user.name
        self.headers = make.bearer(user)
        self.programs, self.pages = Client(), Client()
        self.pages.force_login(user)

    def send(self, method: str, path: str, body: dict[str, Any]) -> int:
        answer = self.programs.generic(
            method, path, json.dumps(body), "application/json", headers=self.headers
        )
        return answer.status_code

    def content(self, path: str) -> bytes:
        """The content at an address, after a redirect if there is one."""
        answer = self.programs.get(path)
        if answer.status_code == 307:
            answer = self.programs.get(answer["Location"])
        return b"".join(answer)

    def submit(self, path: str, **form: str) -> int:
        return self.pages.post(path, form).status_code


@pytest.fixture
def mallory() -> Caller:
    return Caller(make.user("mallory"))


Attempt = Callable[[Caller, str], int]
# Every way in which a namespace gets a name.
WAYS_TO_A_NAME: dict[str, Attempt] = {
    "sign-up": lambda who, name: who.send(
        "POST", "/api/hub/v1/accounts", {"name": name, "password": "a rather good phrase"}
    ),
    "page of sign-up": lambda _, name: (
        Client()
        .post("/join", {"name": name, "email": "who@example.org", "password": "a rather good phrase"})
        .status_code
    ),
    "organization": lambda who, name: who.send("POST", "/api/hub/v1/organizations", {"name": name}),
    "page of organizations": lambda who, name: who.submit(
        "/organizations/new", name=name, default_visibility="public"
    ),
    "rename": lambda who, name: who.send("PUT", f"/api/hub/v1/namespaces/{who.name}/name", {"name": name}),
    "rename of an organization": lambda who, name: who.send(
        "PUT", "/api/hub/v1/namespaces/mallorys/name", {"name": name}
    ),
}


class TestFormerNamesOfUsersAndOrganizations:
    @pytest.mark.parametrize("way", WAYS_TO_A_NAME)
    @pytest.mark.parametrize("kind", ["user", "organization"])
    @pytest.mark.parametrize("asked", ["oldie", "OLDIE"])
    def test_are_not_given_to_others(self, mallory: Caller, way: str, kind: str, asked: str) -> None:
        make.organization("mallorys", {User.objects.get(namespace__key="mallory"): Role.ADMIN})
        olga = make.user("oldie" if kind == "user" else "olga")
        namespace = olga.namespace
        if kind == "organization":
            namespace = make.organization("oldie", {olga: Role.ADMIN})
        make.repository(SYSTEM, "thing", namespace="oldie", files={FILE: b"true"})
        accounts.rename_namespace(actor=Principal(user=olga), namespace=namespace, name="newie")
        assert WAYS_TO_A_NAME[way](mallory, asked) in REFUSED
        assert not Namespace.objects.filter(key="oldie").exists()
        assert mallory.content(f"/oldie/thing/resolve/main/{FILE}") == b"true"

    @pytest.mark.parametrize("way", WAYS_TO_A_NAME)
    def test_the_ways_lead_to_names_that_are_free(self, mallory: Caller, way: str) -> None:
        """Else the refusals above could be of something else."""
        make.organization("mallorys", {User.objects.get(namespace__key="mallory"): Role.ADMIN})
        assert WAYS_TO_A_NAME[way](mallory, "fresh") not in REFUSED
        assert Namespace.objects.filter(key="fresh").exists()


# Every way in which a repository gets an id, as (caller, kind, former name) → status. “own” and “copied” are
# repositories of the caller's; all name the organization “orga”.
Way = Callable[[Caller, str, str], int]
PLURAL = {"model": "models", "dataset": "datasets"}
MOUNTS = ("", "/hf", "/csg", "/ms")


def _create(mount: str) -> Way:
    return lambda who, kind, name: who.send(
        "POST", f"{mount}/api/repos/create", {"name": name, "organization": "orga", "type": kind}
    )


def _move(mount: str) -> Way:
    return lambda who, kind, name: who.send(
        "POST",
        f"{mount}/api/repos/move",
        {"fromRepo": f"{who.name}/own", "toRepo": f"orga/{name}", "type": kind},
    )


def _duplicate(mount: str) -> Way:
    return lambda who, kind, name: who.send(
        "POST",
        f"{mount}/api/{PLURAL[kind]}/{who.name}/own/duplicate",
        {"repository": f"orga/{name}", "private": False},
    )


def _page(kind: str) -> str:
    return "" if kind == "model" else f"/{PLURAL[kind]}"


WAYS_TO_AN_ID: dict[str, Way] = {
    **{f"create at {mount or '/'}": _create(mount) for mount in MOUNTS},
    **{f"move at {mount or '/'}": _move(mount) for mount in MOUNTS},
    **{f"duplicate at {mount or '/'}": _duplicate(mount) for mount in MOUNTS},
    "OpenCSG": lambda who, kind, name: who.send(
        "POST", f"/api/v1/{PLURAL[kind]}", {"namespace": "orga", "name": name}
    ),
    "ModelScope": lambda who, kind, name: who.send(
        "POST", f"/modelscope/api/v1/{PLURAL[kind]}", {"Path": "orga", "Name": name, "Visibility": 5}
    ),
    "page of new repositories": lambda who, kind, name: who.submit(
        "/new", kind=kind, owner="orga", name=name, visibility="public", license=""
    ),
    "page of settings": lambda who, kind, name: who.submit(
        f"{_page(kind)}/{who.name}/own/settings", act="move", to=f"orga/{name}"
    ),
}


@pytest.fixture
def owner() -> Principal:
    return make.actor("olga")


@pytest.fixture
def contributor(owner: Principal) -> Caller:
    """A user who may make repositories in the organization, but not take over an id that redirects."""
    carl = make.user("carl")
    assert owner.user is not None
    make.organization("orga", {owner.user: Role.ADMIN, carl: Role.CONTRIBUTOR})
    return Caller(carl)


class TestFormerIdsOfRepositories:
    @pytest.mark.parametrize("way", WAYS_TO_AN_ID)
    @pytest.mark.parametrize("kind", PLURAL)
    def test_are_not_given_to_contributors(
        self, owner: Principal, contributor: Caller, way: str, kind: str
    ) -> None:
        weights = make.repository(owner, "weights", namespace="orga", kind=kind, files={FILE: b"true"})
        repos.move_repository(actor=owner, repository=weights, to="orga/renamed")
        make.repository(Principal(user=User.objects.get(namespace__key="carl")), "own", kind=kind)
        for name in ("weights", "Weights"):
            assert WAYS_TO_AN_ID[way](contributor, kind, name) in REFUSED
        assert Repository.objects.filter(namespace__key="orga").count() == 1
        page = "" if kind == "model" else f"/{PLURAL[kind]}"
        assert contributor.content(f"{page}/orga/weights/resolve/main/{FILE}") == b"true"
        assert WAYS_TO_AN_ID[way](contributor, kind, "fresh") not in REFUSED, (
            "the way leads to ids that are free"
        )
        assert Repository.objects.filter(namespace__key="orga", key="fresh").exists()

    def test_are_not_given_by_a_push(self, owner: Principal, contributor: Caller) -> None:
        weights = make.repository(owner, "weights", namespace="orga")
        repos.move_repository(actor=owner, repository=weights, to="orga/renamed")
        for name in ("weights", "fresh"):
            answer = contributor.programs.get(
                f"/orga/{name}.git/info/refs?service=git-receive-pack", headers=contributor.headers
            )
            assert answer.status_code in {*REFUSED, 307}, "or it is led to where the repository is now"
        assert Repository.objects.count() == 1

    def test_are_not_given_to_what_is_restored(self, owner: Principal, contributor: Caller) -> None:
        """Restoring needs an admin of the namespace, who may use its former ids."""
        deleted = make.repository(owner, "deleted", namespace="orga")
        repos.delete_repository(actor=owner, repository=deleted, now=NOW)
        weights = make.repository(owner, "weights", namespace="orga")
        repos.move_repository(actor=owner, repository=weights, to="orga/renamed")
        path = f"/api/hub/v1/repositories/deleted/{deleted.pk}/restore"
        assert contributor.send("POST", path, {"name": "weights"}) in REFUSED
        assert not Repository.objects.live().filter(key="weights").exists()

    @pytest.mark.parametrize("way", WAYS_TO_AN_ID)
    def test_that_left_the_namespace_are_not_given_to_strangers(
        self, owner: Principal, mallory: Caller, way: str
    ) -> None:
        assert owner.user is not None
        make.organization("orga", {owner.user: Role.ADMIN})
        weights = make.repository(owner, "weights", namespace="orga")
        repos.move_repository(actor=owner, repository=weights, to="olga/weights")
        make.repository(Principal(user=User.objects.get(namespace__key="mallory")), "own")
        assert WAYS_TO_AN_ID[way](mallory, Kind.MODEL.value, "weights") in REFUSED
        assert not Repository.objects.filter(namespace__key="orga").exists()
