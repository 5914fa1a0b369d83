"""The Hugging Face wire. Mounted at the root and, for OpenCSG's clients, at /hf, /csg and /ms."""

from django.urls import URLPattern, URLResolver

from hub import converters  # noqa: F401 - registers the converters
from hub.api.hf import (
    access_requests,
    account,
    collections,
    discussions,
    fallback,
    info,
    lifecycle,
    likes,
    lists,
    people,
    resolve,
    trees,
    upload,
    webhooks,
    xet_tokens,
)

_served: list[URLPattern | URLResolver] = [
    # First, because Django tries one after the other and most requests are downloads.
    *resolve.urlpatterns,
    *account.urlpatterns,
    *lifecycle.urlpatterns,
    *info.urlpatterns,
    *lists.urlpatterns,
    *trees.urlpatterns,
    *upload.urlpatterns,
    *xet_tokens.urlpatterns,
    *access_requests.urlpatterns,
    *collections.urlpatterns,
    *discussions.urlpatterns,
    *likes.urlpatterns,
    *people.urlpatterns,
    *webhooks.urlpatterns,
    *fallback.urlpatterns,
]
urlpatterns = [*_served, *fallback.bare_ids(_served), *fallback.last]
