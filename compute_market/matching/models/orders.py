"""Orders, and what the market remembers of an account's orders."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from compute_market import quantities
from compute_market.matching.engine import commands

SIDE_CHOICES = ((commands.Side.BUY.value, _("buy")), (commands.Side.SELL.value, _("sell")))
TIME_IN_FORCE_CHOICES = tuple((force.value, force.name) for force in commands.TimeInForce)
SELF_TRADE_CHOICES = (
    (commands.SelfTrade.CANCEL_NEWEST.value, _("cancel newest")),
    (commands.SelfTrade.CANCEL_OLDEST.value, _("cancel oldest")),
    (commands.SelfTrade.CANCEL_BOTH.value, _("cancel both")),
)


class OrderQuerySet(models.QuerySet["Order"]):
    def live(self) -> OrderQuerySet:
        """Orders that have not come to their end."""
        return self.filter(state__in=Order.LIVE)

    def overdue(self, now: datetime) -> OrderQuerySet:
        """Live orders whose time is up."""
        return self.live().filter(expires_at__lte=now)


class Order(models.Model):
    """A bid or an offer, and how much of it has traded, is open and has ended, in GPU-minutes."""

    Side, TimeInForce, SelfTrade = commands.Side, commands.TimeInForce, commands.SelfTrade

    class State(models.TextChoices):
        PENDING = "pending", pgettext_lazy("order", "pending")
        OPEN = "open", pgettext_lazy("order", "open")
        PARTIALLY_FILLED = "partially_filled", _("partially filled")
        FILLED = "filled", _("filled")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")
        REJECTED = "rejected", _("rejected")

    LIVE = (State.PENDING, State.OPEN, State.PARTIALLY_FILLED)

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    client_order_id = models.CharField(max_length=64)
    product = models.ForeignKey("offers.Product", on_delete=models.PROTECT, related_name="+", db_index=False)
    side = models.SmallIntegerField(choices=SIDE_CHOICES)
    price_micros_per_gpu_hour = models.BigIntegerField()
    gpus = models.PositiveIntegerField(help_text="What is wanted or offered now, traded or not.")
    start = models.DateTimeField()
    end = models.DateTimeField()
    node = models.ForeignKey(
        "offers.Node", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    lease = models.ForeignKey(
        "leases.Lease", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    time_in_force = models.SmallIntegerField(choices=TIME_IN_FORCE_CHOICES, default=TimeInForce.GTC.value)
    is_market = models.BooleanField(default=False)
    post_only = models.BooleanField(default=False)
    self_trade = models.SmallIntegerField(choices=SELF_TRADE_CHOICES, default=SelfTrade.CANCEL_NEWEST.value)
    same_node = models.BooleanField(default=False, help_text="All fills of this buy come from one node.")
    extends = models.ForeignKey(
        "leases.Lease",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The lease that this buy carries on, on the same node.",
    )
    expires_at = models.DateTimeField(
        help_text="Its own time, or when nothing of its window can trade any more."
    )
    maker_fee_bps = models.PositiveSmallIntegerField(default=0)
    taker_fee_bps = models.PositiveSmallIntegerField(default=0)
    reservation = models.ForeignKey(
        "ledger.Reservation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=32, blank=True, default="")
    total_gpu_minutes = models.BigIntegerField()
    filled_gpu_minutes = models.BigIntegerField(default=0)
    open_gpu_minutes = models.BigIntegerField()
    cancelled_gpu_minutes = models.BigIntegerField(default=0)
    version = models.IntegerField(default=1)
    client_note = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="A remark of the trader's own."
    )
    placed_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="order_adds_up",
                condition=Q(
                    total_gpu_minutes=F("filled_gpu_minutes")
                    + F("open_gpu_minutes")
                    + F("cancelled_gpu_minutes")
                ),
            ),
            models.CheckConstraint(
                name="order_parts_not_negative",
                condition=Q(filled_gpu_minutes__gte=0, open_gpu_minutes__gte=0, cancelled_gpu_minutes__gte=0),
            ),
            models.CheckConstraint(
                name="order_open_while_live",
                condition=Q(state__in=("pending", "open", "partially_filled"), open_gpu_minutes__gt=0)
                | Q(state__in=("filled", "cancelled", "expired", "rejected"), open_gpu_minutes=0),
            ),
            models.CheckConstraint(
                name="order_terms_positive",
                condition=Q(price_micros_per_gpu_hour__gt=0, gpus__gt=0, end__gt=F("start")),
            ),
            models.CheckConstraint(
                name="order_sell_names_its_source",
                condition=Q(side=1, node__isnull=True, lease__isnull=True) | Q(side=-1, node__isnull=False),
            ),
            models.CheckConstraint(
                name="order_one_node_of_a_buy",
                condition=Q(side=1) | Q(side=-1, same_node=False, extends__isnull=True),
            ),
        )
        indexes = (
            models.Index(
                fields=["account", "product"],
                name="order_live",
                condition=Q(state__in=("pending", "open", "partially_filled")),
            ),
            models.Index(
                fields=["expires_at"],
                name="order_expires",
                condition=Q(state__in=("pending", "open", "partially_filled")),
            ),
            models.Index(fields=["account", "-id"], name="order_of_account"),
            models.Index(
                fields=["node"],
                name="order_of_node",
                condition=Q(node__isnull=False, state__in=("pending", "open", "partially_filled")),
            ),
        )

    def __str__(self) -> str:
        return f"order {self.pk} ({self.state})"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds()) // 60

    @property
    def hold_micros(self) -> int:
        """The most that the open rest of a buy can cost: what it holds, to the micro-credit (rule M16)."""
        return quantities.hold_micros(
            gpu_minutes=self.open_gpu_minutes,
            price_micros_per_gpu_hour=self.price_micros_per_gpu_hour,
            fee_bps=max(self.maker_fee_bps, self.taker_fee_bps),
        )

    @property
    def filled_gpus(self) -> float:
        """GPUs over the whole window; a sell that sold parts of it has a fraction."""
        return self.filled_gpu_minutes / self.minutes


class RefusedOrder(models.Model):
    """An order that was refused at once: its client order id is used up for a while (rule M6).

    It has no order and no command. `fingerprint` is a digest of the request; the body is not kept.
    """

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False)
    client_order_id = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=32)
    code = models.CharField(max_length=40, help_text="Of the refusal.")
    details = models.JSONField(default=dict, help_text="What fills the refusal's message.")
    refused_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "client_order_id"], name="refused_once_an_id"),
        )

    def __str__(self) -> str:
        return f"refused order {self.client_order_id} of account {self.account_id}"


class CancelAfter(models.Model):
    """All live orders of an account end at a time, unless its trader sets a later one first."""

    account = models.OneToOneField(
        "ledger.Account", on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"orders of account {self.account_id} end at {self.at:%F %T}"
