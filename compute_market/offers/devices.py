"""The assignment of physical devices to nodes: a device belongs to one node that is not retired (rule M18).

A declared device has no identity, because nothing has measured it; a bond covers it instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from compute_market.offers.hardware import Device
from compute_market.offers.models import DeviceClaim, HardwareReport, Node


def identities(devices: Iterable[Device], *, instance: str, method: str) -> dict[str, Device]:
    """The devices of a report, by the key that identifies each across all nodes.

    A measured device is identified by its UUID, or, without one, by the fingerprint of the machine, the model
    and the index. A declared device has no key.
    """
    if method == HardwareReport.Method.DECLARED:
        return {}
    return {
        f"uuid:{device.uuid.lower()}"
        if device.uuid
        else f"machine:{instance}/{device.model}/{device.index}": device
        for device in devices
    }


def claim(node: Node, devices: Sequence[Device], *, method: str, now: datetime) -> str:
    """Note that these devices, and no others, are the node's. Gives why not, as one sentence; empty if so.

    The caller holds the node's lock. If another node has one of the devices, nothing changes.
    """
    wanted = identities(devices, instance=node.instance, method=method)
    mine = set(DeviceClaim.objects.filter(node=node).values_list("identity", flat=True))
    # In one order for everybody, and before anything is let go, so that no two reports wait for each other.
    new = sorted(wanted.keys() - mine)
    DeviceClaim.objects.bulk_create(
        [DeviceClaim(identity=name, node=node, claimed_at=now) for name in new], ignore_conflicts=True
    )
    elsewhere = (
        DeviceClaim.objects.filter(identity__in=new)
        .exclude(node=node)
        .select_related("node__provider__namespace")
        .order_by("identity")
        .first()
    )
    if elsewhere is not None:
        DeviceClaim.objects.filter(node=node, identity__in=new).delete()
        other = elsewhere.node
        return (
            f"Device {wanted[elsewhere.identity].index} belongs to node {other.pk}"
            f" of {other.provider.namespace.name}, which is not retired."
        )
    DeviceClaim.objects.filter(node=node, identity__in=mine - wanted.keys()).delete()
    return ""


def let_go(node: Node) -> None:
    """A retired node has no devices: another may report them."""
    DeviceClaim.objects.filter(node=node).delete()
