"""The choice of language, theme and the colour of rising prices."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from bazaar.context import THEMES
from bazaar.pages import local_address
from hub.accounts.services import set_language
from hub.accounts.sessions import actor_of

YEAR_S = 365 * 24 * 3600


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Remember language, theme and the colour of rising prices in cookies for a year; go back to the page."""
    response = HttpResponseRedirect(local_address(request, request.POST.get("next", "/")))
    language, theme = request.POST.get("language"), request.POST.get("theme")
    if language in dict(settings.LANGUAGES):
        set_language(actor=actor_of(request), language=str(language))
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=YEAR_S,
            samesite="Lax",
            secure=request.is_secure(),
        )
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR_S, samesite="Lax", secure=request.is_secure())
    elif theme == "":
        response.delete_cookie("theme")
    rise = request.POST.get("rise")
    if rise == "red":
        response.set_cookie("rise", rise, max_age=YEAR_S, samesite="Lax", secure=request.is_secure())
    elif rise == "":
        response.delete_cookie("rise")
    return response
