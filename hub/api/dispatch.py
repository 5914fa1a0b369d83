"""One address, several methods: what every door that is not DRF does with a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from foundation import inputs
from foundation.bodies import BodyRefused
from foundation.errors import Invalid, Refusal, refusal_of
from hub.accounts.principals import Principal
from hub.api.json import BodyTooLarge
from hub.api.rates import require_rate

View = Callable[..., HttpResponseBase]
Render = Callable[[Refusal, HttpRequest], HttpResponse]


class Moved(Exception):
    """The resource has another address now. 307 keeps method and body."""

    def __init__(self, location: str) -> None:
        self.location = location


def by_method(
    methods: Mapping[str, View],
    *,
    render: Render,
    not_allowed: View,
    read_caller: Callable[[HttpRequest], Principal] | None = None,
) -> View:
    """The view of one address. HEAD falls to GET; refusals are rendered here, once.

    `not_allowed` answers a method that is not among them, with what the address holds; its answer is given
    `Allow`.
    With `read_caller` credentials are read first: an unknown token is refused on every route, and the rate of
    the caller is limited.
    """
    views = dict(methods)
    if "GET" in views:
        views.setdefault("HEAD", views["GET"])
    allowed = ", ".join(sorted(views))

    @csrf_exempt
    def dispatch(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            if read_caller is not None:
                require_rate(request, read_caller(request))
            if problem := inputs.query_problem(request):
                raise Invalid(reason=problem)
            view = views.get(request.method or "")
            if view is None:
                response = not_allowed(request, **kwargs)
                response["Allow"] = allowed
                return response
            return view(request, **kwargs)
        except Moved as moved:
            redirect = HttpResponse(status=307)
            redirect["Location"] = moved.location
            return redirect
        except Refusal as refusal:
            return render(refusal, request)
        except BodyRefused as refused:
            return render(BodyTooLarge(limit=refused.limit), request)
        except (DatabaseError, OSError) as error:
            if (conflict := refusal_of(error)) is None:
                raise
            return render(conflict, request)

    # Metrics name a request by the module of its view; each dialect renders its own refusals.
    dispatch.__module__ = render.__module__
    return dispatch
