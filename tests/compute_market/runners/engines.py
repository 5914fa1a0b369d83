"""A real podman with a storage of its own and an image of busybox, made without a registry."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from compute_market.runners.container import ContainerRunner

IMAGE = "localhost/bazaar-test:1"
PROGRAMS = ("podman", "crun", "busybox")
APPLETS = (
    "sh",
    "cat",
    "chmod",
    "cp",
    "dd",
    "echo",
    "env",
    "head",
    "httpd",
    "id",
    "ls",
    "ln",
    "mkdir",
    "nc",
    "sleep",
)
HYBRID_CGROUPS = Path("/sys/fs/cgroup/unified")
SCRIPT = """#!/bin/sh
# Called with the engine's program and its words.
shift
exec {enter} podman --storage-driver vfs --root {folder}/root --runroot {folder}/run --tmpdir {folder}/tmp \
    --cgroup-manager cgroupfs "$@"
"""


@dataclass(frozen=True)
class Podman:
    """The engine by the agent's options: path prefix and arguments."""

    prefix: str
    arguments: str = "--ulimit nofile=1024:1024 --ulimit nproc=4096:4096"

    def runner(self, *, grace_s: float = 2.0, arguments: str = "") -> ContainerRunner:
        given = f"{self.arguments} {arguments}"
        return ContainerRunner(
            "podman", devices=["none"], prefix=self.prefix, arguments=given, grace_s=grace_s
        )

    def __call__(self, *words: str) -> str:
        """The output of a command of the engine."""
        done = subprocess.run(
            [self.prefix, "podman", *words], check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self) -> list[str]:
        """All containers, also those that ended."""
        return self("ps", "--all", "--format", "{{.Names}}").split()


@contextlib.contextmanager
def shown_cgroups() -> Iterator[str]:
    """The words by which a program is run where crun understands the cgroups.

    If they are hybrid, crun wants to see those of version 1 only: in a mount namespace that all share.
    """
    if not (HYBRID_CGROUPS.is_dir() and os.geteuid() == 0):
        yield ""
        return
    script = f"umount -l {HYBRID_CGROUPS} && echo && exec sleep infinity"
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n"
        try:
            yield f"nsenter --mount=/proc/{holder.pid}/ns/mnt"
        finally:
            holder.kill()


def make_podman(folder: Path, enter: str) -> Podman:
    """Skips where this machine lacks a program; fails in CI, which must have them."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"needs {', '.join(missing)}")
    assert not missing, f"CI must have {', '.join(missing)}."
    prefix = folder / "podman-here"
    prefix.write_text(SCRIPT.format(folder=folder, enter=enter))
    prefix.chmod(0o755)
    podman = Podman(prefix=str(prefix))
    programs = folder / "image" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), programs / "busybox")
    for name in APPLETS:
        (programs / name).symlink_to("busybox")
    archive = folder / "image.tar"
    # With any umask here, a user of the image may run its programs.
    words = ["tar", "-C", str(folder / "image"), "--mode=a+rX", "-cf", str(archive), "."]
    subprocess.run(words, check=True, timeout=60)
    podman("import", str(archive), IMAGE)
    return podman
