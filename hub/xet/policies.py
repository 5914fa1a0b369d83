"""Permissions to use files and xorbs. Knowing a hash is not a permission."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from hub.accounts.principals import Principal
from hub.repos import policies as repository_policies
from hub.repos.models import Repository
from hub.xet.models import XetFileLink, XetTerm, XorbSender


def files_readable_by(actor: Principal) -> Q:
    """Files that were brought into a repository whose content the actor may fetch."""
    return Q(Exists(_links(actor).filter(file_id=OuterRef("pk"))))


def files_readable_in(repository: Repository, actor: Principal) -> Q:
    """The same, of one repository."""
    return Q(Exists(_links(actor).filter(file_id=OuterRef("pk"), repository=repository)))


def xorbs_nameable_by(actor: Principal) -> Q:
    """Xorbs that the actor has sent, and those that hold a part of a file that the actor may read."""
    if actor.is_system:
        return Q()
    readable = Exists(
        XetTerm.objects.filter(xorb_id=OuterRef("pk"), file__in=_links(actor).values("file_id"))
    )
    if actor.user is None:
        return Q(readable)
    sent = Exists(XorbSender.objects.filter(xorb_id=OuterRef("pk"), user=actor.user))
    return Q(sent) | Q(readable)


def _links(actor: Principal) -> QuerySet[XetFileLink]:
    repositories = Repository.objects.live().filter(repository_policies.content_readable_by(actor))
    return XetFileLink.objects.filter(repository__in=repositories)


def require_upload(actor: Principal, repository: Repository) -> None:
    """May send bytes for this repository: for a commit, or for a pull request.

    Raises: Unauthenticated, RepositoryNotFound, RepositoryDenied, RepositoryArchived, RepositoryDisabled.
    """
    if not actor.is_system:
        repository_policies.require_propose(actor, repository)
