"""The pages of the hub. Fixed first segments come first; they are names that no namespace may take."""

from django.urls import URLPattern, URLResolver, include, path

from hub.converters import register_kinds
from hub.repos.kinds import KIND_OF
from hub.repos.models import Kind
from hub.web.views import (
    account,
    browse,
    collections,
    community,
    editing,
    files,
    manage,
    people,
    repository,
    settings,
)

app_name = "hub_web"


# Models have no first segment.
register_kinds({plural: kind for plural, kind in KIND_OF.items() if kind != Kind.MODEL}, "page_plural")

of_accounts: list[URLPattern | URLResolver] = [
    path("join", account.sign_up),
    path("login", account.sign_in),
    path("logout", account.sign_out),
    path("settings/profile", settings.profile),
    path("settings/password", settings.password),
    path("settings/ssh-keys", settings.ssh_keys),
    path("settings/ssh-keys/<row_id:key_id>/remove", settings.remove_ssh_key),
    path("settings/tokens", settings.tokens),
    path("settings/tokens/<row_id:token_id>/revoke", settings.revoke_token),
    path("settings/organizations", settings.organizations),
    path("organizations/new", settings.new_organization),
    path("organizations/<name:name>/settings", settings.organization),
    path("organizations/<name:name>/members/<name:user>/remove", settings.remove_member),
]

# Of one repository: what follows `namespace/name` (models) or `datasets/namespace/name` (the others).
of_repository: list[URLPattern | URLResolver] = [
    path("", repository.show),
    path("/like", repository.like),
    path("/watch", repository.watch),
    path("/access", repository.ask_access),
    path("/tree/<revision_path:where>", files.tree),
    path("/blob/<revision_path:where>", files.blob),
    path("/commits", files.commits),
    path("/commits/<rest:revision>", files.commits),
    path("/commit/<segment:oid>", files.commit),
    path("/downloads", repository.downloads_chart),
    path("/collect", collections.choose),
    path("/collect/add", collections.add),
    path("/preview", editing.preview),
    path("/upload/<revision_path:where>", editing.upload),
    path("/edit/<revision_path:where>", editing.edit),
    path("/delete/<revision_path:where>", editing.delete),
    path("/discussions", community.index),
    path("/discussions/new", community.new),
    path("/discussions/<row_id:number>", community.show),
    path("/discussions/<row_id:number>/rename", community.rename),
    path("/discussions/<row_id:number>/hide/<slug:key>", community.hide_comment),
    path("/discussions/<row_id:number>/edit/<slug:key>", community.edit_comment),
    path("/discussions/<row_id:number>/history/<slug:key>", community.comment_history),
    path("/settings", manage.show),
    path("/settings/requests/<row_id:request_id>", manage.handle_request),
    path("/settings/collaborators/<name:user>/remove", manage.remove_collaborator),
    path("/settings/webhooks", manage.hooks),
    path("/settings/webhooks/<slug:key>", manage.hook_act),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", browse.home),
    path("search", browse.search),
    path("new", editing.new),
    path("collections/new", collections.new),
    path("collections/<name:owner>/<segment:slug>", collections.show),
    path("collections/<name:owner>/<segment:slug>/edit", collections.edit),
    path("models", browse.browse, {"kind": "model"}),
    path("datasets", browse.browse, {"kind": "dataset"}),
    path("spaces", browse.browse, {"kind": "space"}),
    path("notifications", people.notifications),
    path("notifications/settings", people.notification_settings),
    path("notifications/unsubscribe/<str:token>", people.unsubscribe),
    path("notifications/count", people.notification_count),
    path("notifications/<row_id:notice_id>/open", people.open_notice),
    *of_accounts,
    path("<page_plural:kind>/<name:namespace>/<name:name>", include(of_repository)),
    path("<name:name>/follow", people.follow),
    path("<name:namespace>/<name:name>", include(of_repository), {"kind": "model"}),
    path("<name:name>", people.show),
]
