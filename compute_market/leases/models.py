"""Leases: the right to run on GPUs of a node from start to end, what happened to it, and what it used."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compute_market.leases.states import LIVE, NOTICED, OVER, State

_STATES = [state.value for state in State]


class LeaseQuerySet(models.QuerySet["Lease"]):
    def live(self) -> LeaseQuerySet:
        """Promised, running or sold on."""
        return self.filter(state__in=LIVE)

    def over(self) -> LeaseQuerySet:
        """Over, and not settled yet."""
        return self.filter(state__in=OVER)

    def due_to_start(self, now: datetime) -> LeaseQuerySet:
        return self.filter(state=State.PENDING, starts_at__lte=now)

    def due_to_end(self, now: datetime) -> LeaseQuerySet:
        return self.live().filter(ends_at__lte=now)

    def due_to_meter(self, now: datetime) -> LeaseQuerySet:
        """Live leases that have begun."""
        return self.live().filter(starts_at__lt=now)


class Lease(models.Model):
    """The right to run on so many GPUs of a node from start to end, bought by one order.

    It begins with one trade; further fills of the order on that node and window, from the same seller, join
    it while it is pending (`JoinedFill`, docs/adr/0163). Its money lies in its shard's escrow account: what
    is metered goes to the seller, the rest back to the holder. An early end moves `ends_at`;
    `metered_through` says up to which minute it was metered.
    """

    trade_number = models.BigIntegerField(unique=True, help_text="Its first trade's primary key.")
    order_number = models.BigIntegerField(
        null=True, blank=True, help_text="The buy order's primary key; none of leases older than this column."
    )
    shard = models.PositiveSmallIntegerField()
    # As its sell order has them, where the database checks them; it does not do so again (ADR 0130).
    product = models.ForeignKey(
        "offers.Product", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    node = models.ForeignKey(
        "offers.Node", on_delete=models.PROTECT, related_name="leases", db_index=False, db_constraint=False
    )
    holder = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    seller = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    # The first sell order's hold. Until it is released it includes the GPUs of the first trade.
    hold = models.ForeignKey(
        "offers.GpuHold",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="leases",
        db_index=False,
        db_constraint=False,
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="resold",
        db_index=False,
        help_text="The lease whose holder sold this part of it.",
    )
    extends = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="extended_by",
        help_text="The lease whose work goes on in this one.",
    )
    gpus = models.PositiveSmallIntegerField()
    joined_gpus = models.PositiveSmallIntegerField(default=0, help_text="Those of fills that joined it.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    agreed_end_at = models.DateTimeField(help_text="The end that was traded.")
    price_micros_per_gpu_hour = models.BigIntegerField(
        help_text="Of several fills the average, rounded down."
    )
    price_micros_per_minute = models.BigIntegerField(help_text="What a minute of all its GPUs costs, exact.")
    notional_micros = models.BigIntegerField(help_text="What the holder paid in.")
    buyer_fee_micros = models.BigIntegerField(
        default=0, help_text="What the holder paid the exchange for the trades."
    )
    seller_fee_micros = models.BigIntegerField(help_text="Taken from the first that the seller earns.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=300, blank=True, default="")
    token = models.UUIDField(
        null=True, blank=True, help_text="Given to the agent; what it reports under another is stale."
    )
    metered_through = models.DateTimeField(help_text="Minutes before this one are metered.")
    delivered_minutes = models.PositiveIntegerField(default=0)
    used_micros = models.BigIntegerField(default=0, help_text="The price of the minutes delivered.")
    paid_micros = models.BigIntegerField(default=0, help_text="What has left escrow for the seller.")
    refunded_micros = models.BigIntegerField(default=0)
    fee_refunded_micros = models.BigIntegerField(
        default=0, help_text="What the exchange gave back of the holder's fee."
    )
    credited_micros = models.BigIntegerField(default=0, help_text="From the provider's bond to the holder.")
    cancel_fee_micros = models.BigIntegerField(
        default=0, help_text="From the holder, who gave it back before its start, to the seller."
    )
    given_up_micros = models.BigIntegerField(
        default=0, help_text="The price of the minutes that the holder gave up by ending it early."
    )
    opened_at = models.DateTimeField()
    provisioning_since = models.DateTimeField(null=True, blank=True)
    preempt_at = models.DateTimeField(null=True, blank=True)
    over_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = LeaseQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(name="lease_state_known", condition=Q(state__in=_STATES)),
            models.CheckConstraint(
                name="lease_window",
                condition=Q(ends_at__gte=F("starts_at"), ends_at__lte=F("agreed_end_at")),
            ),
            models.CheckConstraint(
                name="lease_terms_positive",
                condition=Q(gpus__gte=1, price_micros_per_gpu_hour__gt=0, notional_micros__gt=0),
            ),
            models.CheckConstraint(
                name="lease_money_within_notional",
                condition=Q(paid_micros__gte=0, refunded_micros__gte=0)
                & Q(used_micros__lte=F("notional_micros"), paid_micros__lte=F("used_micros"))
                & Q(refunded_micros__lte=F("notional_micros") - F("paid_micros")),
            ),
            models.CheckConstraint(
                name="lease_cancel_fee_within_notional",
                condition=Q(cancel_fee_micros__gte=0, cancel_fee_micros__lte=F("notional_micros")),
            ),
            models.CheckConstraint(
                name="lease_fee_refund_within_fee",
                condition=Q(fee_refunded_micros__gte=0, fee_refunded_micros__lte=F("buyer_fee_micros")),
            ),
            models.CheckConstraint(
                name="lease_given_up_within_notional",
                condition=Q(given_up_micros__gte=0, given_up_micros__lte=F("notional_micros")),
            ),
            models.CheckConstraint(
                name="lease_settled_to_the_last_micro",
                condition=~Q(state="settled")
                | Q(
                    notional_micros=F("paid_micros") + F("refunded_micros"),
                    paid_micros=F("used_micros"),
                    settled_at__isnull=False,
                ),
            ),
        )
        indexes = (
            models.Index(
                fields=["node", "starts_at"],
                name="lease_live_on_node",
                condition=~Q(state__in=["settled"]),
            ),
            models.Index(
                fields=["ends_at"],
                name="lease_live_by_end",
                condition=~Q(state__in=["settled"]),
            ),
            models.Index(fields=["holder", "-id"], name="lease_of_holder"),
            models.Index(fields=["seller", "-id"], name="lease_of_seller"),
            models.Index(
                fields=["node", "agreed_end_at"],
                name="lease_cut_short",
                condition=Q(ends_at__lt=F("agreed_end_at")),
            ),
            models.Index(
                fields=["node", "over_at"], name="lease_over_on_node", condition=Q(over_at__isnull=False)
            ),
            models.Index(fields=["parent"], name="lease_resold", condition=Q(parent__isnull=False)),
        )

    def __str__(self) -> str:
        return f"lease {self.pk} ({self.state})"

    @property
    def escrow_micros(self) -> int:
        """The part of its money that is still in escrow."""
        return self.notional_micros - self.paid_micros - self.refunded_micros

    @property
    def is_given_up(self) -> bool:
        """True if its holder ended it before the agreed end."""
        return self.given_up_micros > 0

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


class JoinedFill(models.Model):
    """A further trade of a lease's order that joined it: more of its GPUs, perhaps under another hold."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="joined_fills")
    trade_number = models.BigIntegerField(unique=True, help_text="The trade's primary key.")
    hold = models.ForeignKey(
        "offers.GpuHold", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    gpus = models.PositiveSmallIntegerField()

    class Meta:
        constraints = (models.CheckConstraint(name="joined_fill_of_gpus", condition=Q(gpus__gte=1)),)

    def __str__(self) -> str:
        return f"{self.gpus} GPUs of lease {self.lease_id}"


class LeaseEvent(models.Model):
    """One step in the life of a lease."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="events")
    state = models.CharField(max_length=16, choices=State.choices)
    reason = models.CharField(max_length=300, blank=True, default="")
    is_told = models.BooleanField(
        default=False, db_default=False, help_text="The holder has a notice, if there is one for the state."
    )
    at = models.DateTimeField()

    class Meta:
        constraints = (
            # No state is entered twice, so a step that is done again breaks here at the latest.
            models.UniqueConstraint(fields=["lease", "state"], name="lease_event_once"),
        )
        indexes = (
            models.Index(
                fields=["id"],
                name="lease_event_untold",
                condition=Q(is_told=False, state__in=[state.value for state in NOTICED]),
            ),
        )

    def __str__(self) -> str:
        return f"lease {self.lease_id}: {self.state}"


class Binding(models.Model):
    """One GPU of a node is a lease's, from start to end. Made when the lease's turn comes.

    Until then a lease has a number of GPUs, which always suffices and never leaves gaps (docs/adr/0051). On
    PostgreSQL an exclusion constraint forbids a GPU to be bound twice in overlapping time; on SQLite the one
    writer checks it under the node's lock.
    """

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="bindings")
    node = models.ForeignKey("offers.Node", on_delete=models.PROTECT, related_name="+", db_index=False)
    gpu = models.PositiveSmallIntegerField(help_text="The device's index on its node.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(name="binding_window", condition=Q(ends_at__gt=F("starts_at"))),
        )
        indexes = (models.Index(fields=["node", "ends_at"], name="binding_on_node"),)

    def __str__(self) -> str:
        return f"GPU {self.gpu} of node {self.node_id} for lease {self.lease_id}"


class UsageSample(models.Model):
    """One metered minute of a lease: whether its node delivered it, and what it cost."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="usage", db_index=False)
    minute = models.DateTimeField()
    is_delivered = models.BooleanField()
    amount_micros = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["lease", "minute"], name="usage_minute_once"),
            models.CheckConstraint(
                name="usage_costs_if_delivered",
                condition=Q(is_delivered=True, amount_micros__gt=0) | Q(is_delivered=False, amount_micros=0),
            ),
        )

    def __str__(self) -> str:
        return f"lease {self.lease_id} at {self.minute:%F %H:%M}"


