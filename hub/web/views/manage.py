"""Settings pages of a repository: access, collaborators, moving, deleting, webhooks."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from hub.accounts import selectors as accounts
from hub.accounts.models import Role
from hub.community.selectors import webhooks as hook_selectors
from hub.community.services import people, webhooks
from hub.repos import gating, kinds, policies, selectors, services
from hub.repos.models import AccessRequest
from hub.repos.services import Settings
from hub.web.forms import CollaboratorForm, ConfirmForm, MoveForm, RepositorySettingsForm, WebhookForm
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import page, submit

REQUESTS_SHOWN = 200
DELIVERIES_SHOWN = 30


def _bound(request: HttpRequest, act: str) -> Any:
    """The posted data if it was sent by this form; several forms share the page."""
    return request.POST if request.POST.get("act") == act else None


@repository_page
def show(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    repository, actor = repo_page.repository, repo_page.actor
    policies.require_role(actor, repository, Role.ADMIN)
    initial = {name: getattr(repository, name) for name in RepositorySettingsForm.base_fields}
    settings_form = RepositorySettingsForm(_bound(request, "settings"), initial=initial)
    member_form = CollaboratorForm(
        _bound(request, "collaborator"), initial={"role": Role.WRITE}, auto_id="collaborator_%s"
    )
    move_form = MoveForm(_bound(request, "move"), initial={"to": repository.full_name})
    delete_form = ConfirmForm(_bound(request, "delete"), expected=repository.full_name)
    forms: list[tuple[Form, Any]] = [
        (
            settings_form,
            lambda data: services.change_settings(
                actor=actor, repository=repository, change=Settings(**data)
            ),
        ),
        (member_form, lambda data: _set_collaborator(repo_page, data["user"], Role(data["role"]))),
        (
            move_form,
            lambda data: services.move_repository(actor=actor, repository=repository, to=data["to"].strip()),
        ),
        (delete_form, lambda _: _delete(repo_page)),
    ]
    for form, use_case in forms:
        done = submit(request, form, use_case) if form.is_bound else None
        if done is not None:
            messages.success(request, _("Saved."))
            address = f"/{repository.namespace.name}" if form is delete_form else None
            moved = getattr(done, "full_name", None) if form is move_form else None
            if moved:
                address = f"/{kinds.path_of(repository.kind, moved)}/settings"
            return HttpResponseRedirect(address or f"{repo_page.address}/settings")
    people.read_notices_of(actor=actor, address=f"{repo_page.address}/settings")
    context = repo_page.header("settings") | {
        "settings_form": settings_form,
        "member_form": member_form,
        "move_form": move_form,
        "delete_form": delete_form,
        "collaborators": selectors.collaborators(repository),
        "requests": selectors.access_requests(actor=actor, repository=repository)[:REQUESTS_SHOWN]
        if repository.is_gated
        else [],
    }
    failed = next((form for form, _use in forms if form.is_bound), None)
    return page(request, "hub/repository/settings.html", context, form=failed)


def _set_collaborator(repo_page: RepositoryPage, name: str, role: Role | None) -> bool:
    services.set_collaborator(
        actor=repo_page.actor,
        repository=repo_page.repository,
        user=accounts.get_user(name.strip()),
        role=role,
    )
    return True


def _delete(repo_page: RepositoryPage) -> bool:
    services.delete_repository(actor=repo_page.actor, repository=repo_page.repository, now=timezone.now())
    return True


@require_POST
@repository_page
def remove_collaborator(request: HttpRequest, repo_page: RepositoryPage, user: str) -> HttpResponse:
    _set_collaborator(repo_page, user, None)
    return HttpResponseRedirect(f"{repo_page.address}/settings")


@require_POST
@repository_page
def handle_request(request: HttpRequest, repo_page: RepositoryPage, request_id: int) -> HttpResponse:
    is_accepted = request.POST.get("accept") == "1"
    gating.handle_access_request(
        actor=repo_page.actor,
        repository=repo_page.repository,
        request_id=request_id,
        status=AccessRequest.Status.ACCEPTED if is_accepted else AccessRequest.Status.REJECTED,
        now=timezone.now(),
    )
    return HttpResponseRedirect(f"{repo_page.address}/settings#requests")


@repository_page
def hooks(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    """The actor's own webhooks that watch this repository, with their deliveries."""
    repository, actor = repo_page.repository, repo_page.actor
    policies.require_role(actor, repository, Role.ADMIN)
    header = repo_page.header("settings")  # refuses what an operator has closed, before the form is checked
    form = WebhookForm(request.POST or None)

    def create(data: dict[str, Any]) -> Any:
        return webhooks.create_webhook(
            actor=actor,
            request=webhooks.WebhookChange(
                url=data["url"],
                secret=data["secret"] or None,
                domains=["repo", "discussion"],
                watched=[(repository.kind, repository.full_name)],
            ),
            now=timezone.now(),
        )

    if submit(request, form, create) is not None:
        return HttpResponseRedirect(f"{repo_page.address}/settings/webhooks")
    watching = hook_selectors.list_webhooks(actor=actor).filter(
        watched__type=repository.kind, watched__key=repository.full_name.lower()
    )
    shown = [(hook, hook_selectors.deliveries_of(hook)[:DELIVERIES_SHOWN]) for hook in watching]
    context = header | {"form": form, "hooks": shown}
    return page(request, "hub/repository/webhooks.html", context, form=form)


@require_POST
@repository_page
def hook_act(request: HttpRequest, repo_page: RepositoryPage, key: str) -> HttpResponse:
    """Delete, switch, or send an earlier call again."""
    actor, now, act = repo_page.actor, timezone.now(), request.POST.get("act", "")
    hook = hook_selectors.get_webhook(actor=actor, key=key)
    if act == "delete":
        webhooks.delete_webhook(actor=actor, webhook=hook)
    elif act == "redeliver":
        webhooks.redeliver(actor=actor, webhook=hook, key=request.POST.get("delivery", ""), now=now)
    else:
        webhooks.set_enabled(actor=actor, webhook=hook, is_enabled=act == "enable", now=now)
    return HttpResponseRedirect(f"{repo_page.address}/settings/webhooks")
