"""Pages that belong to no house: refusals and missing addresses."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext_lazy as _

from bazaar.security import PAGES
from foundation import errors, inputs, statuses

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})

WORTH_ANOTHER_TRY = frozenset({409, 429, 500, 502, 503, 504})
"""Statuses of pages that may answer otherwise when they are asked again."""

# Kind of refusal → heading, icon.
HEADINGS: dict[type[errors.Refusal], tuple[str | Promise, str]] = {
    errors.Invalid: (_("Bad request"), "alert"),
    errors.Unauthenticated: (_("Please sign in"), "key"),
    errors.Denied: (_("You don't have permission"), "lock"),
    errors.NotFound: (_("Page not found"), "search"),
    errors.Conflict: (_("This has changed since you opened it"), "alert"),
    errors.Exhausted: (_("Limit reached"), "clock"),
    errors.Unsupported: (_("Not supported here"), "info"),
    errors.Unavailable: (_("Not available right now"), "server"),
}


class RefusalPagesMiddleware:
    """Render a refusal that a page's view raised.

    The APIs handle their own refusals, so only those of pages come here. A visitor who is not signed in is
    sent to the sign-in page, which leads back afterwards.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponse | None:
        """Refuse a query or form that no page can mean, before the page's view."""
        match = request.resolver_match
        if match is None or match.app_name not in PAGES:
            return None
        problem = inputs.query_problem(request)
        if not problem and request.content_type in FORMS:
            problem = inputs.form_problem(request)
        if not problem:
            return None
        return page_of(request, errors.Invalid(reason=problem))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_name not in PAGES:
            return None
        if isinstance(exception, DatabaseError | OSError):
            exception = errors.refusal_of(exception) or exception
        if not isinstance(exception, errors.Refusal):
            return None
        if isinstance(exception, errors.Unauthenticated):
            return to_sign_in(request)
        return page_of(request, exception)


def to_sign_in(request: HttpRequest) -> HttpResponse:
    is_fragment = bool(getattr(request, "htmx", False))
    came_from = _current_page(request) if is_fragment else request.get_full_path()
    if request.method != "GET" and not is_fragment:
        came_from = request.headers.get("Referer", "/")
    address = f"{settings.LOGIN_URL}?{urlencode({'next': came_from or '/'})}"
    if is_fragment:
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _current_page(request: HttpRequest) -> str:
    """The address that htmx says the person is on; empty where it is none of this host."""
    try:
        return request.htmx.current_url_abs_path or ""  # type: ignore[attr-defined]
    except ValueError:  # an address that cannot be parsed
        return ""


def page_of(request: HttpRequest, refusal: errors.Refusal) -> HttpResponse:
    """The page for a refusal, with the status that every API gives it."""
    heading, icon = statuses.by_kind(refusal, HEADINGS)
    page = refusal_page(
        request, status=statuses.status_of(refusal), heading=heading, icon=icon, reason=str(refusal)
    )
    if retry_after := refusal.details.get("retry_after_s"):
        page["Retry-After"] = str(retry_after)
    return page


def refusal_page(
    request: HttpRequest,
    *,
    status: int,
    heading: str | Promise,
    icon: str,
    reason: str | Promise,
    hint: str | Promise = "",
) -> HttpResponse:
    context: dict[str, object] = {"worth_another_try": WORTH_ANOTHER_TRY}
    context |= {"status": status, "heading": heading, "icon_name": icon, "reason": reason, "hint": hint}
    return render(request, "error.html", context, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No route leads here. Programs get JSON, people get a page."""
    if wants_json(request):
        return JsonResponse({"error": "Not found"}, status=404)
    return refusal_page(
        request,
        status=404,
        heading=HEADINGS[errors.NotFound][0],
        icon="search",
        reason=_("There is no page at this address."),
        hint=_("If this is private, you may need to sign in to see it."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    heading, icon = HEADINGS[errors.Denied]
    return refusal_page(
        request, status=403, heading=heading, icon=icon, reason=_("Your account can't open this page.")
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form is older than the session, or came from another site."""
    if wants_json(request):
        return JsonResponse({"error": f"CSRF check failed: {reason}"}, status=403)
    return refusal_page(
        request,
        status=403,
        heading=_("This form has expired"),
        icon="clock",
        reason=_("Go back, reload the page and submit the form again. This site needs cookies."),
    )


def wants_json(request: HttpRequest) -> bool:
    if request.path.startswith(("/api/", "/hf/api/", "/csg/api/", "/ms/api/", "/modelscope/", "/xet/")):
        return True
    return not request.accepts("text/html")


def local_address(request: HttpRequest, address: str) -> str:
    """The address if it lies on this host, else the front page."""
    return address if url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}) else "/"
