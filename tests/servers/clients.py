"""The real clients, as programs: each run gets a clean environment and a readable failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """The exit code and the output of a program."""

    code: int
    out: str
    err: str


def run(
    argv: list[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    fails: bool = False,
    input_text: str | None = None,
    timeout_seconds: float = 120,
) -> Run:
    """Run a client to its end; `fails` says which end the test expects.

    Raises AssertionError that holds everything it printed.
    """
    done = subprocess.run(
        argv,
        env=dict(env),
        cwd=cwd or env["HOME"],
        capture_output=True,
        text=True,
        input=input_text,
        timeout=timeout_seconds,
        check=False,
    )
    words = " ".join(str(part) for part in argv)
    assert bool(done.returncode) == fails, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Run(done.returncode, done.stdout, done.stderr)


def run_python(
    script: str,
    *,
    env: Mapping[str, str],
    python: Path | None = None,
    fails: bool = False,
    input_text: str | None = None,
) -> Run:
    """Run a client script under this environment's Python, or under another's."""
    argv: list[str | Path] = [python or Path(sys.executable), "-c", script]
    return run(argv, env=env, fails=fails, input_text=input_text)


def program(name: str) -> Path:
    """A console script of this environment: `hf`, `csghub-cli`, `modelscope`."""
    return Path(sysconfig.get_path("scripts")) / name


def torch_python() -> Path:
    """The Python of an environment that holds torch and transformers, which are too large to ask for.

    Skips where BAZAAR_TORCH_ENV names none.
    """
    folder = os.environ.get("BAZAAR_TORCH_ENV", "")
    python = Path(folder) / "bin" / "python"
    if not folder or not python.exists():
        pytest.skip("BAZAAR_TORCH_ENV names no environment with torch and transformers")
    return python


def old_huggingface_environment() -> Path:
    """The folder of the environment that holds huggingface_hub 0.36 (requirements-hf036.txt).

    Skips where nobody made it; `script/setup --dev` does.
    """
    folder = Path(os.environ.get("BAZAAR_HF036_ENV") or ROOT / ".venv-hf036")
    if (folder / "bin" / "python").exists():
        return folder
    if os.environ.get("CI") == "true":
        pytest.fail(f"{folder} is missing, and CI must have it")
    pytest.skip(f"{folder} is missing: script/setup --dev makes it")


def jupyter_environment() -> Path:
    """The folder of the environment that holds JupyterLab (requirements-jupyter.txt).

    Skips where nobody made it; `script/setup --dev` does.
    """
    folder = Path(os.environ.get("BAZAAR_JUPYTER_ENV") or ROOT / ".venv-jupyter")
    if (folder / "bin" / "jupyter").exists():
        return folder
    if os.environ.get("CI") == "true":
        pytest.fail(f"{folder} is missing, and CI must have it")
    pytest.skip(f"{folder} is missing: script/setup --dev makes it")


def node_client(script: str) -> list[str | Path]:
    """The command that runs a script of `tests/wire/js` with the npm packages of its package-lock.json.

    Skips where node or the packages are missing; `script/setup --dev` installs the packages.
    """
    node = shutil.which("node")
    folder = ROOT / "tests" / "wire" / "js"
    if node is not None and (folder / "node_modules" / "@huggingface" / "hub").is_dir():
        return [node, folder / script]
    what = (
        "node is missing"
        if node is None
        else f"{folder / 'node_modules'} is missing: script/setup --dev makes it"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI must have it")
    pytest.skip(what)
