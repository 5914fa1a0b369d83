"""Options that give a container some of a machine's accelerators and no others, for each vendor.

NVIDIA: by the Container Device Interface in podman, by its own option in docker. AMD and Hygon: the compute
interface, which all GPUs share, and the render node of each. Ascend: the device of each, the managers that
all share, and the driver's files. Others: by the provider's option `--container-device`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from compute_market.runners.base import RunnerError

DEV, DRM = Path("/dev"), Path("/sys/class/drm")
ASCEND_SHARED = ("davinci_manager", "devmm_svm", "hisi_hdc")
ASCEND_DRIVER = "/usr/local/Ascend/driver"
# AMD, and Hygon, whose driver is the same.
RENDER_VENDORS = frozenset({"0x1002", "0x1d94"})
NO_DEVICES = "none"


def vendor_of(dev: Path) -> str:
    """The vendor of the machine's device files: `nvidia`, `amd`, `ascend`, or empty."""
    for name, vendor in (("nvidiactl", "nvidia"), ("kfd", "amd"), ("davinci_manager", "ascend")):
        if (dev / name).exists():
            return vendor
    return ""


def gpu_flags(
    program: str, gpus: Sequence[int], *, templates: Sequence[str] = (), dev: Path = DEV, drm: Path = DRM
) -> list[str]:
    """The options that give a container these GPUs. `templates` are devices as the provider names them:
    `/dev/cambricon_dev{gpu}` once for each GPU, `/dev/cambricon_ctl` once, `none` for no device at all.

    Raises: RunnerError when the machine shows nothing that can be given.
    """
    if templates:
        return _as_told(gpus, templates)
    vendor = vendor_of(dev)
    if vendor == "nvidia":
        if program == "docker":
            return ["--gpus", f'"device={",".join(map(str, gpus))}"']
        return _devices(f"nvidia.com/gpu={gpu}" for gpu in gpus)
    if vendor == "amd":
        return _amd(program, gpus, dev=dev, drm=drm)
    if vendor == "ascend":
        named = [*(f"davinci{gpu}" for gpu in gpus), *(n for n in ASCEND_SHARED if (dev / n).exists())]
        return [
            *_devices(str(dev / name) for name in named),
            *("--volume", f"{ASCEND_DRIVER}:{ASCEND_DRIVER}:ro"),
        ]
    raise RunnerError("This machine shows no devices that a container can be given (--container-device).")


def _amd(program: str, gpus: Sequence[int], *, dev: Path, drm: Path) -> list[str]:
    """Other graphics cards are numbered among the render nodes; a GPU's index counts its vendor's only."""
    nodes = sorted(
        (path for path in drm.glob("renderD*") if _vendor_number(path) in RENDER_VENDORS),
        key=lambda path: int(path.name.removeprefix("renderD")),
    )
    if gpus and max(gpus) >= len(nodes):
        raise RunnerError("This machine has fewer render nodes than GPUs.")
    shared = [str(dev / name) for name in ("kfd", "mkfd") if (dev / name).exists()]
    flags = _devices([*shared, *(str(dev / "dri" / nodes[gpu].name) for gpu in gpus)])
    # Without root, the device files belong to groups that only the agent's user is in.
    return [*flags, "--group-add", "keep-groups"] if program == "podman" else flags


def _vendor_number(node: Path) -> str:
    try:
        return (node / "device" / "vendor").read_text().strip()
    except OSError:
        return ""


def _as_told(gpus: Sequence[int], templates: Sequence[str]) -> list[str]:
    named: list[str] = []
    for template in templates:
        if template != NO_DEVICES:
            each = [template.replace("{gpu}", str(gpu)) for gpu in gpus]
            named += each if "{gpu}" in template else [template]
    return _devices(named)


def _devices(names: Iterable[str]) -> list[str]:
    return [part for name in names for part in ("--device", name)]
