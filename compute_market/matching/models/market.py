"""Public data of the market: the terms of products, trades, depth and stream events."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q

from compute_market.matching.models.orders import SIDE_CHOICES, Order


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
    """An event of one drained batch that must be published; `sequence` is the number of its last event.

    Topics and payloads are those of `news`. Events of one account are in `ledger.account_events`.
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
