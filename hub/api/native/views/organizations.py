"""Organizations, their members, and what any namespace may use."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts import policies, selectors, services
from hub.accounts.models import Role
from hub.api.native import shapes
from hub.api.native.base import NativeView
from hub.repos import quotas


class Organizations(NativeView):
    @extend_schema(responses=shapes.OrganizationOfUser(many=True))
    def get(self, request: Request) -> Response:
        """Those one is a member of, with one's role."""
        mine = selectors.organizations_of(self.signed_in)
        return Response(shapes.OrganizationOfUser(mine, many=True).data)

    @extend_schema(request=shapes.NewOrganization, responses={201: shapes.NamespaceShape})
    def post(self, request: Request) -> Response:
        """Make an organization and become its first admin."""
        made = services.create_organization(actor=self.actor, **self.valid(shapes.NewOrganization))
        return Response(shapes.NamespaceShape(made).data, status=201)


class Organization(NativeView):
    @extend_schema(responses=shapes.NamespaceShape)
    def get(self, request: Request, name: str) -> Response:
        """The profile of an organization."""
        return Response(shapes.NamespaceShape(selectors.get_organization(name)).data)

    @extend_schema(request=shapes.ProfileChange, responses=shapes.NamespaceShape)
    def patch(self, request: Request, name: str) -> Response:
        """Change what is given; admins may."""
        changed = services.update_profile(
            actor=self.actor,
            namespace=selectors.get_organization(name),
            profile=services.Profile(**self.valid(shapes.ProfileChange)),
        )
        return Response(shapes.NamespaceShape(changed).data)


class Members(NativeView):
    @extend_schema(responses=shapes.Member(many=True))
    def get(self, request: Request, name: str) -> Response:
        """All members by name."""
        members = selectors.members_of(selectors.get_organization(name))
        return Response(shapes.Member(members, many=True).data)


class MemberView(NativeView):
    @extend_schema(request=shapes.RoleChoice, responses=shapes.Member)
    def put(self, request: Request, name: str, user: str) -> Response:
        """Add a member, or change the role; admins may."""
        membership = services.set_member(
            actor=self.actor,
            organization=selectors.get_organization(name),
            user=selectors.get_user(user),
            role=Role(self.valid(shapes.RoleChoice)["role"]),
        )
        return Response(shapes.Member(membership).data)

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
    @extend_schema(request=shapes.Rename, responses=shapes.NamespaceShape)
    def put(self, request: Request, name: str) -> Response:
        """Rename a user or an organization; the old name leads to it and stays reserved."""
        namespace = selectors.get_namespace(name)
        renamed = services.rename_namespace(
            actor=self.actor, namespace=namespace, name=self.valid(shapes.Rename)["name"]
        )
        return Response(shapes.NamespaceShape(renamed).data)


class QuotaView(NativeView):
    @extend_schema(responses=shapes.Quota)
    def get(self, request: Request, name: str) -> Response:
        """The storage that a namespace uses and may use; its members see it."""
        namespace = selectors.get_namespace(name)
        policies.require_role(self.actor, namespace, Role.READ)
        return Response(
            {
                "storage_used_bytes": quotas.storage_used_bytes(namespace),
                "storage_limit_bytes": quotas.storage_limit_bytes(namespace),
                "repositories_used": quotas.repositories_used(namespace),
                "repositories_limit": quotas.repository_limit(namespace),
            }
        )
