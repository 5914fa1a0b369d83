"""The database itself refuses to change a movement of money."""

from django.db import migrations

POSTGRES = (
    """
    CREATE FUNCTION ledger_transfer_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a transfer is written once'; END $$
    """,
    """
    CREATE TRIGGER ledger_transfer_written_once BEFORE UPDATE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_transfer_written_once()
    """,
)
SQLITE = (
    """
    CREATE TRIGGER ledger_transfer_written_once BEFORE UPDATE ON ledger_transfer
    BEGIN SELECT RAISE(ABORT, 'a transfer is written once'); END
    """,
)


def forbid(apps, schema_editor):
    for statement in POSTGRES if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def allow(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION ledger_transfer_written_once() CASCADE")
    else:
        schema_editor.execute("DROP TRIGGER ledger_transfer_written_once")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_ledger_opens")]
    operations = [migrations.RunPython(forbid, allow, elidable=False)]
