from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def about(self, subject: str) -> AuditEntryQuerySet:
        return self.filter(subject=subject)

    def sealed(self) -> AuditEntryQuerySet:
        """The entries that are in the chain, in its order."""
        return self.exclude(position=None).order_by("position")

    def newest_first(self) -> AuditEntryQuerySet:
        return self.order_by("-id")


class AuditEntry(models.Model):
    """One thing that somebody did. Written in the transaction that did it, and never changed.

    Names are kept as text: the entry outlives the user and the thing it tells of.
    """

    at = models.DateTimeField(db_default=Now(), db_index=True)
    # The user's name; "system" for commands and jobs, empty without a user.
    actor = models.CharField(max_length=100, blank=True, db_index=True)
    # A fact in the past tense, such as "repository_deleted".
    action = models.CharField(max_length=60, db_index=True)
    # The subject of the fact, such as "model alice/bert" or "user alice".
    subject = models.CharField(max_length=300, db_index=True)
    details = models.JSONField(default=dict, blank=True)
    # Finds the request in the access log; empty for commands and jobs.
    request_id = models.CharField(max_length=200, blank=True)
    # The namespace that the fact concerns: its admins may read the entry. The id outlives the namespace.
    namespace_id = models.BigIntegerField(null=True, blank=True)
    # The place in the chain, and the digest of all entries up to it (docs/adr/0207). None until it is sealed.
    position = models.BigIntegerField(null=True, blank=True, unique=True)
    digest = models.CharField(max_length=64, blank=True, db_default="")

    objects: ClassVar[models.Manager[AuditEntry]] = models.Manager.from_queryset(AuditEntryQuerySet)()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        indexes = (
            models.Index(fields=["id"], name="audit_unsealed", condition=Q(position=None)),
            models.Index(fields=["namespace_id", "position"], name="audit_of_namespace"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor or '-'} {self.action} {self.subject}"


class AuditHead(models.Model):
    """The end of the chain. Its one row is locked while entries are appended."""

    position = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = "end of the audit log"

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"
