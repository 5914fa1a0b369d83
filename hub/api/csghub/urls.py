"""OpenCSG's native wire. Its other half, `/hf`, `/csg` and `/ms`, is the Hugging Face wire."""

from django.urls import URLPattern, URLResolver

from hub.api.csghub import content, instances, repositories, unsupported

urlpatterns: list[URLPattern | URLResolver] = [
    *instances.urlpatterns,
    *repositories.urlpatterns,
    *content.urlpatterns,
    *unsupported.urlpatterns,
]
