"""The browser's orders: what a page may load, and that nothing else is a page.

Everything that people upload is served from the same origin as the pages, so the default for a
response is a sandbox without scripts; only the rooms named in `PAGES` may run the site's own.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

# URL namespaces whose responses are the site's own pages.
PAGES = frozenset({"hub_web", "market_web", "admin"})
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; sandbox"


class ContentSecurityPolicyMiddleware:
    """Say on every response what it may load. A view that needs other orders sets the header itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        stores = " ".join(getattr(settings, "OBJECT_STORE_ORIGINS", ()))
        self.page_policy = (
            f"default-src 'self'; img-src 'self' data: {stores}; media-src 'self' {stores}; "
            f"connect-src 'self' {stores}; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
            "form-action 'self'"
        )

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        match = request.resolver_match
        is_page = match is None or match.app_name in PAGES
        response.headers.setdefault(
            "Content-Security-Policy", self.page_policy if is_page else CONTENT_POLICY
        )
        return response
