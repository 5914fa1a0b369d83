"""The mount table: which door stands at which address (docs/architecture.md)."""

from django.conf import settings
from django.contrib import admin
from django.templatetags import static as staticfiles
from django.urls import include, path
from django.views.generic import RedirectView

from bazaar import docs, metrics, opencsg, preferences, readiness, status

# The pages of `bazaar` itself; their name puts them among the rooms whose scripts may run.
own = [path("preferences", preferences.preferences), path("status", status.status)]

urlpatterns = [
    path("healthz", readiness.healthz),
    path("readyz", readiness.readyz),
    path("metrics", metrics.metrics),
    path("favicon.ico", RedirectView.as_view(url=staticfiles.static("bazaar/logo.svg"))),
    path("", include("hub.api.hf.frequent_urls")),
    path("", include((own, "bazaar"))),
    path("admin/", admin.site.urls),
    path("api/schema", docs.Schema.as_view(), name="schema"),
    path("api/docs", docs.Docs.as_view()),
    path("api/hub/v1/", include("hub.api.native.urls")),
    path("api/market/v1/", include("compute_market.api.urls")),
    path("xet/", include("hub.api.xet.urls")),
    path("modelscope/", include("hub.api.modelscope.urls")),
    path("", include("hub.api.csghub.urls")),
    path("", include("hub.api.git.urls")),
    path("", include("hub.api.hf.urls")),
    path(f"{opencsg.MOUNT}/", include(opencsg)),
    *(
        path(f"{mount}/", include(wire))
        for mount in settings.HF_MOUNTS
        for wire in ("hub.api.git.urls", "hub.api.hf.urls")
    ),
    path("", include("compute_market.web.urls")),
    path("", include("hub.web.urls")),
]

handler404 = "bazaar.pages.not_found"
handler403 = "bazaar.pages.forbidden"
