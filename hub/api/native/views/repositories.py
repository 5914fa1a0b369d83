"""Of repositories only what no other dialect covers: restore, archive, collaborators."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts import selectors as accounts
from hub.accounts.models import Role
from hub.api.native import answers, bodies
from hub.api.native.base import NativeView
from hub.lfs import selectors as lfs
from hub.repos import policies, selectors, services
from hub.repos.models import Repository


class DeletedRepositories(NativeView):
    @extend_schema(responses=list[answers.DeletedRepository])
    def get(self, request: Request) -> Response:
        """Deleted repositories that can still be restored, in namespaces that one administers."""
        found = selectors.restorable(actor=self.actor)
        return Response([answers.DeletedRepository.of(repository) for repository in found])


class RestoreView(NativeView):
    @extend_schema(request=bodies.Restore, responses=answers.RepositoryShape)
    def post(self, request: Request, pk: int) -> Response:
        """Bring a deleted repository back, under its old or another name."""
        restored = services.restore_repository(
            actor=self.actor,
            repository=selectors.get_restorable(actor=self.actor, pk=pk),
            name=self.valid(bodies.Restore).get("name"),
            now=timezone.now(),
        )
        return Response(answers.RepositoryShape.of(restored))


class RepositoryBound(NativeView):
    """A view of one repository, named by kind and id."""

    def repository(self, kind: str, repo_id: str) -> Repository:
        """Raises: RepositoryNotFound."""
        return selectors.get_repository(actor=self.actor, kind=kind, repo_id=repo_id)


class ArchiveView(RepositoryBound):
    @extend_schema(request=bodies.Archive, responses=answers.RepositoryShape)
    def put(self, request: Request, kind: str, repo_id: str) -> Response:
        """Close a repository for writing, or open it again; admins may."""
        changed = services.change_settings(
            actor=self.actor,
            repository=self.repository(kind, repo_id),
            change=services.Settings(is_archived=self.valid(bodies.Archive)["is_archived"]),
        )
        return Response(answers.RepositoryShape.of(changed))


class StorageView(RepositoryBound):
    @extend_schema(responses=answers.Storage)
    def get(self, request: Request, kind: str, repo_id: str) -> Response:
        """The size of the repository's large files, and of what is stored for them."""
        return Response(answers.Storage.of(lfs.storage_of(repository=self.repository(kind, repo_id))))


class Collaborators(RepositoryBound):
    @extend_schema(responses=list[answers.CollaboratorShape])
    def get(self, request: Request, kind: str, repo_id: str) -> Response:
        """The collaborators of the repository: users with a role besides the owner's members. Admins may see
        them.
        """
        repository = self.repository(kind, repo_id)
        policies.require_role(self.actor, repository, Role.ADMIN)
        found = selectors.collaborators(repository)
        return Response([answers.CollaboratorShape.of(collaborator) for collaborator in found])


class CollaboratorView(RepositoryBound):
    @extend_schema(request=bodies.RoleChoice, responses={204: None})
    def put(self, request: Request, kind: str, repo_id: str, user: str) -> Response:
        """Give a user a role in this repository; admins may."""
        return self._set(kind, repo_id, user, Role(self.valid(bodies.RoleChoice)["role"]))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, kind: str, repo_id: str, user: str) -> Response:
        """Take the role away; admins may."""
        return self._set(kind, repo_id, user, None)

    def _set(self, kind: str, repo_id: str, user: str, role: Role | None) -> Response:
        services.set_collaborator(
            actor=self.actor,
            repository=self.repository(kind, repo_id),
            user=accounts.get_user(user),
            role=role,
        )
        return Response(status=204)
