"""The `Content-Security-Policy` of each response.

Everything that people upload is served from the same origin as the pages. So the default for a
response is a sandbox without scripts; only the rooms named in `PAGES` may run the site's own.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# URL namespaces whose responses are the site's own pages.
PAGES = frozenset({"bazaar", "hub_web", "market_web", "admin"})
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; sandbox"
)


class ContentSecurityPolicyMiddleware:
    """Set the header on every response. A view that needs another policy sets the header itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.page_policy = settings.CONTENT_SECURITY_POLICY

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        match = request.resolver_match
        is_page = match is None or match.app_name in PAGES
        response.headers.setdefault(
            "Content-Security-Policy", self.page_policy if is_page else CONTENT_POLICY
        )
        return response