class Work(models.Model):
    """A command that a lease's holder runs on the node."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        STOPPING = "stopping", _("stopping")
        EXITED = "exited", _("exited")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    OPEN = (State.QUEUED, State.RUNNING, State.STOPPING)

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="works")
    runner = models.CharField(max_length=12)
    image = models.CharField(max_length=300, blank=True, default="")
    command = models.JSONField(help_text="The program and its arguments, as a list.")
    environment = models.JSONField(default=dict)
    serves = models.JSONField(
        default=list,
        db_default=[],
        help_text="Ports and sockets to reach from outside, as a list.",
    )
    token = models.UUIDField(unique=True, help_text="What the agent reports about it carries this.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    exit_code = models.IntegerField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, default="")
    log_bytes = models.BigIntegerField(default=0, help_text="All that was received, kept or not.")
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["lease"],
                name="work_one_at_a_time",
                condition=Q(state__in=["queued", "running", "stopping"]),
            ),
        )

    def __str__(self) -> str:
        return f"work {self.pk} of lease {self.lease_id} ({self.state})"


class LeaseTraffic(models.Model):
    """The bytes that passed through a lease's tunnels: `in` is towards the work."""

    lease = models.OneToOneField(Lease, on_delete=models.CASCADE, related_name="traffic", primary_key=True)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    streams = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="lease_traffic_positive",
                condition=Q(bytes_in__gte=0, bytes_out__gte=0, streams__gte=0),
            ),
        )

    def __str__(self) -> str:
        return f"traffic of lease {self.lease_id}"


class LogChunk(models.Model):
    """A piece of a work's output. The oldest pieces are let go beyond a limit."""

    work = models.ForeignKey(Work, on_delete=models.CASCADE, related_name="log", db_index=False)
    offset = models.BigIntegerField(help_text="Where in the output it begins, in bytes.")
    text = models.TextField()
    size = models.PositiveIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["work", "offset"], name="log_chunk_once"),)

    def __str__(self) -> str:
        return f"output of work {self.work_id} at {self.offset}"
