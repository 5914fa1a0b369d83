"""The public address of the hub, as the people and programs that use it write it.

It is the setting PUBLIC_URL where the operator gives one, such as `https://hub.example.org` or
`https://example.org/hub`; otherwise it is what the request names. No base address ends in a slash.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def base_of(request: HttpRequest) -> str:
    """Scheme, host and path prefix: `https://hub.example.org`, without a slash at the end.

    Raises: DisallowedHost where the request names a host that this server does not answer for.
    """
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def absolute(request: HttpRequest, path: str) -> str:
    """The absolute URL of a path of the hub, which begins with a slash and may end in a query."""
    return base_of(request) + path


def location_of(request: HttpRequest) -> str:
    """Host, port and path prefix without the scheme: `hub.example.org`, `localhost:8000`."""
    return base_of(request).partition("://")[2]


def host_name_of(request: HttpRequest) -> str | None:
    """The host alone, without a port: for services of other ports, such as SSH. None if it has none."""
    return urlsplit(base_of(request)).hostname


def base() -> str:
    """The base address where no request names one, as in background jobs.

    Without PUBLIC_URL it is LOCAL_URL, which only programs on this machine reach.
    """
    return settings.PUBLIC_URL or settings.LOCAL_URL
