"""Tables of the Xet store: xorbs and their chunks, files and their terms, and the users who brought them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from hub.xet.codec.xorbs import Layout


class XorbQuerySet(models.QuerySet["Xorb"]):
    def usable(self) -> XorbQuerySet:
        """Those whose bytes are there and right; quarantined ones still are."""
        return self.filter(state__in=(Xorb.State.LIVE, Xorb.State.QUARANTINED))

    def unreferenced(self) -> XorbQuerySet:
        """Those of which no file has a term."""
        return self.filter(~models.Exists(XetTerm.objects.filter(xorb_id=models.OuterRef("pk"))))

    def without_tables(self) -> XorbQuerySet:
        """Leave out the chunk tables, about 40 KB a row."""
        return self.defer("chunk_hashes", "stored_ends", "raw_ends")


class Xorb(models.Model):
    """One stored xorb, known by the hash over its chunks. Its bytes are in the blob store at `key`."""

    class State(models.TextChoices):
        LIVE = "live", _("live")
        QUARANTINED = "quarantined", _("unused, to be deleted")
        DAMAGED = "damaged", _("damaged")
        DELETING = "deleting", _("being deleted")

    hash = models.CharField(max_length=64, primary_key=True)
    stored_bytes = models.IntegerField()
    raw_bytes = models.IntegerField()
    chunk_count = models.IntegerField()
    chunk_hashes = models.BinaryField(help_text="32 bytes a chunk.")
    stored_ends = models.BinaryField(help_text="Offset behind each chunk as stored, little-endian u32.")
    raw_ends = models.BinaryField(help_text="Offset behind each chunk uncompressed, little-endian u32.")
    state = models.CharField(max_length=11, choices=State.choices, default=State.LIVE)
    state_since = models.DateTimeField()
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="When a client last sent, named or was told of it.")
    verified_at = models.DateTimeField(help_text="When all its bytes were last read and found right.")

    objects = XorbQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["state", "last_seen_at"], name="xorb_by_state"),
            models.Index(fields=["verified_at"], name="xorb_by_verification"),
        )

    def __str__(self) -> str:
        return self.hash

    @property
    def key(self) -> str:
        return xorb_key(self.hash)

    @property
    def layout(self) -> Layout:
        """The offsets of its chunks. PostgreSQL's driver returns memoryviews, hence the copies."""
        return Layout.unpack(
            hashes=bytes(self.chunk_hashes),
            stored_ends=bytes(self.stored_ends),
            raw_ends=bytes(self.raw_ends),
        )


def xorb_key(name: str) -> str:
    """The key of a xorb's bytes in the blob store."""
    return f"xorbs/{name[:2]}/{name[2:4]}/{name}"


class XorbSender(models.Model):
    """A user who has uploaded the whole of a xorb, and may therefore refer to it in shards."""

    xorb = models.ForeignKey(Xorb, on_delete=models.CASCADE, related_name="senders")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["xorb", "user"], name="xorb_sender_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} sent {self.xorb_id}"


class Shard(models.Model):
    """One accepted announcement of files. Its bytes are kept in the blob store at `key`."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of its bytes.")
    stored_bytes = models.IntegerField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest

    @property
    def key(self) -> str:
        return f"shards/{self.digest[:2]}/{self.digest[2:4]}/{self.digest}"


class XetFile(models.Model):
    """One file that consists of runs of chunks; its SHA-256 was computed from the stored bytes."""

    hash = models.CharField(max_length=64, unique=True)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    shard = models.ForeignKey(Shard, on_delete=models.SET_NULL, null=True, related_name="files")
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="When a shard last announced it.")

    def __str__(self) -> str:
        return self.hash


class XetTerm(models.Model):
    """A run of chunks of one xorb that makes up the bytes of a file from `start_byte` on."""

    file = models.ForeignKey(XetFile, on_delete=models.CASCADE, related_name="terms")
    start_byte = models.BigIntegerField(help_text="Where in the file it begins.")
    raw_bytes = models.IntegerField()
    xorb = models.ForeignKey(Xorb, on_delete=models.PROTECT, related_name="terms")
    first_chunk = models.IntegerField()
    end_chunk = models.IntegerField(help_text="Exclusive.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["file", "start_byte"], name="xet_term_once"),
            models.CheckConstraint(
                condition=Q(first_chunk__gte=0, end_chunk__gt=F("first_chunk"), raw_bytes__gt=0),
                name="xet_term_is_not_empty",
            ),
        )

    def __str__(self) -> str:
        return f"{self.file_id}@{self.start_byte}: {self.xorb_id}[{self.first_chunk}:{self.end_chunk}]"


class XetFileLink(models.Model):
    """A repository into which a file was brought: users who may read the repository may use the file."""

    file = models.ForeignKey(XetFile, on_delete=models.CASCADE, related_name="links")
    repository = models.ForeignKey("repos.Repository", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["file", "repository"], name="xet_file_link_once"),)

    def __str__(self) -> str:
        return f"{self.file_id} in {self.repository_id}"


class ChunkEntry(models.Model):
    """One of the few chunks by which clients ask for what is there already: where it can be found."""

    chunk = models.CharField(max_length=64)
    xorb = models.ForeignKey(Xorb, on_delete=models.CASCADE, related_name="entries")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["chunk", "xorb"], name="chunk_entry_once"),)

    def __str__(self) -> str:
        return f"{self.chunk} in {self.xorb_id}"


class StoreGeneration(models.Model):
    """A number in the address of the store, in one row.

    Clients remember by address what they sent. Raising the number makes them forget, which is needed
    after a restore or a forced collection.
    """

    number = models.IntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)
