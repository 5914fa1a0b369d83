"""Large objects, and which repository may use which."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now


class LfsObjectQuerySet(models.QuerySet["LfsObject"]):
    def unlinked(self) -> LfsObjectQuerySet:
        return self.filter(~Exists(LfsLink.objects.filter(object=OuterRef("pk"))))

    def untouched_since(self, moment: datetime) -> LfsObjectQuerySet:
        return self.filter(touched_at__lt=moment)


class LfsObject(models.Model):
    """Content known by its sha256, and where its bytes are.

    The bytes are one whole blob under `blob_key`, or the chunks of `xet_file`, or both while one takes
    over from the other. Each stored copy has a key of its own, so that collecting an old copy can never
    remove the bytes of a new one.
    """

    oid = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the bytes, hex.")
    size_bytes = models.BigIntegerField()
    blob_key = models.CharField(max_length=200, blank=True, help_text="Key in the blob store.")
    xet_file = models.ForeignKey(
        "xet.XetFile", on_delete=models.PROTECT, null=True, blank=True, related_name="lfs_objects"
    )
    created_at = models.DateTimeField(db_default=Now())
    verified_at = models.DateTimeField(null=True, help_text="When the bytes last hashed to the oid.")
    touched_at = models.DateTimeField(
        db_default=Now(), db_index=True, help_text="When it was last stored or linked."
    )

    objects = LfsObjectQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="lfs_object_size_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.oid[:12]} ({self.size_bytes} bytes)"

    @property
    def has_bytes(self) -> bool:
        """True if the row says where the bytes are."""
        return bool(self.blob_key) or self.xet_file_id is not None


class LfsLink(models.Model):
    """One repository may use one object.

    Made when the repository's writer has sent the bytes (`pushed_at` empty: no commit names the
    object yet), or when a commit names an object that its author may use from elsewhere.
    """

    repository = models.ForeignKey("repos.Repository", on_delete=models.CASCADE, related_name="lfs_links")
    object = models.ForeignKey(LfsObject, on_delete=models.PROTECT, related_name="links")
    created_at = models.DateTimeField(db_default=Now())
    pushed_at = models.DateTimeField(null=True, help_text="When a commit first named it.")
    proposer = models.ForeignKey(
        "accounts.User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="proposed_links",
        help_text="Who brought it without write access. It counts against them until a branch names it.",
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "object"], name="lfs_link_once"),)
        indexes = (
            models.Index(fields=["created_at"], name="lfs_link_unpushed", condition=Q(pushed_at=None)),
        )

    def __str__(self) -> str:
        return f"{self.object_id[:12]} in {self.repository_id}"


def upload_key() -> str:
    return uuid4().hex


class LfsUpload(models.Model):
    """An upload that the store receives: in parts, or whole at a URL of its own.

    The bytes are written to `staging_key` and become an object when they hash to the oid. `store_upload_id`
    is empty when the bytes come whole.
    """

    id = models.CharField(max_length=32, primary_key=True, default=upload_key)
    repository = models.ForeignKey("repos.Repository", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="lfs_uploads", null=True)
    oid = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    part_bytes = models.BigIntegerField(help_text="Size of each part but the last; 0: it comes whole.")
    store_upload_id = models.CharField(max_length=1024, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "user", "oid"], name="lfs_upload_once_a_user"),
        )

    def __str__(self) -> str:
        return f"{self.oid[:12]} to {self.repository_id}"

    @property
    def staging_key(self) -> str:
        return f"uploads/{self.pk}"

    @property
    def parts_count(self) -> int:
        return max(1, -(-self.size_bytes // self.part_bytes)) if self.part_bytes else 0

    def part_size(self, number: int) -> int:
        """The number of bytes of part `number` (from 1)."""
        if number < self.parts_count:
            return self.part_bytes
        return self.size_bytes - self.part_bytes * (self.parts_count - 1)
