"""The hub's own routes: only what no dialect covers."""

from django.urls import URLPattern, URLResolver, path

from hub import converters  # noqa: F401 - registers the converters
from hub.api.native.views import accounts, audit, community, organizations, repositories

_repository = "repositories/<str:kind>/<repo_id:repo_id>"
urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts", accounts.Accounts.as_view()),
    path("session", accounts.SessionView.as_view()),
    path("profile", accounts.ProfileView.as_view()),
    path("profile/password", accounts.Password.as_view()),
    path("ssh-keys", accounts.SshKeys.as_view()),
    path("ssh-keys/<row_id:key_id>", accounts.SshKeyView.as_view()),
    path("tokens", accounts.Tokens.as_view()),
    path("tokens/<row_id:token_id>", accounts.TokenView.as_view()),
    path("organizations", organizations.Organizations.as_view()),
    path("organizations/<name:name>", organizations.Organization.as_view()),
    path("organizations/<name:name>/members", organizations.Members.as_view()),
    path("organizations/<name:name>/members/<name:user>", organizations.MemberView.as_view()),
    path("namespaces/<name:name>/name", organizations.NamespaceName.as_view()),
    path("namespaces/<name:name>/quota", organizations.QuotaView.as_view()),
    path("repositories/deleted", repositories.DeletedRepositories.as_view()),
    path("repositories/deleted/<row_id:pk>/restore", repositories.RestoreView.as_view()),
    path(f"{_repository}/archive", repositories.ArchiveView.as_view()),
    path(f"{_repository}/storage", repositories.StorageView.as_view()),
    path(f"{_repository}/collaborators", repositories.Collaborators.as_view()),
    path(f"{_repository}/collaborators/<name:user>", repositories.CollaboratorView.as_view()),
    path("notifications", community.NotificationsView.as_view()),
    path("watches", community.Watches.as_view()),
    path("audit", audit.Audit.as_view()),
    path("statistics", community.StatisticsView.as_view()),
]
