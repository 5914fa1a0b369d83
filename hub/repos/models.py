"""The repository record: its names, state and permissions."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hub.accounts.models import Namespace, Role, User, Visibility


class Kind(models.TextChoices):
    """The kinds of repositories. `code`, `mcp` and `skill` are OpenCSG's kinds, `kernel` Hugging Face's."""

    MODEL = "model", _("model")
    DATASET = "dataset", _("dataset")
    SPACE = "space", _("space")
    CODE = "code", _("code")
    MCP = "mcp", _("MCP server")
    SKILL = "skill", _("skill")
    KERNEL = "kernel", _("kernel")


class Gating(models.TextChoices):
    """Gating of a public repository: its content is for everybody, for users who ask, or for
    accepted users.
    """

    OPEN = "", pgettext_lazy("access to files", "open")
    AUTO = "auto", _("gated, automatic approval")
    MANUAL = "manual", _("gated, manual approval")


def storage_key() -> str:
    return uuid.uuid4().hex


class RepositoryQuerySet(models.QuerySet["Repository"]):
    def live(self) -> RepositoryQuerySet:
        return self.filter(deleted_at=None)

    def with_owner(self) -> RepositoryQuerySet:
        return self.select_related("namespace")


class Repository(models.Model):
    """One git repository and its name. A deleted one keeps its row until the grace period ends."""

    kind = models.CharField(max_length=8, choices=Kind.choices)
    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="repositories")
    name = models.CharField(max_length=96)
    key = models.CharField(max_length=96, help_text="The name in lower case.")
    # `namespace/name`, kept beside its parts so that lists and searches read one table.
    full_name = models.CharField(max_length=193)
    storage = models.CharField(max_length=32, unique=True, default=storage_key)
    visibility = models.CharField(max_length=8, choices=Visibility.choices)
    gating = models.CharField(max_length=6, choices=Gating.choices, default=Gating.OPEN, blank=True)
    default_branch = models.CharField(max_length=200, default="main")
    head_sha = models.CharField(max_length=40, blank=True, help_text="Commit of the default branch.")
    # Git's files carry it, too: they are up to date if it is the same (ADR 0208).
    refs_version = models.BigIntegerField(
        default=0, db_default=0, help_text="A random number, new with each move of refs; 0: no rows yet."
    )
    # So most addresses of files need no look at the rows of refs.
    packing_until = models.DateTimeField(null=True, blank=True, help_text="A worker packs it until then.")
    has_tags_below_default = models.BooleanField(
        default=False, db_default=False, help_text="A tag main/… may be there, where main is the default."
    )
    description = models.TextField(blank=True)
    is_archived = models.BooleanField(default=False, help_text="Readable, but closed for writing.")
    is_disabled = models.BooleanField(default=False, help_text="Closed by an operator.")
    discussions_disabled = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now(), help_text="When content last changed.")
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    # Counters and scores that lists sort by; each has one writer (downloads, community, lfs jobs).
    downloads_30d = models.BigIntegerField(default=0)
    downloads_total = models.BigIntegerField(default=0)
    likes = models.IntegerField(default=0)
    trending_score = models.FloatField(default=0)
    size_bytes = models.BigIntegerField(default=0, help_text="Logical bytes of all objects it links.")

    objects = RepositoryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "repositories"
        constraints = (
            models.UniqueConstraint(
                fields=["kind", "namespace", "key"], name="repository_name_once", condition=Q(deleted_at=None)
            ),
            models.CheckConstraint(condition=Q(key=Lower("name")), name="repository_key_is_lower_name"),
        )
        indexes = (
            models.Index(fields=["kind", "-trending_score", "-id"], name="repository_by_trending"),
            models.Index(fields=["kind", "-downloads_30d", "-id"], name="repository_by_downloads"),
            models.Index(fields=["kind", "-likes", "-id"], name="repository_by_likes"),
            models.Index(fields=["kind", "-updated_at", "-id"], name="repository_by_update"),
            models.Index(fields=["kind", "-created_at", "-id"], name="repository_by_creation"),
            models.Index(fields=["kind", "gating"], name="repository_by_gating"),
        )

    def __str__(self) -> str:
        return self.full_name

    @property
    def is_private(self) -> bool:
        return self.visibility == Visibility.PRIVATE

    @property
    def is_gated(self) -> bool:
        return bool(self.gating)


class RepositoryRedirect(models.Model):
    """An id that a repository had before. It leads there and stays reserved for the namespace's admins."""

    kind = models.CharField(max_length=8, choices=Kind.choices)
    namespace_key = models.CharField(max_length=96)
    key = models.CharField(max_length=96)
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="redirects")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "namespace_key", "key"], name="repository_redirect_once"),
        )

    def __str__(self) -> str:
        return f"{self.namespace_key}/{self.key} → {self.repository_id}"


class ProposedBytes(models.Model):
    """Bytes of small files that somebody without write access put on the ref of a pull request.

    They count against that user until a branch of the repository holds them. Large files: `LfsLink.proposer`.
    """

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="proposed_bytes")
    ref = models.CharField(max_length=40, help_text="refs/pr/N")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="proposed_bytes")
    size_bytes = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "proposed bytes"
        constraints = (
            models.UniqueConstraint(fields=["repository", "ref", "user"], name="proposed_bytes_once"),
        )

    def __str__(self) -> str:
        return f"{self.size_bytes} by {self.user_id} on {self.repository_id} {self.ref}"


class Collaborator(models.Model):
    """A user's role in one repository, beside what the organization gives."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="collaborators")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="collaborations")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "user"], name="collaborator_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} on {self.repository_id}: {self.role}"


class AccessRequest(models.Model):
    """One user's wish to use a gated repository, and what became of it."""

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("access request", "pending")
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="access_requests")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_requests")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PENDING)
    fields = models.JSONField(default=dict, blank=True, help_text="What the form asked and the user said.")
    reason = models.TextField(blank=True, help_text="Why it was rejected.")
    granted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    was_granted_unasked = models.BooleanField(default=False)
    requested_at = models.DateTimeField(db_default=Now())
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "user"], name="access_request_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} on {self.repository_id}: {self.status}"


class CollectionHold(models.Model):
    """One row: the moment until which no bytes are collected. A killed backup needs no clearing up."""

    until = models.DateTimeField()

    class Meta:
        verbose_name = "hold on collections"
        verbose_name_plural = "holds on collections"

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M}"
