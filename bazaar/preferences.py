"""The choice of language and theme, at the foot of every page."""

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
    """Remember language and theme in cookies, for a year, and go back to where the form was."""
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
    return response
