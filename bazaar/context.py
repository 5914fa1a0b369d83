"""What every page knows: the address people use, theme and language, who may sign up."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

THEMES = ("light", "dark")


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    return {
        "hub_address": settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}",
        "hub_host": (settings.PUBLIC_URL or request.get_host()).rpartition("//")[2],
        "theme": theme if theme in THEMES else "",
        "sign_up_open": settings.SIGN_UP_OPEN,
        "languages": settings.LANGUAGES,
        "section": request.path.lstrip("/").partition("/")[0],
    }
