"""The database itself keeps the command log whole: no gap, no change, no deletion; nor a change to a trade."""

from django.db import migrations

POSTGRES = (
    """
    CREATE FUNCTION matching_command_follows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.sequence < 1 OR (NEW.sequence > 1 AND NOT EXISTS (
            SELECT 1 FROM matching_command WHERE shard_id = NEW.shard_id AND sequence = NEW.sequence - 1
        )) THEN RAISE EXCEPTION 'the command log has no gaps' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER matching_command_follows BEFORE INSERT ON matching_command
    FOR EACH ROW EXECUTE FUNCTION matching_command_follows()
    """,
    """
    CREATE FUNCTION matching_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is written once',
            ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER matching_command_kept BEFORE UPDATE OR DELETE ON matching_command
    FOR EACH ROW EXECUTE FUNCTION matching_written_once()
    """,
    """
    CREATE TRIGGER matching_trade_kept BEFORE UPDATE ON matching_trade
    FOR EACH ROW EXECUTE FUNCTION matching_written_once()
    """,
)
SQLITE = (
    """
    CREATE TRIGGER matching_command_follows BEFORE INSERT ON matching_command
    WHEN NEW.sequence < 1 OR (NEW.sequence > 1 AND NOT EXISTS (
        SELECT 1 FROM matching_command WHERE shard_id = NEW.shard_id AND sequence = NEW.sequence - 1
    ))
    BEGIN SELECT RAISE(ABORT, 'the command log has no gaps'); END
    """,
    """
    CREATE TRIGGER matching_command_unchanged BEFORE UPDATE ON matching_command
    BEGIN SELECT RAISE(ABORT, 'matching_command is written once'); END
    """,
    """
    CREATE TRIGGER matching_command_kept BEFORE DELETE ON matching_command
    BEGIN SELECT RAISE(ABORT, 'matching_command is written once'); END
    """,
    """
    CREATE TRIGGER matching_trade_kept BEFORE UPDATE ON matching_trade
    BEGIN SELECT RAISE(ABORT, 'matching_trade is written once'); END
    """,
)
UNDO_POSTGRES = (
    "DROP FUNCTION matching_command_follows() CASCADE",
    "DROP FUNCTION matching_written_once() CASCADE",
)
UNDO_SQLITE = (
    "DROP TRIGGER matching_command_follows",
    "DROP TRIGGER matching_command_unchanged",
    "DROP TRIGGER matching_command_kept",
    "DROP TRIGGER matching_trade_kept",
)


def forbid(apps, schema_editor):
    for statement in POSTGRES if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def allow(apps, schema_editor):
    for statement in UNDO_POSTGRES if schema_editor.connection.vendor == "postgresql" else UNDO_SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("matching", "0001_market")]
    operations = [migrations.RunPython(forbid, allow, elidable=False)]
