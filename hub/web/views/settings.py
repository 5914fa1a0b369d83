"""Settings pages of users and their organizations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from hub.accounts import policies, selectors, services
from hub.accounts.models import AccessToken, Namespace, Role
from hub.accounts.principals import Principal
from hub.accounts.services import Grant, Profile
from hub.repos import policies as repos
from hub.web.forms import MemberForm, OrganizationForm, PasswordForm, ProfileForm, SshKeyForm, TokenForm
from hub.web.requests import actor_of, page, signed_in, submit


def _profile_initial(namespace: Namespace) -> dict[str, Any]:
    return {name: getattr(namespace, name) for name in ProfileForm.base_fields}


def profile(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = ProfileForm(request.POST or None, initial=_profile_initial(user.namespace))
    saved = submit(
        request,
        form,
        lambda data: services.update_profile(
            actor=actor_of(request), namespace=user.namespace, profile=Profile(**data)
        ),
    )
    if saved is not None:
        messages.success(request, _("Profile saved."))
        return HttpResponseRedirect("/settings/profile")
    return page(request, "hub/settings/profile.html", {"form": form, "tab": "profile"}, form=form)


def password(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = PasswordForm(request.POST or None)
    if not user.has_usable_password():
        del form.fields["old"]

    def change(data: dict[str, Any]) -> bool:
        services.change_password(actor=actor_of(request), old=data.get("old", ""), new=data["new"])
        return True

    if submit(request, form, change):
        update_session_auth_hash(request, user)
        messages.success(request, _("Password changed. Your other sessions are signed out."))
        return HttpResponseRedirect("/settings/password")
    return page(request, "hub/settings/password.html", {"form": form, "tab": "password"}, form=form)


def _reach_of(actor: Principal, token: AccessToken) -> str:
    """The places that a fine-grained token was granted, except repositories that the user cannot see now."""
    grants = token.grants.all()
    return ", ".join(
        grant.namespace.name if grant.repository is None else grant.repository.full_name
        for grant in grants
        if grant.repository is None or repos.can_see(actor, grant.repository)
    )


def ssh_keys(request: HttpRequest) -> HttpResponse:
    """The keys that log in to leases, and the form for another."""
    signed_in(request)
    actor = actor_of(request)
    form = SshKeyForm(request.POST or None)
    if submit(request, form, lambda data: services.add_ssh_key(actor=actor, **data)):
        messages.success(request, _("Key added."))
        return HttpResponseRedirect("/settings/ssh-keys")
    context = {"form": form, "keys": selectors.ssh_keys_of(actor=actor), "tab": "ssh-keys"}
    return page(request, "hub/settings/ssh_keys.html", context, form=form)


@require_POST
def remove_ssh_key(request: HttpRequest, key_id: int) -> HttpResponse:
    services.remove_ssh_key(actor=actor_of(request), key_id=key_id)
    messages.success(request, _("Key removed."))
    return HttpResponseRedirect("/settings/ssh-keys")


def tokens(request: HttpRequest) -> HttpResponse:
    """The list, the form, and, once, the text of a token that was just made."""
    user = signed_in(request)
    actor = actor_of(request)
    places = [(user.namespace_id, user.name)] + [
        (member.organization_id, member.organization.name) for member in selectors.organizations_of(user)
    ]
    form = TokenForm(request.POST or None, places=places)

    def create(data: dict[str, Any]) -> tuple[Any, str]:
        writes = "write" in data["scopes"]
        grants = [Grant(namespace_id=int(data["reach"]), can_write=writes)] if data["reach"] else []
        days, cap = int(data["days"]) if data["days"] else None, data["spend_cap"]
        return services.create_token(
            actor=actor,
            name=data["name"],
            scopes=data["scopes"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
            grants=grants,
            spend_cap_micros=int(cap * 1_000_000) if cap is not None else None,
        )

    made = submit(request, form, create)
    context = {
        "form": TokenForm(places=places) if made else form,
        "tokens": [(token, _reach_of(actor, token)) for token in selectors.tokens_of(actor=actor)],
        "secret": made[1] if made else "",
        "tab": "tokens",
        "now": timezone.now(),
    }
    response = page(request, "hub/settings/tokens.html", context, form=None if made else form)
    if made:
        response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    services.revoke_token(actor=actor_of(request), token_id=token_id)
    messages.success(request, _("Token revoked."))
    return HttpResponseRedirect("/settings/tokens")


def organizations(request: HttpRequest) -> HttpResponse:
    context = {"memberships": selectors.organizations_of(signed_in(request)), "tab": "organizations"}
    return page(request, "hub/settings/organizations.html", context)


def new_organization(request: HttpRequest) -> HttpResponse:
    signed_in(request)
    form = OrganizationForm(request.POST or None)
    made = submit(request, form, lambda data: services.create_organization(actor=actor_of(request), **data))
    if made is not None:
        return HttpResponseRedirect(f"/{made.name}")
    return page(request, "hub/new_organization.html", {"form": form}, form=form)


def organization(request: HttpRequest, name: str) -> HttpResponse:
    """Profile and members of an organization, for its admins."""
    found = selectors.get_organization(name)
    actor = actor_of(request)
    policies.require_role(actor, found, Role.ADMIN)
    is_member_form = "user" in request.POST
    form = ProfileForm(
        request.POST if request.POST and not is_member_form else None, initial=_profile_initial(found)
    )
    member_form = MemberForm(
        request.POST if is_member_form else None, initial={"role": Role.WRITE}, auto_id="member_%s"
    )
    saved = submit(
        request,
        form,
        lambda data: services.update_profile(actor=actor, namespace=found, profile=Profile(**data)),
    ) or submit(
        request,
        member_form,
        lambda data: services.set_member(
            actor=actor,
            organization=found,
            user=selectors.get_user(data["user"]),
            role=Role(data["role"]),
        ),
    )
    if saved is not None:
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(f"/organizations/{found.name}/settings")
    context = {
        "organization": found,
        "form": form,
        "member_form": member_form,
        "members": selectors.members_of(found),
        "tab": "organizations",
    }
    return page(
        request, "hub/settings/organization.html", context, form=member_form if is_member_form else form
    )


@require_POST
def remove_member(request: HttpRequest, name: str, user: str) -> HttpResponse:
    """By an admin, or by the member who leaves."""
    found = selectors.get_organization(name)
    actor = actor_of(request)
    services.remove_member(actor=actor, organization=found, user=selectors.get_user(user))
    messages.success(request, _("%(user)s is no longer a member.") % {"user": user})
    is_leaving = user.lower() == actor.name.lower()
    return HttpResponseRedirect(
        "/settings/organizations" if is_leaving else f"/organizations/{found.name}/settings"
    )
