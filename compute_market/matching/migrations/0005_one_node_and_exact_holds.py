"""Buys may ask for one node or carry on a lease; a live buy holds what its open rest can cost, and no more."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

BASIS = 10_000


def release_improvements(apps: Any, schema_editor: Any) -> None:
    """What partly filled buys have held beyond that since their fills."""
    orders = apps.get_model("matching", "Order").objects.filter(
        side=1, state="partially_filled", reservation__state="open"
    )
    account = apps.get_model("ledger", "Account").objects
    for order in orders.select_related("reservation").iterator():
        notional = order.open_gpu_minutes * (order.price_micros_per_gpu_hour // 60)
        needed = notional + notional * max(order.maker_fee_bps, order.taker_fee_bps) // BASIS
        hold = order.reservation
        released = hold.amount_micros - hold.drawn_micros - needed
        if released > 0:
            hold.amount_micros -= released
            hold.save(update_fields=["amount_micros"])
            account.filter(pk=hold.account_id).update(held_micros=F("held_micros") - released)


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0003_lighter_writes"),
        ("leases", "0004_one_lease_an_order"),
        ("matching", "0004_news_found_by_topic"),
    ]
    operations = [
        migrations.AddField(
            model_name="order",
            name="extends",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The lease that this buy carries on, on the same node.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="leases.lease",
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="same_node",
            field=models.BooleanField(default=False, help_text="All fills of this buy come from one node."),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=Q(("side", 1))
                | Q(("extends__isnull", True), ("same_node", False), ("side", -1)),
                name="order_one_node_of_a_buy",
            ),
        ),
        migrations.RunPython(release_improvements, migrations.RunPython.noop),
    ]
