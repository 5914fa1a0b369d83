"""The operator's pages under /admin/: Django's, with this site's way in and its name above them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from bazaar import pages


class OperatorSite(AdminSite):
    site_title = "Model Bazaar"
    site_header = "Model Bazaar"
    index_title = _("Site administration")
    site_url = "/status"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The sign-in of the admin site. It slows guessing down, and tells a user who is no operator so."""
        after = request.GET.get("next") or "/admin/"
        if self.has_permission(request):
            return HttpResponseRedirect(pages.local_address(request, after))
        if request.user.is_authenticated:
            raise PermissionDenied
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': after})}")


class OperatorConfig(AdminConfig):
    default_site = "bazaar.operators.OperatorSite"
