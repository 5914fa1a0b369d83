"""A node that reported devices of an older node, before devices had owners, trades no more (rule M18).

`offers.0004` gave each device to the oldest node that had reported it. The other nodes are suspended until
they report devices of their own, and the command logs of their shards say so, as when a report is refused.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone

NO_IDENTITY = {"", "0", "0x0", "n/a", "none", "unknown"}


def suspend_contested_nodes(apps: Any, schema_editor: Any) -> None:
    node_model = apps.get_model("offers", "Node")
    owners = dict(apps.get_model("offers", "DeviceClaim").objects.values_list("identity", "node"))
    for node in node_model.objects.filter(state="ready").select_related("product").order_by("pk"):
        foreign = _foreign_device(apps, node, owners)
        if foreign is None:
            continue
        index, owner = foreign
        node.state = "suspended"
        node.state_reason = f"Device {index} belongs to node {owner}, which is not retired."
        node.save(update_fields=["state", "state_reason"])
        _tell_the_log(apps, node)


def _foreign_device(apps: Any, node: Any, owners: dict[str, int]) -> tuple[int, int] | None:
    """The index of the first device that another node owns, and that node."""
    accepted = apps.get_model("offers", "HardwareReport").objects.filter(node=node, is_accepted=True)
    report = accepted.exclude(method="declared").order_by("-pk").first()
    if report is None or node.hardware == "declared":
        return None
    for device in report.devices:
        uuid = str(device.get("uuid", "")).strip().lower()
        if uuid not in NO_IDENTITY and owners.get(f"uuid:{uuid}", node.pk) != node.pk:
            return device["index"], owners[f"uuid:{uuid}"]
    return None


def _tell_the_log(apps: Any, node: Any) -> None:
    intake_model = apps.get_model("matching", "Intake")
    intake_model.objects.get_or_create(shard_id=node.product.shard_id)
    intake = intake_model.objects.select_for_update().get(shard_id=node.product.shard_id)
    intake.last_sequence += 1
    intake.save(update_fields=["last_sequence"])
    apps.get_model("matching", "Command").objects.create(
        shard_id=intake.shard_id,
        sequence=intake.last_sequence,
        kind="suspend",
        body=[node.pk],
        fingerprint="",
        accepted_at=timezone.now(),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("matching", "0009_leases_know_the_buyers_fee"),
        ("offers", "0008_declared_nodes_lack_bond"),
    ]
    operations = [migrations.RunPython(suspend_contested_nodes, migrations.RunPython.noop)]
