"""Supply: what is traded, who supplies it, and on which machine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Mod
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

GPUS_A_NODE_MAX = 256
# Number of requests of one agent that may overtake each other: the bits of a signed 64-bit column.
NONCE_WINDOW = 62


class Shard(models.Model):
    """One queue of the market: its products are matched by one worker at a time."""

    number = models.PositiveSmallIntegerField(primary_key=True)

    def __str__(self) -> str:
        return f"shard {self.number}"


class Product(models.Model):
    """A traded product: a kind of GPU in a region, on a tier, with an interconnect."""

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("product", "open")
        HALTED = "halted", _("halted")
        CLOSED = "closed", _("closed")

    shard = models.ForeignKey(Shard, on_delete=models.PROTECT, related_name="products")
    slug = models.CharField(max_length=80, unique=True, help_text="As h100-sxm-80g.cn-east.reserved.ib")
    vendor = models.CharField(max_length=20)
    gpu = models.CharField(max_length=20)
    form = models.CharField(max_length=8)
    memory_gb = models.PositiveSmallIntegerField()
    region = models.CharField(max_length=20)
    tier = models.CharField(max_length=12)
    interconnect = models.CharField(max_length=8)
    lot = models.PositiveSmallIntegerField(default=1, help_text="GPUs are traded in multiples of this.")
    tick_micros = models.BigIntegerField(
        default=60_000, help_text="Prices are multiples of this, and this of 60."
    )
    reference_price_micros = models.BigIntegerField(
        help_text="Micro-credits per GPU-hour around which the price band lies while there is no index."
    )
    band_bps = models.PositiveIntegerField(
        default=9000, help_text="How far a limit price may lie from the index, in basis points; 0: no band."
    )
    horizon_days = models.PositiveSmallIntegerField(default=90, help_text="How far ahead windows may end.")
    gpus_max = models.PositiveIntegerField(default=1024, help_text="The largest order.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    fragments = models.JSONField(
        default=list, help_text="How devices name themselves: a list of lists of lower-case words."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["gpu", "form", "memory_gb", "region", "tier", "interconnect"], name="product_once"
            ),
            models.CheckConstraint(name="product_lot", condition=Q(lot__gte=1)),
            models.CheckConstraint(
                name="product_tick_is_whole_by_the_minute",
                condition=Q(tick_micros__gt=0)
                & Q(tick_micros__exact=F("tick_micros") - Mod(F("tick_micros"), models.Value(60))),
            ),
            models.CheckConstraint(name="product_reference_price", condition=Q(reference_price_micros__gt=0)),
        )

    def __str__(self) -> str:
        return self.slug


class CancellationTerm(models.Model):
    """Until when a product's future leases may be given back free, and what that costs afterwards (rule M17).

    A lease goes by the term that stood when it was bought, so rows are added and never changed. A product
    without one has the defaults.
    """

    FREE_HOURS = 0
    FEE_BPS = 10

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="cancellation_terms")
    free_hours = models.PositiveSmallIntegerField(
        default=FREE_HOURS, help_text="A lease is given back free until so many hours before its start."
    )
    fee_bps = models.PositiveSmallIntegerField(
        default=FEE_BPS, help_text="After that the seller gets this share of its price, in basis points."
    )
    since = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["product", "since"], name="cancellation_term_once"),
            models.CheckConstraint(name="cancellation_fee_is_a_share", condition=Q(fee_bps__lte=10_000)),
        )

    def __str__(self) -> str:
        return f"free until {self.free_hours} h before, then {self.fee_bps} bps"


class Provider(models.Model):
    """A namespace that supplies GPUs."""

    namespace = models.OneToOneField("accounts.Namespace", on_delete=models.PROTECT, related_name="+")
    allows_processes = models.BooleanField(
        default=False,
        help_text="Leases may run commands as plain processes on this provider's nodes: for trusted pools.",
    )
    relists_cancelled = models.BooleanField(
        default=False,
        help_text="Hours that a holder gives back before they begin are offered again by themselves.",
    )
    processes_for_members = models.BooleanField(
        default=False,
        help_text="Plain processes run only for those who may spend for this provider itself.",
    )
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"provider {self.pk}"


class NodeQuerySet(models.QuerySet["Node"]):
    def fresh(self, now: datetime) -> NodeQuerySet:
        """Nodes whose agent was heard lately."""
        return self.filter(last_heartbeat_at__gt=now - stale_after())

    def tradable(self, now: datetime) -> NodeQuerySet:
        """Nodes that may be offered: an accepted report, a bond if it is declared, a fresh heartbeat."""
        return self.fresh(now).filter(state=Node.State.READY, is_stale=False, lacks_bond=False)

    def gone_stale(self, now: datetime) -> NodeQuerySet:
        """Nodes that fell silent and are not marked so yet."""
        return self.filter(is_stale=False, last_heartbeat_at__lte=now - stale_after())


class Node(models.Model):
    """One machine of a provider, and the agent on it."""

    class State(models.TextChoices):
        ENROLLED = "enrolled", _("enrolled, waiting for the hardware report")
        READY = "ready", _("ready")
        SUSPENDED = "suspended", _("suspended")
        RETIRED = "retired", _("retired")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="nodes")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="nodes")
    name = models.CharField(max_length=80)
    gpus = models.PositiveSmallIntegerField()
    # The public half of the agent's key; the secret is derived from it and the hub's own key (agents.py).
    agent_key_id = models.CharField(max_length=64, unique=True)
    instance = models.CharField(max_length=64, help_text="The fingerprint of the machine that enrolled.")
    last_nonce = models.BigIntegerField(default=0, help_text="The greatest that a request has carried.")
    nonces_seen = models.BigIntegerField(
        default=(1 << NONCE_WINDOW) - 1, help_text="A bitmap: which of the numbers just below it were used."
    )
    runners = models.JSONField(default=list, help_text="What the agent says it can run work with.")
    hardware = models.CharField(
        max_length=12, blank=True, default="", help_text="The method of its last accepted hardware report."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ENROLLED)
    state_reason = models.CharField(max_length=300, blank=True)
    is_stale = models.BooleanField(default=False)
    lacks_bond = models.BooleanField(
        default=False, help_text="It is declared, and its provider's bond is too small for that."
    )
    last_heartbeat_at = models.DateTimeField(null=True, blank=True)
    enrolled_at = models.DateTimeField()

    objects = NodeQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["provider", "name"], name="node_name_once_a_provider"),
            models.CheckConstraint(
                name="node_gpus_in_range", condition=Q(gpus__gte=1, gpus__lte=GPUS_A_NODE_MAX)
            ),
        )
        indexes = (models.Index(fields=["is_stale", "last_heartbeat_at"], name="node_heard"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_declared(self) -> bool:
        """True if its hardware was declared by its provider, and never measured."""
        return self.hardware == HardwareReport.Method.DECLARED

    @property
    def is_withdrawn(self) -> bool:
        """True if the engine has an order to keep the node's offers off the book."""
        return self.state != Node.State.READY or self.is_stale or self.lacks_bond

    @property
    def withheld_reason(self) -> str:
        """The reason that it is not offered until its provider acts; empty if there is none."""
        if self.state_reason or not self.lacks_bond:
            return self.state_reason
        return "Its provider's bond is too small for declared hardware."

    def is_tradable(self, now: datetime) -> bool:
        """True if the node can be offered: it has an accepted report, a bond if it is declared, and a fresh
        heartbeat.
        """
        return (
            not self.is_withdrawn
            and self.last_heartbeat_at is not None
            and self.last_heartbeat_at > now - stale_after()
        )


