"""One's own account: sign up, sign in, profile, password, tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from foundation import rate_limits
from foundation.callers import address_of
from hub.accounts import selectors, services
from hub.accounts.principals import Principal
from hub.api.native import answers, bodies
from hub.api.native.base import NativeView
from hub.repos import selectors as repos


class Accounts(NativeView):
    @extend_schema(request=bodies.NewAccount, responses={201: answers.UserShape})
    def post(self, request: Request) -> Response:
        """Sign up. The account can be used at once."""
        user = services.sign_up(
            **self.valid(bodies.NewAccount),
            is_open=settings.SIGN_UP_OPEN,
            address=rate_limits.limited_address(request._request),  # noqa: SLF001 - DRF's own way
        )
        return Response(answers.UserShape.of(user), status=201)


class SessionView(NativeView):
    @extend_schema(responses=answers.Session)
    def get(self, request: Request) -> Response:
        """The user whose credentials the request has; without credentials the answer is empty,
        not an error.
        """
        return Response(_session(self.actor))

    @extend_schema(request=bodies.SignIn, responses=answers.Session)
    def post(self, request: Request) -> Response:
        """Sign in with a password; the answer sets the session's cookie."""
        address = address_of(request._request)  # noqa: SLF001 - as above
        user = services.sign_in(**self.valid(bodies.SignIn), address=address)
        login(request._request, user)  # noqa: SLF001 - DRF's own way to Django's request
        return Response(_session(Principal(user=user)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out."""
        logout(request._request)  # noqa: SLF001 - as above
        return Response(status=204)


def _session(principal: Principal) -> answers.Session:
    user = principal.user
    memberships = selectors.organizations_of(user) if user else ()
    return answers.Session(
        user=answers.UserShape.of(user) if user else None,
        organizations=[answers.OrganizationOfUser.of(membership) for membership in memberships],
        scopes=[scope for scope in ("read", "write", "trade", "deploy") if principal.has_scope(scope)],
        is_fine_grained=principal.is_fine_grained,
    )


class ProfileView(NativeView):
    @extend_schema(responses=answers.UserShape)
    def get(self, request: Request) -> Response:
        """One's own profile."""
        return Response(answers.UserShape.of(self.signed_in))

    @extend_schema(request=bodies.ProfileChange, responses=answers.UserShape)
    def patch(self, request: Request) -> Response:
        """Change what is given."""
        change = services.Profile(**self.valid(bodies.ProfileChange))
        services.update_profile(actor=self.actor, namespace=self.signed_in.namespace, profile=change)
        return Response(answers.UserShape.of(self.signed_in))


class Password(NativeView):
    @extend_schema(request=bodies.NewPassword, responses={204: None})
    def put(self, request: Request) -> Response:
        """Change the password. Other sessions end; tokens stay."""
        services.change_password(actor=self.actor, **self.valid(bodies.NewPassword))
        if self.actor.token is None:
            update_session_auth_hash(request._request, self.signed_in)  # noqa: SLF001 - as above
        return Response(status=204)


class Tokens(NativeView):
    @extend_schema(responses=list[answers.TokenShape])
    def get(self, request: Request) -> Response:
        """One's own tokens, newest first. A read, trade or fine-grained token may not see them."""
        tokens = selectors.tokens_of(actor=self.actor)
        return Response([answers.TokenShape.of(token, self.actor) for token in tokens])

    @extend_schema(request=bodies.NewToken, responses={201: answers.CreatedToken})
    def post(self, request: Request) -> Response:
        """Make a token. Its text is in this answer and nowhere else."""
        asked = self.valid(bodies.NewToken)
        asked["grants"] = [_grant(self.actor, grant) for grant in asked["grants"]]
        token, secret = services.create_token(actor=self.actor, **asked)
        created = answers.TokenShape.of(token, self.actor).widened(answers.CreatedToken, secret=secret)
        return Response(created, status=201)


def _grant(actor: Principal, asked: dict[str, Any]) -> services.Grant:
    """Raises: NamespaceNotFound, RepositoryNotFound."""
    if place := asked.get("repository"):
        repository = repos.get_repository(actor=actor, **place)
        return services.Grant(repository.namespace_id, repository.pk, can_write=asked["can_write"])
    namespace = selectors.get_namespace(asked["namespace"])
    return services.Grant(namespace.pk, can_write=asked["can_write"])


class SshKeys(NativeView):
    @extend_schema(responses=list[answers.SshKeyShape])
    def get(self, request: Request) -> Response:
        """The keys with which you log in to leases, newest first."""
        keys = selectors.ssh_keys_of(actor=self.actor)
        return Response([answers.SshKeyShape.of(key) for key in keys])

    @extend_schema(request=bodies.NewSshKey, responses={201: answers.SshKeyShape})
    def post(self, request: Request) -> Response:
        """Add a public key. A token needs the scope `trade` besides `write`: keys open leases."""
        key = services.add_ssh_key(actor=self.actor, **self.valid(bodies.NewSshKey))
        return Response(answers.SshKeyShape.of(key), status=201)


class SshKeyView(NativeView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: int) -> Response:
        """Remove a key; it opens nothing any more."""
        services.remove_ssh_key(actor=self.actor, key_id=key_id)
        return Response(status=204)


class TokenView(NativeView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke a token; it stops working at once."""
        services.revoke_token(actor=self.actor, token_id=token_id)
        return Response(status=204)
