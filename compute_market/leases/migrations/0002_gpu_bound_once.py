"""PostgreSQL itself forbids binding a GPU twice in overlapping time.

Both sides are ranges, so the built-in range operators suffice and no extension has to be installed.
"""

from django.db import migrations

ADD = """
    ALTER TABLE leases_binding ADD CONSTRAINT binding_gpu_once EXCLUDE USING gist (
        int8range(node_id * 256 + gpu, node_id * 256 + gpu, '[]') WITH &&,
        tstzrange(starts_at, ends_at) WITH &&
    )
"""
DROP = "ALTER TABLE leases_binding DROP CONSTRAINT binding_gpu_once"


def forbid(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ADD)


def allow(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("leases", "0001_leases")]
    operations = [migrations.RunPython(forbid, allow, elidable=False)]
