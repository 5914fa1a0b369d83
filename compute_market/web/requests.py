"""What every market page does with a request: who asks, for which namespace, run a use case, render."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute_market.errors import Refusal, Unauthenticated
from compute_market.ledger import policies
from hub.interface import ANONYMOUS, Namespace, Principal, User

T = TypeVar("T")
# What the rooms call a field → what it is called in forms.
FIELDS = {"price_micros_per_gpu_hour": "price", "node_id": "node"}


def actor_of(request: HttpRequest) -> Principal:
    """The signed-in person. Tokens do not open pages; CSRF is checked by Django's middleware before."""
    known: Principal | None = getattr(request, "principal", None)
    if known is None:
        user = request.user
        known = Principal(user=user) if isinstance(user, User) else ANONYMOUS
        request.principal = known  # type: ignore[attr-defined]
    return known


def traders(request: HttpRequest) -> list[Namespace]:
    """The namespaces that the person may trade for, their own first. Raises: Unauthenticated."""
    actor = actor_of(request)
    policies.require_trade_scope(actor)
    if actor.user is None:
        raise Unauthenticated
    own = actor.user.namespace_id
    found = Namespace.objects.filter(pk__in=policies.readable_namespaces(actor))
    return sorted(found, key=lambda namespace: (namespace.pk != own, namespace.key))


def trading_as(request: HttpRequest) -> Namespace:
    """The namespace that `?as=` (or the form) names, else the person's own. Raises: Unauthenticated."""
    mine = traders(request)
    asked = request.POST.get("as") or request.GET.get("as")
    return next((namespace for namespace in mine if namespace.name == asked), mine[0])


def submit(request: HttpRequest, form: BaseForm, use_case: Callable[[dict[str, Any]], T]) -> T | None:
    """Run the use case with the form's cleaned data; what it refuses becomes the form's error.

    Gives None when the form is not bound or invalid, or the use case refused.
    """
    if not form.is_bound or not form.is_valid():
        return None
    try:
        return use_case(form.cleaned_data)
    except Unauthenticated:
        raise
    except Refusal as refusal:
        field = FIELDS.get(str(refusal.details.get("field")), str(refusal.details.get("field")))
        if field in form.fields:
            form.add_error(field, str(refusal.details["reason"]))
        else:
            form.add_error(None, str(refusal))
    return None


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    fragment: str = "",
    form: BaseForm | None = None,
) -> HttpResponse:
    """Render a page, or the named fragment of it when htmx asks for one. 422 when the form has errors."""
    is_htmx = bool(getattr(request, "htmx", False))
    name = f"{template}#{fragment}" if fragment and is_htmx else template
    status = 422 if form is not None and form.is_bound and form.errors else 200
    response = render(request, name, context, status=status)
    if fragment:
        response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "HX-Request"]))
    return response
