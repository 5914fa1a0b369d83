"""Accounts, the movements between them, and reservations: money that is promised but not yet moved.

Amounts are integers in micro-credits. A movement is one row with two ends, so an imbalance cannot be written
down; a balance is kept beside its account and audited against the rows (`checks.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# Enough for any honest balance, and far from where sums of 64 bits end.
AMOUNT_MAX_MICROS = 10**17


class Account(models.Model):
    """The money of a namespace: its balance, and how much of that is reserved (held)."""

    class Kind(models.TextChoices):
        MAIN = "main", _("main")
        BOND = "bond", _("provider bond")
        ESCROW = "escrow", _("escrow")
        FEES = "fees", _("platform fees")
        EXTERNAL = "external", _("external")

    OWNED: ClassVar[frozenset[str]] = frozenset({Kind.MAIN, Kind.BOND})
    OF_A_SHARD: ClassVar[frozenset[str]] = frozenset({Kind.ESCROW, Kind.FEES})

    kind = models.CharField(max_length=8, choices=Kind.choices)
    namespace = models.ForeignKey(
        "accounts.Namespace", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    shard = models.PositiveSmallIntegerField(null=True, blank=True)
    balance_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["namespace", "kind"], name="account_once_a_namespace"),
            models.UniqueConstraint(fields=["shard", "kind"], name="account_once_a_shard"),
            models.UniqueConstraint(
                fields=["kind"], name="account_external_once", condition=Q(kind="external")
            ),
            models.CheckConstraint(
                name="account_has_its_owner",
                condition=(
                    Q(kind__in=["main", "bond"], namespace__isnull=False, shard__isnull=True)
                    | Q(kind__in=["escrow", "fees"], namespace__isnull=True, shard__isnull=False)
                    | Q(kind="external", namespace__isnull=True, shard__isnull=True)
                ),
            ),
            models.CheckConstraint(name="account_held_not_negative", condition=Q(held_micros__gte=0)),
            models.CheckConstraint(
                name="account_available_not_negative",
                condition=Q(kind="external") | Q(balance_micros__gte=F("held_micros")),
            ),
        )

    def __str__(self) -> str:
        owner = f"shard {self.shard}" if self.namespace_id is None else f"namespace {self.namespace_id}"
        return f"{self.kind} account {self.pk} of {owner}"

    @property
    def available_micros(self) -> int:
        """The amount that can be spent or reserved now."""
        return self.balance_micros - self.held_micros


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def open(self) -> ReservationQuerySet:
        return self.filter(state=Reservation.State.OPEN)

    def overdue(self, now: datetime) -> ReservationQuerySet:
        return self.open().filter(expires_at__lte=now)


class Reservation(models.Model):
    """Money promised and not yet moved. It is drawn on while it is open, and it ends exactly once.

    An order fills in many trades, so a reservation may be drawn on many times; what is left when it ends goes
    back to what its account has available (docs/adr/0050).
    """

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("reservation", "open")
        POSTED = "posted", _("posted")
        VOIDED = "voided", _("voided")
        EXPIRED = "expired", _("expired")

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    amount_micros = models.BigIntegerField()
    drawn_micros = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    cause = models.CharField(max_length=100, unique=True, help_text="What it is for; never twice.")
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="reservation_amount_in_range",
                condition=Q(amount_micros__gt=0, amount_micros__lte=AMOUNT_MAX_MICROS),
            ),
            models.CheckConstraint(
                name="reservation_drawn_within_amount",
                condition=Q(drawn_micros__gte=0, drawn_micros__lte=F("amount_micros")),
            ),
            models.CheckConstraint(
                name="reservation_open_or_ended",
                condition=Q(state="open", ended_at__isnull=True)
                | (~Q(state="open") & Q(ended_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="reservation_posted_if_drawn",
                condition=Q(state="open")
                | Q(state="posted", drawn_micros__gt=0)
                | Q(state__in=["voided", "expired"], drawn_micros=0),
            ),
        )
        indexes = (
            models.Index(fields=["account"], name="reservation_open", condition=Q(state="open")),
            models.Index(
                fields=["expires_at"],
                name="reservation_expires",
                condition=Q(state="open", expires_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.state} reservation {self.pk} of {self.amount_micros} for {self.cause}"


class Transfer(models.Model):
    """One movement of money from one account to another. Written once; a mistake is undone by another."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", _("deposit")
        WITHDRAWAL = "withdrawal", _("withdrawal")
        BOND = "bond", _("bond")
        ESCROW = "escrow", _("lease payment")
        FEE = "fee", _("fee")
        USAGE = "usage", _("metered usage")
        REFUND = "refund", _("refund")
        FEE_REFUND = "fee_refund", _("fee refund")
        CREDIT = "credit", _("compensation for an interrupted lease")
        CANCELLATION = "cancel_fee", _("cancellation fee")
        CORRECTION = "correction", _("correction")

    # The writer holds the locks of both accounts, so the database does not check the references again (ADR
    # 0130).
    debit = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    credit = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    amount_micros = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    cause = models.CharField(max_length=100, unique=True, help_text="What it is for; never twice.")
    # No index and no constraint in the database: it is written 10,000 times a second and read by audits.
    reservation = models.ForeignKey(
        Reservation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="draws",
        db_index=False,
        db_constraint=False,
    )
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="transfer_amount_in_range",
                condition=Q(amount_micros__gt=0, amount_micros__lte=AMOUNT_MAX_MICROS),
            ),
            models.CheckConstraint(name="transfer_between_two_accounts", condition=~Q(debit=F("credit"))),
        )
        indexes = (
            models.Index(fields=["debit", "id"], name="transfer_debits"),
            models.Index(fields=["credit", "id"], name="transfer_credits"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.amount_micros} from {self.debit_id} to {self.credit_id}"


class TokenBudget(models.Model):
    """An access token that bought under a cap. Its row is locked while a purchase is compared with it."""

    token_number = models.BigIntegerField(unique=True, help_text="The access token's primary key.")

    def __str__(self) -> str:
        return f"budget of token {self.token_number}"


class TokenPurchase(models.Model):
    """A buy order that was placed with a token that buys under a cap."""

    budget = models.ForeignKey(TokenBudget, on_delete=models.PROTECT, related_name="purchases")
    order_number = models.BigIntegerField(unique=True, help_text="The buy order's primary key.")

    def __str__(self) -> str:
        return f"order {self.order_number} of token budget {self.budget_id}"


class BalanceAlert(models.Model):
    """The people of an account are notified when less than the threshold is available: once, until it is
    available again.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="+")
    threshold_micros = models.BigIntegerField()
    is_low = models.BooleanField(default=False, help_text="They were notified of the present shortage.")

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="balance_alert_threshold_in_range",
                condition=Q(threshold_micros__gt=0, threshold_micros__lte=AMOUNT_MAX_MICROS),
            ),
        )

    def __str__(self) -> str:
        return f"alert of account {self.account_id} below {self.threshold_micros}"


class AccountStream(models.Model):
    """An account whose events somebody has followed; its row is locked while events are numbered."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_number = models.BigIntegerField(default=0, help_text="The number of the account's newest event.")

    class Meta:
        constraints = (
            models.CheckConstraint(name="account_stream_counts_up", condition=Q(last_number__gte=0)),
        )

    def __str__(self) -> str:
        return f"stream of account {self.account_id}"


class AccountEvent(models.Model):
    """The changes of one transaction for an account (`account_events`), numbered when they are first read."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    number = models.BigIntegerField(null=True, help_text="Its place in the account's stream.")
    payload = models.JSONField(help_text="Lists of changes by kind: orders, fills, leases, balances.")
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "number"],
                name="account_event_number_once",
                condition=Q(number__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                fields=["account", "id"], name="account_event_unnumbered", condition=Q(number__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return f"event {self.number} of account {self.account_id}"
