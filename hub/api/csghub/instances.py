"""Running instances, which are leases that serve a model (docs/wire/opencsg.md#instances)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from foundation.errors import Denied, NotFound
from foundation.paging import Size, by_position, skip_of
from hub.accounts.models import name_key
from hub.accounts.policies import require_signed_in
from hub.accounts.principals import Principal
from hub.api.csghub import answers
from hub.api.csghub.http import actor, ok, repository, route

Resources = Callable[[], list[answers.Resource]]
# A client that makes a space needs something to choose from, even where nothing is for rent.
NO_COMPUTE = answers.Resource(id=1, name="Files only", type="cpu", is_available=True, resources="{}")
SIZE = Size(default=50, most=200)


@dataclass(frozen=True, slots=True)
class Instance:
    """A model that runs somewhere: served, or being tuned. `model` is `owner/name`."""

    number: int
    name: str
    model: str
    status: str


class Instances(Protocol):
    """The source of running models: the market registers itself here."""

    def listed(self, actor: Principal, *, tunes: bool) -> list[Instance]:
        """The actor's own, newest first."""

    def start(self, actor: Principal, number: int) -> None:
        """Let it run; also where it runs already."""

    def stop(self, actor: Principal, number: int) -> None:
        """Let it stop; also where it has stopped."""


# The hub knows no market; `bazaar` says what there is to rent, and what runs there (`bazaar.apps`).
_resources: list[Resources] = []
_instances: list[Instances] = []


class InstanceNotFound(NotFound):
    code = "instance_not_found"
    message = _("There is no instance {number} of {model}.")


def offer_resources(source: Resources) -> None:
    """Have `space_resources` list what `source` gives."""
    _resources.append(source)


def offer_instances(source: Instances) -> None:
    """Have instances listed, started and stopped as `source` knows them."""
    _instances.append(source)


def space_resources(_request: HttpRequest) -> HttpResponse:
    rows = [row for source in _resources for row in source()] or [NO_COMPUTE]
    return ok(rows, total=len(rows))


def list_instances(request: HttpRequest, user: str, *, tunes: bool) -> HttpResponse:
    who = actor(request)
    require_signed_in(who)
    if name_key(user) != name_key(who.name):
        raise Denied(reason=str(_("Only their owner can list instances.")))
    rows = [_row(found) for source in _instances for found in source.listed(who, tunes=tunes)]
    per = SIZE.of(_number(request, "per", SIZE.default))
    skip = skip_of(_number(request, "page", 1), per)
    return ok(by_position(rows, skip=skip, size=per).rows, total=len(rows))


def one_instance(request: HttpRequest, repo_id: str, number: str, *, tunes: bool) -> HttpResponse:
    _, found = _find(request, repo_id, number, tunes=tunes)
    return ok(_row(found))


def start(request: HttpRequest, repo_id: str, number: str, *, tunes: bool) -> HttpResponse:
    source, found = _find(request, repo_id, number, tunes=tunes)
    source.start(actor(request), found.number)
    return ok(None)


def stop(request: HttpRequest, repo_id: str, number: str, *, tunes: bool) -> HttpResponse:
    source, found = _find(request, repo_id, number, tunes=tunes)
    source.stop(actor(request), found.number)
    return ok(None)


def _find(request: HttpRequest, repo_id: str, number: str, *, tunes: bool) -> tuple[Instances, Instance]:
    """Raises: RepositoryNotFound, InstanceNotFound."""
    who = actor(request)
    require_signed_in(who)
    model = repository(request, "model", repo_id).full_name
    for source in _instances:
        for found in source.listed(who, tunes=tunes):
            if str(found.number) == number and name_key(found.model) == name_key(model):
                return source, found
    raise InstanceNotFound(number=number[:40], model=model)


def _row(found: Instance) -> answers.Instance:
    return answers.Instance(
        deploy_id=found.number, deploy_name=found.name, model_id=found.model, status=found.status
    )


def _number(request: HttpRequest, name: str, default: int) -> int:
    """A number above zero from the query; else the default, as this wire is lenient there."""
    text = request.GET.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else default


_run = "models/<repo_id:repo_id>"
urlpatterns = [
    path("space_resources", route(GET=space_resources)),
    path("user/<name:user>/run/model", route(GET=list_instances), {"tunes": False}),
    path("user/<name:user>/finetune/instances", route(GET=list_instances), {"tunes": True}),
    *(
        path(f"{_run}/{word}/<segment:number>{action}", view, {"tunes": word == "finetune"})
        for word in ("run", "finetune")
        for action, view in (
            ("", route(GET=one_instance)),
            ("/start", route(PUT=start)),
            ("/stop", route(PUT=stop)),
        )
    ),
]
