"""Fills of one order on one node are one lease: what it costs a minute is a column, and fills join it."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q


def fill_minute_prices(apps: Any, schema_editor: Any) -> None:
    apps.get_model("leases", "Lease").objects.update(
        price_micros_per_minute=F("gpus") * (F("price_micros_per_gpu_hour") / 60)
    )


class Migration(migrations.Migration):
    dependencies = [("leases", "0003_lighter_writes"), ("offers", "0002_lighter_writes")]
    operations = [
        migrations.AddField(
            model_name="lease",
            name="joined_gpus",
            field=models.PositiveSmallIntegerField(default=0, help_text="Those of fills that joined it."),
        ),
        migrations.AddField(
            model_name="lease",
            name="order_number",
            field=models.BigIntegerField(
                blank=True,
                help_text="The buy order's primary key; none of leases older than this column.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="price_micros_per_minute",
            field=models.BigIntegerField(default=0, help_text="What a minute of all its GPUs costs, exact."),
            preserve_default=False,
        ),
        migrations.RunPython(fill_minute_prices, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="lease",
            name="price_micros_per_gpu_hour",
            field=models.BigIntegerField(help_text="Of several fills the average, rounded down."),
        ),
        migrations.AlterField(
            model_name="lease",
            name="trade_number",
            field=models.BigIntegerField(help_text="Its first trade's primary key.", unique=True),
        ),
        migrations.CreateModel(
            name="JoinedFill",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                (
                    "trade_number",
                    models.BigIntegerField(help_text="The trade's primary key.", unique=True),
                ),
                ("gpus", models.PositiveSmallIntegerField()),
                (
                    "hold",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="offers.gpuhold",
                    ),
                ),
                (
                    "lease",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="joined_fills",
                        to="leases.lease",
                    ),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=Q(("gpus__gte", 1)), name="joined_fill_of_gpus")],
            },
        ),
    ]
