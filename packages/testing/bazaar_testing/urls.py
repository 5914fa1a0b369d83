"""The hub's addresses, and those by which a test tells it what to do."""

from django.urls import include, path

from bazaar import urls as hub

urlpatterns = [path("_mock/", include("bazaar_testing.mock.urls")), *hub.urlpatterns]
handler403, handler404 = hub.handler403, hub.handler404
