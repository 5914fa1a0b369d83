"""Organizations, their members, and what any namespace may use."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts import policies, selectors, services
from hub.accounts.models import Role
from hub.api.native import answers, bodies
from hub.api.native.base import NativeView
from hub.repos import quotas


class Organizations(NativeView):
    @extend_schema(responses=list[answers.OrganizationOfUser])
    def get(self, request: Request) -> Response:
        """Those one is a member of, with one's role."""
        mine = selectors.organizations_of(self.signed_in)
        return Response([answers.OrganizationOfUser.of(membership) for membership in mine])

    @extend_schema(request=bodies.NewOrganization, responses={201: answers.NamespaceShape})
    def post(self, request: Request) -> Response:
        """Make an organization and become its first admin."""
        made = services.create_organization(actor=self.actor, **self.valid(bodies.NewOrganization))
        return Response(answers.NamespaceShape.of(made), status=201)


class Organization(NativeView):
    @extend_schema(responses=answers.NamespaceShape)
    def get(self, request: Request, name: str) -> Response:
        """The profile of an organization."""
        return Response(answers.NamespaceShape.of(selectors.get_organization(name)))

    @extend_schema(request=bodies.ProfileChange, responses=answers.NamespaceShape)
    def patch(self, request: Request, name: str) -> Response:
        """Change what is given; admins may."""
        changed = services.update_profile(
            actor=self.actor,
            namespace=selectors.get_organization(name),
            profile=services.Profile(**self.valid(bodies.ProfileChange)),
        )
        return Response(answers.NamespaceShape.of(changed))


class Members(NativeView):
    @extend_schema(responses=list[answers.MemberShape])
    def get(self, request: Request, name: str) -> Response:
        """All members by name."""
        members = selectors.members_of(selectors.get_organization(name))
        return Response([answers.MemberShape.of(member) for member in members])


class MemberView(NativeView):
    @extend_schema(request=bodies.RoleChoice, responses=answers.MemberShape)
    def put(self, request: Request, name: str, user: str) -> Response:
        """Add a member, or change the role; admins may."""
        membership = services.set_member(
            actor=self.actor,
            organization=selectors.get_organization(name),
            user=selectors.get_user(user),
            role=Role(self.valid(bodies.RoleChoice)["role"]),
        )
        return Response(answers.MemberShape.of(membership))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, user: str) -> Response:
        """Remove a member; admins may, and members themselves."""
        services.remove_member(
            actor=self.actor,
            organization=selectors.get_organization(name),
            user=selectors.get_user(user),
        )
        return Response(status=204)


class NamespaceName(NativeView):
    @extend_schema(request=bodies.Rename, responses=answers.NamespaceShape)
    def put(self, request: Request, name: str) -> Response:
        """Rename a user or an organization; the old name leads to it and stays reserved."""
        namespace = selectors.get_namespace(name)
        renamed = services.rename_namespace(
            actor=self.actor, namespace=namespace, name=self.valid(bodies.Rename)["name"]
        )
        return Response(answers.NamespaceShape.of(renamed))


class QuotaView(NativeView):
    @extend_schema(responses=answers.Quota)
    def get(self, request: Request, name: str) -> Response:
        """The storage that a namespace uses and may use; its members see it."""
        namespace = selectors.get_namespace(name)
        policies.require_role(self.actor, namespace, Role.READ)
        return Response(
            answers.Quota(
                storage_used_bytes=quotas.storage_used_bytes(namespace),
                storage_limit_bytes=quotas.storage_limit_bytes(namespace),
                repositories_used=quotas.repositories_used(namespace),
                repositories_limit=quotas.repository_limit(namespace),
            )
        )
