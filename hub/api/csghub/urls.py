"""OpenCSG's native wire. Its other half, `/hf`, `/csg` and `/ms`, is the Hugging Face wire."""

from django.urls import URLPattern, URLResolver, include, path

from hub.api.csghub import content, instances, repositories, unsupported

_native = [
    *instances.urlpatterns,
    *repositories.urlpatterns,
    *content.urlpatterns,
    *unsupported.urlpatterns,
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(_native)),
    path("v1/", include(unsupported.sandbox_patterns)),
]
