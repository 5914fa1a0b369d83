from django.urls import include, path

from bazaar_testing.mock import views

urlpatterns = [
    path("about", views.about),
    path("faults", views.faults),
    path("requests", views.requests),
    path("reset", views.reset),
    path("users", views.users),
    path("repositories", views.repositories),
    path("market/", include("bazaar_testing.mock.market.urls")),
]
