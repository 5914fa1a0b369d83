from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

NO_IDENTITY = {"", "0", "0x0", "n/a", "none", "unknown"}


def claim_reported_devices(apps: Any, schema_editor: Any) -> None:
    """Devices of nodes that are there already are theirs; one that two nodes have is the older node's."""
    node_model = apps.get_model("offers", "Node")
    report_model = apps.get_model("offers", "HardwareReport")
    claim_model = apps.get_model("offers", "DeviceClaim")
    now = timezone.now()
    accepted = report_model.objects.filter(is_accepted=True).order_by("-pk")
    for node in node_model.objects.exclude(state="retired").order_by("pk").iterator():
        report = accepted.filter(node=node).first()
        claims = []
        for device in report.devices if report is not None and report.method != "declared" else []:
            uuid = str(device.get("uuid", "")).strip().lower()
            identity = f"uuid:{uuid}"
            if uuid in NO_IDENTITY:
                identity = f"machine:{node.instance}/{device.get('model', '')}/{device.get('index')}"
            claims.append(claim_model(identity=identity, node=node, claimed_at=now))
        claim_model.objects.bulk_create(claims, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("offers", "0003_agent_nonces")]

    operations = [
        migrations.CreateModel(
            name="DeviceClaim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("identity", models.CharField(help_text="Its UUID, or its place in a machine (offers/devices.py).", max_length=280, unique=True)),
                ("claimed_at", models.DateTimeField()),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="device_claims", to="offers.node")),
            ],
        ),
        migrations.RunPython(claim_reported_devices, migrations.RunPython.noop, elidable=True),
    ]
