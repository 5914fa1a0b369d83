"""The accelerators of this machine: measured by the vendors' tools if they are installed, else declared.

Standard library only (and NVML's Python module where it is installed): the agent is assembled from this.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any

PROBE_TIMEOUT_S = 30
MEGABYTE = 1024 * 1024


def probe() -> tuple[str, list[dict[str, Any]]]:
    """The tool that found the devices (`nvml`, `nvidia-smi`, `rocm-smi`, `npu-smi`) and the devices.

    Returns `("", [])` if no tool finds any.
    """
    for method, find in (
        ("nvml", _by_nvml),
        ("nvidia-smi", _by_nvidia_smi),
        ("rocm-smi", _by_rocm_smi),
        ("npu-smi", _by_npu_smi),
    ):
        with contextlib.suppress(Exception):
            devices = find()
            if devices:
                return method, devices
    return "", []


def declare(product: str, *, gpus: int) -> list[dict[str, Any]]:
    """Devices as the provider says they are, for machines whose tools we do not know: h100-sxm-80g."""
    found = re.fullmatch(r"[a-z0-9]+-[a-z0-9]+-(\d+)g", product)
    if found is None:
        raise ValueError(f"{product!r} is no device like h100-sxm-80g.")
    memory = int(found[1]) * 1024
    return [
        {"index": index, "model": product, "memory_mb": memory, "driver": "", "uuid": ""}
        for index in range(gpus)
    ]


def host() -> dict[str, str]:
    """The machine around the devices."""
    facts = {
        "system": platform.platform(),
        "hostname": socket.gethostname(),
        "processors": str(os.cpu_count() or ""),
        "python": platform.python_version(),
    }
    with contextlib.suppress(Exception):
        import psutil

        facts["memory_mb"] = str(psutil.virtual_memory().total // MEGABYTE)
    return facts


def machine_fingerprint() -> str:
    """A fingerprint of this machine: a hash that reveals nothing else about it."""
    parts = [hex(uuid.getnode()), socket.gethostname()]
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with contextlib.suppress(OSError):
            parts.append(Path(path).read_text().strip())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


def _by_nvml() -> list[dict[str, Any]]:
    import pynvml

    pynvml.nvmlInit()
    try:
        driver = _decoded(pynvml.nvmlSystemGetDriverVersion())
        devices = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            devices.append(
                {
                    "index": index,
                    "model": _decoded(pynvml.nvmlDeviceGetName(handle)),
                    "memory_mb": pynvml.nvmlDeviceGetMemoryInfo(handle).total // MEGABYTE,
                    "driver": driver,
                    "uuid": _decoded(pynvml.nvmlDeviceGetUUID(handle)),
                }
            )
        return devices
    finally:
        pynvml.nvmlShutdown()


def _by_nvidia_smi() -> list[dict[str, Any]]:
    query = "--query-gpu=index,name,memory.total,driver_version,uuid"
    return read_nvidia_smi(_output("nvidia-smi", query, "--format=csv,noheader,nounits"))


def read_nvidia_smi(output: str) -> list[dict[str, Any]]:
    """The devices in what `nvidia-smi --query-gpu=… --format=csv,noheader,nounits` prints."""
    rows = csv.reader(output.splitlines(), skipinitialspace=True)
    return [
        {"index": int(index), "model": name, "memory_mb": int(memory), "driver": driver, "uuid": identity}
        for index, name, memory, driver, identity in rows
    ]


def _by_rocm_smi() -> list[dict[str, Any]]:
    shown = ("--showproductname", "--showmeminfo", "vram", "--showuniqueid", "--showdriverversion", "--json")
    return read_rocm_smi(_output("rocm-smi", *shown))


def read_rocm_smi(output: str) -> list[dict[str, Any]]:
    """The devices in what `rocm-smi … --json` prints."""
    cards = json.loads(output)
    driver = cards.get("system", {}).get("Driver version", "")
    return [
        {
            "index": int(name.removeprefix("card")),
            "model": card.get("Card series") or card.get("Card Series") or card.get("Card model", ""),
            "memory_mb": int(card["VRAM Total Memory (B)"]) // MEGABYTE,
            "driver": driver,
            "uuid": card.get("Unique ID", ""),
        }
        for name, card in sorted(cards.items())
        if name.startswith("card")
    ]


def _by_npu_smi() -> list[dict[str, Any]]:
    return read_npu_smi(_output("npu-smi", "info"))


def read_npu_smi(output: str) -> list[dict[str, Any]]:
    """The devices in the table that `npu-smi info` prints: two lines a device, memory as `used / total`."""
    version = re.search(r"Version:\s*(\S+)", output)
    devices: list[dict[str, Any]] = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            continue
        named = re.fullmatch(r"(\d+)\s+([0-9A-Za-z_]*9\d\w*|[0-9A-Za-z_]*310\w*)", cells[0])
        if named is not None:
            devices.append(
                {
                    "index": int(named[1]),
                    "model": f"Ascend {named[2]}",
                    "memory_mb": 0,
                    "driver": version[1] if version else "",
                    "uuid": "",
                }
            )
            continue
        memory = re.findall(r"\d+\s*/\s*(\d+)", cells[2])
        if devices and memory and not devices[-1]["memory_mb"]:
            devices[-1]["memory_mb"] = int(memory[-1])
            devices[-1]["uuid"] = cells[1]
    return devices


def _output(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(program)
    done = subprocess.run(  # noqa: S603 - a vendor's tool, with our arguments
        [path, *arguments], capture_output=True, check=True, timeout=PROBE_TIMEOUT_S, text=True
    )
    return done.stdout


def _decoded(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
