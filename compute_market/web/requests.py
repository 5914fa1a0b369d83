"""Requests of the market's pages: besides what all pages do, the account that the user trades for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import uuid4

from django.forms import BaseForm
from django.http import HttpRequest

from compute_market.ledger import selectors
from foundation.errors import Refusal, Unauthenticated
from foundation.pages import add_refusal, page
from foundation.pages import submit as submit_form
from hub.interface import Namespace, actor_of

__all__ = ["actor_of", "add_problems", "page", "renew_id", "submit", "traders", "trading_as"]

T = TypeVar("T")
# Names of fields in the rooms → their names in forms.
FIELDS = {
    "price_micros_per_gpu_hour": "price",
    "node_id": "node",
    **{
        name: name
        for name in (
            "gpus",
            "start",
            "end",
            "time_in_force",
            "expires_at",
            "post_only",
            "same_node",
            "name",
            "image",
            "command",
            "serves",
        )
    },
}


def traders(request: HttpRequest) -> list[Namespace]:
    """The namespaces that the person may trade for, their own first. Raises: Unauthenticated."""
    actor = actor_of(request)
    found = selectors.readable_namespaces(actor=actor)
    if actor.user is None:
        raise Unauthenticated
    own = actor.user.namespace_id
    return sorted(found, key=lambda namespace: (namespace.pk != own, namespace.key))


def trading_as(request: HttpRequest) -> Namespace:
    """The namespace that `?as=` (or the form) names, else the person's own. Raises: Unauthenticated."""
    mine = traders(request)
    asked = request.POST.get("as") or request.GET.get("as")
    return next((namespace for namespace in mine if namespace.name == asked), mine[0])


def renew_id(form: BaseForm) -> None:
    """Give a form whose order was refused another client order id: the refused one is used up."""
    if form.is_bound and form.errors:
        form.data = form.data.copy()  # type: ignore[attr-defined]
        form.data["client_order_id"] = f"web-{uuid4().hex}"  # type: ignore[index]


def submit(request: HttpRequest, form: BaseForm, use_case: Callable[[dict[str, Any]], T]) -> T | None:
    """Run the use case with the form's cleaned data; what it refuses becomes the error of form or field."""
    return submit_form(request, form, use_case, fields=FIELDS)


def add_problems(form: BaseForm, problems: Iterable[Refusal], **fields: str) -> None:
    """Show all that an order would be refused for, each at its field. `fields`: further names of fields."""
    for problem in problems:
        add_refusal(form, problem, fields={**FIELDS, **fields})
