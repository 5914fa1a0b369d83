"""Does a machine hold what it enrolled with? Reads an agent's report and compares it with the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute_market.offers.errors import ReportInvalid
from compute_market.offers.models import GPUS_A_NODE_MAX, HardwareReport, Node, Product

TEXT_MAX = 120
HOST_FACTS_MAX, HOST_NAME_MAX, HOST_TEXT_MAX = 40, 40, 200
# Values that tools print for devices without an identity of their own.
NO_IDENTITY = frozenset({"0", "0x0", "n/a", "none", "unknown"})
# Reported memory may differ this much from the round figure of the product, in percent.
MEMORY_TOLERANCE_PERCENT = 12


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator as the agent sees it."""

    index: int
    model: str
    memory_mb: int
    driver: str
    uuid: str
    """Empty where it has none."""

    def as_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "model": self.model,
            "memory_mb": self.memory_mb,
            "driver": self.driver,
            "uuid": self.uuid,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Device:
        """A device of a stored report; earlier releases stored what a tool prints for no identity."""
        return cls(**{**stored, "uuid": _identity(stored["uuid"])})


def read_devices(value: object) -> list[Device]:
    """The devices of a report. Raises: ReportInvalid, naming the field."""
    if not isinstance(value, list) or len(value) > GPUS_A_NODE_MAX:
        raise ReportInvalid(field="devices", reason=f"a list of at most {GPUS_A_NODE_MAX} devices is wanted")
    devices = [_device(f"devices[{index}]", item) for index, item in enumerate(value)]
    if len({device.index for device in devices}) != len(devices):
        raise ReportInvalid(field="devices", reason="an index is there twice")
    return devices


def read_host(host: Mapping[str, Any]) -> dict[str, str]:
    """The agent's description of the machine: at most 40 short, printable texts."""
    return {
        _printable(key)[:HOST_NAME_MAX]: _printable(value)[:HOST_TEXT_MAX]
        for key, value in list(host.items())[:HOST_FACTS_MAX]
    }


def verdict(node: Node, product: Product, devices: list[Device], method: str) -> str:
    """The reason to refuse the report, as one sentence; empty if there is none."""
    if len(devices) != node.gpus:
        return f"The node enrolled {node.gpus} GPUs and reports {len(devices)}."
    if method == HardwareReport.Method.DECLARED:
        names = {device.model for device in devices}
        wanted = product.slug.partition(".")[0]
        return "" if names == {wanted} else f"The node enrolled {wanted} and declares {_listed(names)}."
    for device in devices:
        if not is_model(product, device.model):
            return f"The node enrolled {product.gpu} and device {device.index} is a {device.model}."
        wanted_mb = product.memory_gb * 1024
        if abs(device.memory_mb - wanted_mb) * 100 > wanted_mb * MEMORY_TOLERANCE_PERCENT:
            return (
                f"The node enrolled {product.memory_gb} GB a GPU and device {device.index}"
                f" has {device.memory_mb // 1024} GB."
            )
    if len({device.uuid for device in devices if device.uuid}) < sum(bool(device.uuid) for device in devices):
        return "Two devices report the same identity."
    return ""


def is_model(product: Product, model: str) -> bool:
    """True if a device with this name is of the product's model."""
    name = model.lower()
    groups = product.fragments or [[product.gpu]]
    return any(all(word in name for word in group) for group in groups)


def _device(field: str, value: object) -> Device:
    if not isinstance(value, Mapping):
        raise ReportInvalid(field=field, reason="an object is wanted")
    index, memory = value.get("index"), value.get("memory_mb")
    if type(index) is not int or not 0 <= index < GPUS_A_NODE_MAX:
        raise ReportInvalid(
            field=f"{field}.index", reason=f"a number from 0 to {GPUS_A_NODE_MAX - 1} is wanted"
        )
    if type(memory) is not int or not 0 < memory < 2**31:
        raise ReportInvalid(field=f"{field}.memory_mb", reason="a whole number of megabytes is wanted")
    texts = {}
    for name in ("model", "driver", "uuid"):
        text = value.get(name, "")
        if not isinstance(text, str) or len(text) > TEXT_MAX:
            raise ReportInvalid(
                field=f"{field}.{name}", reason=f"a text of at most {TEXT_MAX} characters is wanted"
            )
        if not text.isprintable():
            raise ReportInvalid(field=f"{field}.{name}", reason="a text without control characters is wanted")
        texts[name] = text
    texts["uuid"] = _identity(texts["uuid"])
    return Device(index=index, memory_mb=memory, **texts)


def _identity(uuid: str) -> str:
    """The UUID that a device reports; empty where a tool printed a word for having none."""
    uuid = uuid.strip()
    return "" if uuid.lower() in NO_IDENTITY else uuid


def _printable(value: object) -> str:
    """Other characters are replaced: a database may not keep them, and a terminal may obey them."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in str(value)[:HOST_TEXT_MAX]
    )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
