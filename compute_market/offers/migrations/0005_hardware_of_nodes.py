from __future__ import annotations

from typing import Any

from django.db import migrations, models


def note_reported_hardware(apps: Any, schema_editor: Any) -> None:
    """What nodes that are there already reported last."""
    node_model = apps.get_model("offers", "Node")
    accepted = apps.get_model("offers", "HardwareReport").objects.filter(is_accepted=True).order_by("-pk")
    for pk in node_model.objects.values_list("pk", flat=True):
        method = accepted.filter(node=pk).values_list("method", flat=True).first()
        if method:
            node_model.objects.filter(pk=pk).update(hardware=method)


class Migration(migrations.Migration):
    dependencies = [("offers", "0004_device_belongs_to_one_node")]

    operations = [
        migrations.AddField(
            model_name="node",
            name="hardware",
            field=models.CharField(blank=True, default="", help_text="The method of its last accepted hardware report.", max_length=12),
        ),
        migrations.RunPython(note_reported_hardware, migrations.RunPython.noop, elidable=True),
    ]
