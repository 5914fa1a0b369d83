"""ModelScope's wire, mounted at /modelscope."""

from django.urls import URLPattern, URLResolver

from hub import converters  # noqa: F401 - registers the converters
from hub.api.modelscope import accounts, content, repositories, unsupported

urlpatterns: list[URLPattern | URLResolver] = [
    *accounts.urlpatterns,
    *content.urlpatterns,
    *repositories.urlpatterns,
    *unsupported.urlpatterns,
]
