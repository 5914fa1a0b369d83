"""PostgreSQL keeps no second index of causes for searches by pattern: only audits make one, of all (ADR 0130)."""

from django.db import migrations

from foundation.database.migration_steps import on_postgresql

INDEX = "offers_gpuhold_cause_72128bb0_like"


class Migration(migrations.Migration):
    dependencies = [("offers", "0001_supply")]
    operations = [
        on_postgresql(
            [f"DROP INDEX {INDEX}"],
            [f"CREATE INDEX {INDEX} ON offers_gpuhold (cause varchar_pattern_ops)"],
        )
    ]
