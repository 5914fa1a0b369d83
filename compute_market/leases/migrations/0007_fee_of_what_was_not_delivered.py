"""A lease knows the fee its holder paid, what of it came back, and the price of what the holder gave up.

`matching.0009` fills in the fees of leases that are there already: they stand in the trades.
"""

from datetime import timedelta
from typing import Any

from django.db import migrations, models
from django.db.models import F

OVER_BY_THE_PROVIDER = ("provision_failed", "preempted", "lost", "reclaimed", "settled")


def note_early_ends(apps: Any, schema_editor: Any) -> None:
    """Leases that their holders ended early and that are not settled yet."""
    lease_model = apps.get_model("leases", "Lease")
    early = lease_model.objects.filter(ends_at__lt=F("agreed_end_at")).exclude(state__in=OVER_BY_THE_PROVIDER)
    for lease in early.iterator():
        minutes = (lease.agreed_end_at - lease.ends_at) // timedelta(minutes=1)
        lease_model.objects.filter(pk=lease.pk).update(given_up_micros=minutes * lease.price_micros_per_minute)


class Migration(migrations.Migration):
    dependencies = [
        ("leases", "0006_past_and_cancelled"),
        ("ledger", "0007_refund_of_a_fee"),
        ("offers", "0008_declared_nodes_lack_bond"),
    ]
    operations = [
        migrations.AddField(
            model_name="lease",
            name="buyer_fee_micros",
            field=models.BigIntegerField(
                default=0, help_text="What the holder paid the exchange for the trades."
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="fee_refunded_micros",
            field=models.BigIntegerField(
                default=0, help_text="What the exchange gave back of the holder's fee."
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="given_up_micros",
            field=models.BigIntegerField(
                default=0, help_text="The price of the minutes that the holder gave up by ending it early."
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_refunded_micros__gte", 0), ("fee_refunded_micros__lte", F("buyer_fee_micros"))
                ),
                name="lease_fee_refund_within_fee",
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.CheckConstraint(
                condition=models.Q(("given_up_micros__gte", 0), ("given_up_micros__lte", F("notional_micros"))),
                name="lease_given_up_within_notional",
            ),
        ),
        migrations.RunPython(note_early_ends, migrations.RunPython.noop),
    ]
