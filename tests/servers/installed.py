"""The project's distributions as wheels in an environment of their own, without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.servers.remote import ROOT

# The sources of each distribution, relative to its own folder.
SOURCES = {
    ".": (
        *("bazaar", "hub", "compute_market", "foundation"),
        *("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.in"),
    ),
    "packages/testing": ("bazaar_testing", "pyproject.toml", "README.md", "LICENSE"),
    "packages/client": ("bazaar_client", "pyproject.toml", "README.md", "LICENSE"),
}


def build(distribution: str, folder: Path) -> Path:
    """The wheel of a distribution, built in `folder` from a copy of its sources."""
    source, home = folder / "source" / distribution, folder / "wheels" / distribution
    source.mkdir(parents=True)
    for name in SOURCES[distribution]:
        path = ROOT / distribution / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
        else:
            shutil.copy(path, source / name)
    words = ("--wheel", "--no-isolation", "--outdir", str(home), str(source))
    subprocess.run([sys.executable, "-m", "build", *words], check=True, capture_output=True)
    (wheel,) = home.glob("*.whl")
    return wheel


class Environment:
    """A new environment for Python with these wheels in it.

    Their dependencies are installed as well, without the network: they are other `wheels`, or borrowed.
    With `borrows` the environment sees all packages of the tests' own.
    """

    def __init__(self, folder: Path, *wheels: Path, borrows: bool = False) -> None:
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
        if borrows:
            (packages,) = folder.glob("lib/python*/site-packages")
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