class EnrolmentKey(models.Model):
    """Permission to enrol one node; used once. Only the digest of the key is kept."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="enrolment_keys")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    gpus = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    node = models.OneToOneField(Node, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="enrolment_key_used_for_a_node",
                condition=Q(used_at__isnull=True, node__isnull=True)
                | Q(used_at__isnull=False, node__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"enrolment of {self.name}"


class HardwareReport(models.Model):
    """A report of the hardware: measured by the agent, or declared by the provider."""

    class Method(models.TextChoices):
        NVML = "nvml", "NVML"
        NVIDIA_SMI = "nvidia-smi", "nvidia-smi"
        ROCM_SMI = "rocm-smi", "rocm-smi"
        NPU_SMI = "npu-smi", "npu-smi"
        CPU = "cpu", "CPU"
        DECLARED = "declared", _("declared, not measured")

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="hardware_reports")
    method = models.CharField(max_length=12, choices=Method.choices)
    devices = models.JSONField(help_text="A list of {index, model, memory_mb, driver, uuid}.")
    host = models.JSONField(default=dict, help_text="Processors, memory, system, as the agent sees them.")
    is_accepted = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["node", "-id"], name="hardware_report_newest"),)

    def __str__(self) -> str:
        return f"{self.method} report of node {self.node_id}"


class DeviceClaim(models.Model):
    """A physical device belongs to a node. Made by an accepted report, deleted when the node is retired."""

    identity = models.CharField(
        max_length=280, unique=True, help_text="Its UUID, or its place in a machine (offers/devices.py)."
    )
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="device_claims")
    claimed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.identity} of node {self.node_id}"


class Heartbeat(models.Model):
    """A minute in which a node's agent was heard: the evidence that the minute was delivered."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="heartbeats", db_index=False)
    minute = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["node", "minute"], name="heartbeat_minute_once"),)

    def __str__(self) -> str:
        return f"node {self.node_id} heard at {self.minute:%F %H:%M}"


class GpuHoldQuerySet(models.QuerySet["GpuHold"]):
    def open(self) -> GpuHoldQuerySet:
        return self.filter(released_at=None)


class GpuHold(models.Model):
    """GPUs that an open sell order holds over its window: of a node, or of a lease that is sold back.

    It counts all GPUs that the order may sell or has sold until the order is finished; after that the leases
    count.
    """

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="holds", db_index=False)
    # The lease sold back, by number, as leases live a floor above; empty when the node itself is sold.
    lease_number = models.BigIntegerField(null=True, blank=True)
    gpus = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    cause = models.CharField(max_length=100, unique=True, help_text="What it is for; never twice.")
    created_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    objects = GpuHoldQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(name="gpu_hold_window", condition=Q(ends_at__gt=F("starts_at"))),
            models.CheckConstraint(name="gpu_hold_gpus", condition=Q(gpus__gte=1)),
        )
        indexes = (
            models.Index(
                fields=["node", "ends_at"], name="gpu_hold_open", condition=Q(released_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return f"{self.gpus} GPUs of node {self.node_id} for {self.cause}"


def stale_after() -> timedelta:
    """Time since the last heartbeat after which a node is no longer tradable."""
    return timedelta(seconds=settings.MARKET_NODE_STALE_SECONDS)
