"""Users and repositories for the matrix: one repository in each state, one caller of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.test import Client

from hub.accounts import services as accounts
from hub.accounts.models import Role, User
from hub.accounts.principals import Principal
from hub.accounts.services import Grant
from hub.community.models import Collection, Discussion
from hub.community.services import collections
from hub.gitstore import open_repository
from hub.repos import services as repos
from hub.repos.models import AccessRequest, Repository
from hub.revisions import services as revisions
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit
from tests.factories import hub as make
from tests.factories.hub import NOW

FILE = "asked-for.txt"
# Planted in the content of files, in a name, in a diff and in the titles of commits.
CANARIES = ("canary-content", "canary-name", "canary-proposed", "canary-commit", "canary-config")
OID = "ab" * 32


@dataclass
class Place:
    """A repository in one state, and the id by which it is asked for."""

    asked: str
    pk: int = 0
    comment_key: str = "0" * 24
    request_id: int = 0


@dataclass
class World:
    """The result of `build`."""

    people: dict[str, User]
    secrets: dict[str, str]
    places: dict[str, Place]
    absent: Place
    common: dict[str, str]
    collections: dict[str, str]  # user → the end of the slug of their public collection
    client: Client = field(default_factory=Client)
    clients: dict[str, Client] = field(default_factory=dict)

    def name(self, caller: str) -> str:
        return self.people.get(caller, self.people["owner"]).name

    def own(self, caller: str) -> str:
        """A repository of the caller's own."""
        return f"{self.name(caller)}/own"

    def headers(self, caller: str) -> dict[str, str]:
        secret = self.secrets.get(caller)
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def session(self, caller: str) -> tuple[Client, dict[str, str]]:
        """A browser that the caller is signed in with; tokens open no pages."""
        return self.clients.get(caller, self.client), {}


def build() -> World:
    """Make the world. The owner wrote every pull request and comment."""
    people = {caller: make.user(name) for caller, name in PEOPLE.items()}
    owner = Principal(user=people["owner"])
    make.user("rita", email="rita@example.org")
    for user in people.values():
        make.repository(user, "own")
    places = {state: _place(owner, people, state) for state in ("public", *CHANGES)}
    world = World(
        people=people,
        secrets=_tokens(people, places),
        places=places,
        absent=Place("olga/absent", pk=999_999),
        common={},
        collections={user.name: _collection(user) for user in people.values()},
    )
    world.places["absent"] = world.absent
    for caller, user in people.items():
        world.clients[caller] = Client()
        world.clients[caller].force_login(user)
    world.common = COMMON | _others(owner, places["deleted"])
    return world


PEOPLE = {"stranger": "sten", "admitted": "adam", "reader": "reba", "writer": "wally", "owner": "olga"}
CHANGES = {
    "private": repos.Settings(visibility="private"),
    "gated": repos.Settings(gating="manual"),
    "disabled": None,
    "archived": repos.Settings(is_archived=True),
    "deleted": None,
    "renamed": repos.Settings(visibility="private"),
}
COMMON = {
    "revision": "main",
    "rest": "x",
    "file": FILE,
    "path": FILE,
    "folder": "folder",
    "status": "pending",
    "user": "rita",
    "oid": OID,
    "prefix": "default",
    "token_id": "1",
    "key_id": "1",
    "delivery": "x",
}


def _place(owner: Principal, people: dict[str, User], state: str) -> Place:
    made = make.repository(
        owner,
        f"state-{state}",
        files={
            FILE: b"canary-content\n",
            "canary-name.txt": b"canary-content, too\n",
            "config.json": b'{"model_type": "llama", "architectures": ["canary-config"]}',
            "README.md": b"---\nlicense: mit\n---\n# A card\n",
        },
    )
    git = open_repository(made.storage)
    for title, text, is_proposal in (
        ("canary-commit", b"more\n", False),
        ("A change", b"canary-proposed\n", True),
    ):
        request = NewCommit(
            operations=[
                AddBlob("folder/canary-name-2.txt", git.write_blob(text), len(text)),
                AddBlob(FILE, git.write_blob(b"canary-content\n" + text), 15 + len(text)),
            ],
            title=title,
        )
        if is_proposal:
            make.commit_as_pull_request(
                actor=owner, repository=made, revision="main", request=request, now=NOW
            )
        else:
            revisions.commit(actor=owner, repository=made, revision="main", request=request, now=NOW)
    revisions.create_branch(actor=owner, repository=made, name="side", now=NOW)
    for caller, role in (("reader", Role.READ), ("writer", Role.WRITE)):
        repos.set_collaborator(actor=owner, repository=made, user=people[caller], role=role)
    pending, _accepted = (
        AccessRequest.objects.create(
            repository=made,
            user=User.objects.get(namespace__key=name),
            status=status,
            requested_at=NOW,
        )
        for name, status in (
            ("rita", AccessRequest.Status.PENDING),
            ("adam", AccessRequest.Status.ACCEPTED),
        )
    )
    thread = Discussion.objects.get(repository=made, number=1)
    place = Place(
        asked=made.full_name,
        pk=made.pk,
        comment_key=thread.events.earliest("id").key,
        request_id=pending.pk,
    )
    _change(owner, made, state)
    return place


def _change(owner: Principal, made: Repository, state: str) -> None:
    change = CHANGES.get(state)
    if change is not None:
        repos.change_settings(actor=owner, repository=made, change=change)
    if state == "disabled":
        make.set_disabled(made, is_disabled=True)
    elif state == "deleted":
        repos.delete_repository(actor=owner, repository=made, now=NOW)
    elif state == "renamed":
        repos.move_repository(actor=owner, repository=made, to=f"{owner.name}/has-moved")


def _tokens(people: dict[str, User], places: dict[str, Place]) -> dict[str, str]:
    """Caller → token. The narrow ones are the owner's."""
    owner = people["owner"]
    found = {caller: make.token(user, "write") for caller, user in people.items()}
    found["read"] = make.token(owner, "read")
    found["trade"] = make.token(owner, "trade")
    _, found["deploy"] = accounts.create_token(
        actor=Principal(user=owner), name="deploy", scopes=["deploy"], spend_cap_micros=1_000_000
    )
    own = Repository.objects.get(full_name=f"{owner.name}/own").pk
    everywhere = [place.pk for place in places.values()]
    for caller, ids, can_write in (
        ("grant", everywhere, True),
        ("peek", everywhere, False),
        ("other", [own], True),
    ):
        _, found[caller] = accounts.create_token(
            actor=Principal(user=owner),
            name=caller,
            scopes=["write" if can_write else "read"],
            grants=[Grant(owner.namespace_id, pk, can_write=can_write) for pk in ids],
        )
    return found


def _collection(user: User) -> str:
    """A public collection of a user's own: the end of its slug."""
    asked = collections.NewCollection(namespace=user.name, title="Own")
    made = collections.create_collection(actor=Principal(user=user), request=asked, now=NOW)
    return made.slug.partition("/")[2]


def _others(owner: Principal, deleted: Place) -> dict[str, str]:
    """Of the owner: an organization, a private collection, a deleted repository."""
    assert owner.user is not None
    make.organization("orga", {owner.user: Role.ADMIN})
    collection = collections.create_collection(
        actor=owner,
        request=collections.NewCollection(namespace=owner.name, title="Hidden", is_private=True),
        now=NOW,
    )
    assert isinstance(collection, Collection)
    return {"hidden_slug": collection.slug.partition("/")[2], "deleted_pk": str(deleted.pk)}
