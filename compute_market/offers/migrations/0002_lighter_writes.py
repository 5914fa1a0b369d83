"""PostgreSQL keeps no second index of causes for searches by pattern: only audits make one, of all (ADR 0130)."""

from django.db import migrations

INDEX = "offers_gpuhold_cause_72128bb0_like"


def run(statement):
    def on_postgresql(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("offers", "0001_supply")]
    operations = [
        migrations.RunPython(
            run(f"DROP INDEX {INDEX}"),
            run(f"CREATE INDEX {INDEX} ON offers_gpuhold (cause varchar_pattern_ops)"),
            elidable=False,
        )
    ]
