"""The command log of each shard: its commands, how far it has been drained, and what came of each command.

The log is the truth of its shard: the engine's books, the trades and the states of orders all follow from it
and can be rebuilt (`manage.py replay_market`).
"""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compute_market.matching.engine import commands
from compute_market.matching.models.orders import Order

KIND_CHOICES = (
    (commands.Kind.NEW.value, _("new")),
    (commands.Kind.AMEND.value, _("amend")),
    (commands.Kind.CANCEL.value, _("cancel")),
    (commands.Kind.CANCEL_ALL.value, _("cancel all")),
    (commands.Kind.EXPIRE.value, _("expire")),
    (commands.Kind.SUSPEND.value, _("suspend")),
    (commands.Kind.RESUME.value, _("resume")),
    (commands.Kind.CONFIGURE.value, _("configure")),
)


class Intake(models.Model):
    """The end of a shard's command log. Its row is locked for the moment in which numbers are given out."""

    shard = models.OneToOneField("offers.Shard", on_delete=models.PROTECT, primary_key=True, related_name="+")
    last_sequence = models.BigIntegerField(default=0, help_text="The last number given to a command.")

    class Meta:
        constraints = (models.CheckConstraint(name="intake_counts_up", condition=Q(last_sequence__gte=0)),)

    def __str__(self) -> str:
        return f"intake of shard {self.shard_id}"


class Command(models.Model):
    """One accepted request, in the words of the engine. Written once, never changed, never deleted.

    `body` holds the fields of the engine's command after its sequence.
    """

    Kind = commands.Kind

    shard = models.ForeignKey(
        "offers.Shard", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=KIND_CHOICES)
    body = models.JSONField(encoder=DjangoJSONEncoder)
    account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - only a new order has one
    fingerprint = models.CharField(max_length=32, blank=True, default="", help_text="What the request said.")
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="commands",
        db_index=False,
        db_constraint=False,
    )
    reservation = models.ForeignKey(
        "ledger.Reservation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="What an amendment holds in addition until it is decided.",
    )
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["shard", "sequence"], name="command_once_in_its_log"),
            models.UniqueConstraint(
                fields=["account", "client_order_id"],
                name="command_once_a_client_order_id",
                condition=Q(kind="new"),
            ),
        )
        indexes = (
            models.Index(fields=["order"], name="command_expires", condition=Q(kind="expire")),
            models.Index(fields=["order", "sequence"], name="command_amends", condition=Q(kind="amend")),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.shard_id}/{self.sequence}"


class Cursor(models.Model):
    """The progress of a shard: the last drained command, and the worker that holds it.

    The worker that drains holds the shard until `held_until`; another worker that takes it over raises the
    epoch, and a commit under an older epoch is refused. `event_number` is the last event the engine gave.
    """

    shard = models.OneToOneField("offers.Shard", on_delete=models.PROTECT, primary_key=True, related_name="+")
    epoch = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    event_number = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=64, blank=True, default="")
    held_until = models.DateTimeField(null=True, blank=True)
    drained_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"cursor of shard {self.shard_id} at {self.sequence}"


class NoticeCursor(models.Model):
    """The last event and the last command of a shard of which traders have been notified.

    It is not a part of `Cursor`, whose row clearing locks.
    """

    shard = models.OneToOneField("offers.Shard", on_delete=models.PROTECT, primary_key=True, related_name="+")
    event_number = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"notice cursor of shard {self.shard_id} at event {self.event_number}"


class Outcome(models.Model):
    """The outcome of a command that is no new order (the outcome of a new order is its state)."""

    shard = models.ForeignKey(
        "offers.Shard", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField(help_text="The command's.")
    accepted = models.BooleanField()
    reason = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["shard", "sequence"], name="outcome_once"),)

    def __str__(self) -> str:
        return f"outcome of {self.shard_id}/{self.sequence}"


class Snapshot(models.Model):
    """The engine's state after a command, so that a new worker need not play the whole log."""

    shard = models.ForeignKey("offers.Shard", on_delete=models.PROTECT, related_name="+", db_index=False)
    sequence = models.BigIntegerField()
    event_number = models.BigIntegerField()
    state = models.BinaryField(help_text="What engine.dump gives, compressed with zlib.")
    state_hash = models.CharField(max_length=64)
    taken_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["shard", "sequence"], name="snapshot_once"),)

    def __str__(self) -> str:
        return f"snapshot {self.shard_id}/{self.sequence}"
