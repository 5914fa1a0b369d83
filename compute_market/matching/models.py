"""The market's record: the command log, the orders it is about, and what came of them.

The log is the truth of each shard: the engine's books, the trades and the states of orders all follow from
it and can be rebuilt (`manage.py replay_market`). Times that trade are whole minutes; quantities are GPUs and
GPU-minutes; money is micro-credits.
"""

from __future__ import annotations

from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compute_market.matching import quantities
from compute_market.matching.engine import commands

SIDE_CHOICES = ((commands.Side.BUY.value, _("buy")), (commands.Side.SELL.value, _("sell")))
TIME_IN_FORCE_CHOICES = tuple((force.value, force.name) for force in commands.TimeInForce)
SELF_TRADE_CHOICES = (
    (commands.SelfTrade.CANCEL_NEWEST.value, _("cancel newest")),
    (commands.SelfTrade.CANCEL_OLDEST.value, _("cancel oldest")),
    (commands.SelfTrade.CANCEL_BOTH.value, _("cancel both")),
)
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


class Listing(models.Model):
    """A product's terms as they stand in the command log: what the engine goes by, or will shortly.

    The index is the price that trades of late say the product has; the band lies around it.
    """

    product = models.OneToOneField(
        "offers.Product", on_delete=models.PROTECT, primary_key=True, related_name="listing"
    )
    trading = models.SmallIntegerField(default=0, help_text="As engine.commands.Trading.")
    is_stopped = models.BooleanField(default=False, help_text="Halted by the kill switch or a breaker.")
    index_micros = models.BigIntegerField()
    reference_micros = models.BigIntegerField(
        null=True, help_text="The product's reference price that the index began from."
    )
    lowest_micros = models.BigIntegerField()
    highest_micros = models.BigIntegerField()
    told = models.JSONField(default=dict, help_text="The terms in the last command about it, by name.")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="listing_band",
                condition=Q(lowest_micros__gt=0, highest_micros__gte=F("lowest_micros")),
            ),
        )

    def __str__(self) -> str:
        return f"listing of product {self.product_id}"


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
        PENDING = "pending", _("pending")
        OPEN = "open", _("open")
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


class Trade(models.Model):
    """A buy met a sell: `gpus` over [start, end) at the resting order's price."""

    shard = models.ForeignKey(
        "offers.Shard", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField(help_text="The number of the engine's event.")
    product = models.ForeignKey(
        "offers.Product", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    buy = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="trades_as_buy", db_constraint=False
    )
    sell = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="trades_as_sell", db_constraint=False
    )
    buyer = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    seller = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    node = models.ForeignKey(
        "offers.Node", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    taker_side = models.SmallIntegerField(choices=SIDE_CHOICES)
    price_micros_per_gpu_hour = models.BigIntegerField()
    gpus = models.PositiveIntegerField()
    start = models.DateTimeField()
    end = models.DateTimeField()
    notional_micros = models.BigIntegerField()
    buy_fee_micros = models.BigIntegerField()
    sell_fee_micros = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["shard", "sequence"], name="trade_once_in_its_shard"),
            models.CheckConstraint(
                name="trade_terms_positive",
                condition=Q(price_micros_per_gpu_hour__gt=0, gpus__gt=0, notional_micros__gt=0),
            ),
            models.CheckConstraint(name="trade_between_two_accounts", condition=~Q(buyer=F("seller"))),
        )
        indexes = (models.Index(fields=["product", "-id"], name="trade_of_product"),)

    def __str__(self) -> str:
        return f"trade {self.shard_id}/{self.sequence}"


class Level(models.Model):
    """The depth of one side of a book at one price over one window; the rows add up to the book's depth.

    An offer that has sold parts of its window lies in several rows (`engine.profile.layers`), cut so that
    what can be had over a window is the sum of the rows that cover it.
    """

    product = models.ForeignKey(
        "offers.Product", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    side = models.SmallIntegerField(choices=SIDE_CHOICES)
    price_micros_per_gpu_hour = models.BigIntegerField()
    start = models.DateTimeField()
    end = models.DateTimeField()
    gpus = models.IntegerField()
    orders = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["product", "side", "price_micros_per_gpu_hour", "start", "end"], name="level_once"
            ),
            models.CheckConstraint(name="level_not_empty", condition=Q(gpus__gt=0, orders__gt=0)),
        )

    def __str__(self) -> str:
        return f"{self.gpus} GPUs at {self.price_micros_per_gpu_hour}"


class Outbox(models.Model):
    """News of one drained batch that must be told to the outside; `sequence` is its last event's number.

    Topics and payloads are those of `news`. What concerns one account alone is in `ledger.account_events`.
    """

    shard = models.ForeignKey(
        "offers.Shard", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField()
    topic = models.CharField(max_length=64)
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "outbox"
        constraints = (
            # The topic comes before the sequence, so that the index finds a topic's newest event and all
            # events after a number.
            models.UniqueConstraint(fields=["shard", "topic", "sequence"], name="outbox_once_a_topic"),
        )

    def __str__(self) -> str:
        return f"{self.topic} {self.shard_id}/{self.sequence}"


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


class CancelAfter(models.Model):
    """All live orders of an account end at a time, unless its trader sets a later one first."""

    account = models.OneToOneField(
        "ledger.Account", on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"orders of account {self.account_id} end at {self.at:%F %T}"
