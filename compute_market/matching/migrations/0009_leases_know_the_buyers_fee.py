"""Leases that are there already get the fee that their holders paid; it stands in the trades."""

from typing import Any

from django.db import migrations
from django.db.models import BigIntegerField, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce


def fill_buyer_fees(apps: Any, schema_editor: Any) -> None:
    lease_model = apps.get_model("leases", "Lease")
    joined_model = apps.get_model("leases", "JoinedFill")
    trade_model = apps.get_model("matching", "Trade")
    fee_of_first = trade_model.objects.filter(pk=OuterRef("trade_number")).values("buy_fee_micros")
    lease_model.objects.update(
        buyer_fee_micros=Coalesce(Subquery(fee_of_first, output_field=BigIntegerField()), 0)
    )
    fee_of_joined = trade_model.objects.filter(pk=OuterRef("trade_number")).values("buy_fee_micros")
    joined = joined_model.objects.annotate(fee=Subquery(fee_of_joined, output_field=BigIntegerField()))
    sums = joined.order_by().values("lease").annotate(total=Sum("fee"))
    for lease_id, total in sums.values_list("lease", "total"):
        lease_model.objects.filter(pk=lease_id).update(buyer_fee_micros=F("buyer_fee_micros") + (total or 0))


class Migration(migrations.Migration):
    dependencies = [
        ("leases", "0007_fee_of_what_was_not_delivered"),
        ("matching", "0008_cancel_after"),
    ]
    operations = [migrations.RunPython(fill_buyer_fees, migrations.RunPython.noop)]
