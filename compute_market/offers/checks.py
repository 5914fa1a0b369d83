"""Invariants of supply. They are checked after every market test and by `manage.py audit_market`."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import OuterRef, Subquery

from compute_market.offers import bonds, devices
from compute_market.offers.hardware import Device
from compute_market.offers.models import DeviceClaim, HardwareReport, Node


def audit() -> list[str]:
    """Every broken rule as one sentence; an empty list means that supply is right."""
    return [
        *_devices_of_ready_nodes_are_theirs(),
        *_retired_nodes_have_no_devices(),
        *_nodes_trade_as_bonds_allow(),
    ]


def _devices_of_ready_nodes_are_theirs() -> Iterator[str]:
    """Each device of a ready node's newest accepted report is claimed by that node, so by no other."""
    owner = dict(DeviceClaim.objects.values_list("identity", "node"))
    newest = HardwareReport.objects.filter(node=OuterRef("node"), is_accepted=True).order_by("-pk")
    reports = HardwareReport.objects.filter(
        node__state=Node.State.READY, pk=Subquery(newest.values("pk")[:1])
    ).select_related("node")
    for report in reports.order_by("node"):
        found = [Device.from_json(device) for device in report.devices]
        known = devices.identities(found, instance=report.node.instance, method=report.method)
        for name, device in known.items():
            if owner.get(name) != report.node_id:
                yield (
                    f"Device {device.index} of node {report.node_id} ({name})"
                    f" belongs to node {owner.get(name)}."
                )


def _retired_nodes_have_no_devices() -> Iterator[str]:
    for claim in DeviceClaim.objects.filter(node__state=Node.State.RETIRED).order_by("pk"):
        yield f"The retired node {claim.node_id} still has {claim.identity}."


def _nodes_trade_as_bonds_allow() -> Iterator[str]:
    """Declared nodes lack a bond if their provider's is too small, and other nodes never do (rule M18)."""
    for provider_id in bonds.misjudged():
        yield f"Declared nodes of provider {provider_id} do not trade as its bond allows."
    measured = Node.objects.filter(lacks_bond=True).exclude(hardware=HardwareReport.Method.DECLARED)
    for pk in measured.exclude(state=Node.State.RETIRED).order_by("pk").values_list("pk", flat=True):
        yield f"Node {pk} is not declared and is said to lack a bond."
