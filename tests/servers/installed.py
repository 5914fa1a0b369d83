"""The project's distributions as wheels in an environment of their own, without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.servers.remote import ROOT

# The sources of each distribution, relative to its own folder.
SOURCES = {
    ".": (
        *("bazaar", "hub", "compute_market", "foundation"),
        *("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "requirements.in"),
    ),
    "packages/testing": ("bazaar_testing", "pyproject.toml", "README.md", "LICENSE"),
    "packages/client": ("bazaar_client", "pyproject.toml", "README.md", "LICENSE"),
}


def build(distribution: str, folder: Path) -> Path:
    """The wheel of a distribution, built in `folder` from a copy of its sources.

    The source distribution is made first, and the wheel from it; it lies beside the wheel.
    """
    source, home = folder / "source" / distribution, folder / "wheels" / distribution
    source.mkdir(parents=True)
    for name in SOURCES[distribution]:
        path = ROOT / distribution / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
        else:
            shutil.copy(path, source / name)
    words = ("--no-isolation", "--outdir", str(home), str(source))
    subprocess.run([sys.executable, "-m", "build", *words], check=True, capture_output=True)
    (wheel,) = home.glob("*.whl")
    return wheel


def _requirements(wheel: Path) -> list[str]:
    """The requirements that a wheel's metadata lists."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])


def _needed(requirements: list[str], extras: frozenset[str] = frozenset({""})) -> Iterator[str]:
    """The names of the distributions that these requirements mean here, and of those that they require."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in extras):
            yield requirement.name
            wanted = frozenset(requirement.extras) | {""}
            yield from _needed(distribution(requirement.name).requires or [], wanted)


def _link(packages: Path, names: set[str]) -> None:
    """Show the tests' own copies of these distributions in another environment."""
    for name in names:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}:
            if top != "__pycache__" and not (packages / top).exists():
                (packages / top).symlink_to(str(found.locate_file(top)))


class Environment:
    """A new environment for Python with these wheels in it.

    Their dependencies are installed as well, without the network: they are other `wheels`, or borrowed.
    With `borrows` the environment sees all packages of the tests' own; with `links` only those that the
    wheels declare to need, directly or by each other.
    """

    def __init__(self, folder: Path, *wheels: Path, borrows: bool = False, links: bool = False) -> None:
        self.programs = folder / "bin"
        uv = Path(sysconfig.get_path("scripts")) / "uv"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--offline",
            "--python",
            self.programs / "python",
        ]
        (packages,) = folder.glob("lib/python*/site-packages")
        if links:
            _link(packages, {name for wheel in wheels for name in _needed(_requirements(wheel))})
            install.append("--no-deps")
        if borrows:
            (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
            install.append("--no-deps")
        subprocess.run([*install, *wheels], check=True)

    def run(self, program: str, *words: str, cwd: Path, **variables: str) -> str:
        """The output of a program of the environment, which sees no setting of the tests."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("BAZAAR_", "DJANGO_"))
        }
        # A migrated database is worth keeping from one run to the next.
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        own = {"PYTHONPATH": "", "HOME": str(cwd), "XDG_DATA_HOME": "", "XDG_CACHE_HOME": cache}
        done = subprocess.run(
            [self.programs / program, *words],
            cwd=cwd,
            env={**inherited, **own, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
