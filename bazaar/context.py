"""Template context of every page: public address, theme, language, and whether sign-up is open."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from foundation import addresses

THEMES = ("light", "dark")


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    return {
        "hub_address": addresses.base_of(request),
        "hub_host": addresses.location_of(request),
        "rise": "red" if request.COOKIES.get("rise") == "red" else "",
        "theme": theme if theme in THEMES else "",
        "sign_up_open": settings.SIGN_UP_OPEN,
        "languages": settings.LANGUAGES,
        "section": request.path.lstrip("/").partition("/")[0],
    }
