"""Sign up, sign in, sign out."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from foundation import rate_limits
from foundation.callers import address_of
from hub.accounts import services
from hub.web.forms import SignInForm, SignUpForm
from hub.web.requests import local_address, page, submit

BACKEND = "django.contrib.auth.backends.ModelBackend"


def sign_up(request: HttpRequest) -> HttpResponse:
    form = SignUpForm(request.POST or None)
    after = local_address(request, request.GET.get("next"), default="")
    address = rate_limits.limited_address(request)
    user = submit(
        request,
        form,
        lambda data: services.sign_up(**data, is_open=settings.SIGN_UP_OPEN, address=address),
        codes={"name_taken": "name", "name_refused": "name", "weak_password": "password"},
    )
    if user is not None:
        login(request, user, backend=BACKEND)
        return HttpResponseRedirect(after or f"/{user.name}")
    return page(request, "hub/sign_up.html", {"form": form, "after": after}, form=form)


def sign_in(request: HttpRequest) -> HttpResponse:
    form = SignInForm(request.POST or None)
    after = local_address(request, request.POST.get("next") or request.GET.get("next"))
    user = submit(
        request,
        form,
        lambda data: services.sign_in(**data, address=address_of(request)),
    )
    if user is not None:
        login(request, user, backend=BACKEND)
        return HttpResponseRedirect(after)
    return page(request, "hub/sign_in.html", {"form": form, "after": after}, form=form)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect("/")
