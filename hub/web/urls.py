"""The pages of the hub. Fixed first segments come first; they are names that no namespace may take."""

from django.urls import URLPattern, URLResolver, path

from hub.api import converters as _converters  # noqa: F401 - registers the converters used below
from hub.web.views import account, settings

app_name = "hub_web"

urlpatterns: list[URLPattern | URLResolver] = [
    path("join", account.sign_up),
    path("login", account.sign_in),
    path("logout", account.sign_out),
    path("settings/profile", settings.profile),
    path("settings/password", settings.password),
    path("settings/tokens", settings.tokens),
    path("settings/tokens/<int:token_id>/revoke", settings.revoke_token),
    path("settings/organizations", settings.organizations),
    path("organizations/new", settings.new_organization),
    path("organizations/<name:name>/settings", settings.organization),
    path("organizations/<name:name>/members/<name:user>/remove", settings.remove_member),
]
