"""Running instances (contract 3.9): this hub runs no models by itself, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from hub.accounts.models import name_key
from hub.accounts.policies import require_signed_in
from hub.api.csghub.http import actor, ok, repository, route
from hub.errors import Denied, NotFound

Resources = Callable[[], list[dict[str, Any]]]
# The hub knows no market; the roof says what there is to rent (`bazaar.apps`).
_resources: list[Resources] = []
# A client that makes a space needs something to choose from, even where nothing is for rent.
NO_COMPUTE = {"id": 1, "name": "Files only", "type": "cpu", "is_available": True, "resources": "{}"}


class InstanceNotFound(NotFound):
    code = "instance_not_found"
    message = _("There is no instance {number} of {model}.")


def offer_resources(source: Resources) -> None:
    """Have `space_resources` list what `source` gives: objects with `id` and `name`."""
    _resources.append(source)


def space_resources(_request: HttpRequest) -> HttpResponse:
    rows = [row for source in _resources for row in source()] or [NO_COMPUTE]
    return ok(rows, total=len(rows))


def list_instances(request: HttpRequest, user: str) -> HttpResponse:
    require_signed_in(actor(request))
    if name_key(user) != name_key(actor(request).name):
        raise Denied(reason=str(_("Instances can be listed by their owner only.")))
    return ok([], total=0)


def one_instance(request: HttpRequest, repo_id: str, number: str, action: str = "") -> HttpResponse:
    require_signed_in(actor(request))
    found = repository(request, "model", repo_id)
    raise InstanceNotFound(number=number[:40], model=found.full_name)


_run = "models/<repo_id:repo_id>"
urlpatterns = [
    path("space_resources", route(GET=space_resources)),
    path("user/<name:user>/run/model", route(GET=list_instances)),
    path("user/<name:user>/finetune/instances", route(GET=list_instances)),
    *(
        pattern
        for word in ("run", "finetune")
        for pattern in (
            path(f"{_run}/{word}/<segment:number>", route(GET=one_instance)),
            path(f"{_run}/{word}/<segment:number>/<segment:action>", route(PUT=one_instance)),
        )
    ),
]
