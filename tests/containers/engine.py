"""buildah and podman with a storage of their own, and the images that are made without a registry."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compute_market.runners.engines import shown_cgroups
from tests.servers import s3
from tests.servers.remote import ROOT

PROGRAMS = ("podman", "buildah", "crun", "mmdebstrap")
BASE = "localhost/bazaar-base:bookworm"
IMAGE = "localhost/model-bazaar:latest"
# The files of the base that no program reads; the images of Debian's makers leave them out too.
UNREAD = ("./usr/share/doc", "./usr/share/man", "./usr/share/info", "./usr/share/locale")
# Package clients in a build reach their registries by these files as those of this machine do.
CLIENTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
LIMITS = {"nofile": (resource.RLIMIT_NOFILE, 8192), "nproc": (resource.RLIMIT_NPROC, 4096)}
PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Engine:
    """The two programs with one storage. `enter` are the words that show them cgroups that crun takes."""

    folder: Path
    enter: tuple[str, ...]
    driver: str = "overlay"

    @property
    def limits(self) -> tuple[str, ...]:
        """Limits that this process may set; the engines ask for higher ones by themselves."""
        words: list[str] = []
        for name, (which, most) in LIMITS.items():
            hard = resource.getrlimit(which)[1]
            number = most if hard == resource.RLIM_INFINITY else min(hard, most)
            words += ["--ulimit", f"{name}={number}:{number}"]
        return tuple(words)

    def podman(self, *words: str) -> str:
        """The output of a command of podman. AssertionError, with all of it, if it failed."""
        return _output(self._podman(words))

    def succeeds(self, *words: str) -> bool:
        """True if the command of podman ends with status 0."""
        return self._podman(words).returncode == 0

    def log(self, container: str) -> str:
        """The last lines of both outputs of a container."""
        done = self._podman(("logs", "--tail", "60", container))
        return done.stdout + done.stderr

    def buildah(self, *words: str) -> str:
        """The output of a command of buildah. AssertionError, with all of it, if it failed."""
        return _output(self._run("buildah", [], words))

    def _podman(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        own = ["--tmpdir", f"{self.folder}/state", "--network-config-dir", f"{self.folder}/networks"]
        return self._run("podman", [*own, "--cgroup-manager", "cgroupfs"], words)

    def _run(
        self, program: str, own: Sequence[str], words: Sequence[str]
    ) -> subprocess.CompletedProcess[str]:
        stored = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        argv = [*self.enter, program, *stored, "--storage-driver", self.driver, *own, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)

    def build(self, context: Path, tag: str, **arguments: str) -> None:
        """Build the Dockerfile of a folder. Its package clients are set up as this machine's are."""
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        lent = [word for path in CLIENTS if Path(path).exists() for word in ("--volume", f"{path}:{path}:ro")]
        self.buildah(
            *("bud", "--isolation", "chroot", "--format", "docker", *self.limits),
            *(*words, *lent, "--tag", tag, str(context)),
        )


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{' '.join(done.args)}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """An engine for the block; skips where a program is missing, and fails in CI, which has them."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"needs {', '.join(missing)}")
    assert not missing, f"CI must have {', '.join(missing)}."
    # The engine refuses a folder for its state with a path of more than 50 characters.
    folder = Path(tempfile.mkdtemp(prefix="im-", dir="/tmp"))
    with shown_cgroups() as enter:
        made = Engine(folder, tuple(enter.split()))
        if not made.succeeds("info"):
            made = Engine(folder, tuple(enter.split()), driver="vfs")
        try:
            yield made
        finally:
            made.succeeds("rm", "--all", "--force", "--time", "0", "--volumes")
            # A folder in which something is still mounted is left: it may show what is not its own.
            mounted = f"{folder}/" in Path("/proc/self/mountinfo").read_text()
            assert not mounted, f"{folder} has mounts"
            shutil.rmtree(folder, ignore_errors=True)


def base_archive() -> Path:
    """A root file system of Debian with Python, from its packages: made once, then kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "model-bazaar"
    kept = cache / "base-bookworm.tar"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}.tar")
    # Packages that start services find this in an image of Debian's makers, and start none.
    policy = "printf '#!/bin/sh\\nexit 101\\n' >$1/usr/sbin/policy-rc.d && chmod 755 $1/usr/sbin/policy-rc.d"
    unread = " ".join(f'"$1"/{path}/*' for path in UNREAD)
    with tempfile.TemporaryDirectory() as scratch:
        # In namespaces of its own: what it mounts is seen by nobody else, and ends with it.
        subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("mmdebstrap", "--quiet", "--mode=root", "--format=tar", "--variant=apt"),
                "--include=python3,python3-venv,ca-certificates",
                *(
                    "--aptopt=Acquire::Languages none",
                    "--aptopt=Acquire::Retries 3",
                    "--dpkgopt=force-unsafe-io",
                ),
                *(
                    f"--customize-hook={policy}",
                    f"--customize-hook=rm -rf {unread}",
                    "bookworm",
                    str(partial),
                ),
            ],
            check=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "TMPDIR": scratch},
        )
    partial.replace(kept)
    return kept


def make_base(engine: Engine) -> None:
    engine.podman("import", str(base_archive()), BASE)


def build_image(engine: Engine) -> None:
    """The image of the bazaar, by its own Dockerfile."""
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    from bazaar import __version__

    engine.build(ROOT, IMAGE, BASE=BASE, VERSION=__version__, REVISION=revision.stdout.strip())


def build_stores(engine: Engine, tags: Sequence[str]) -> None:
    """One image with all stores and nginx, under each of the names by which docker-compose.yml has them."""
    context = engine.folder / "stores"
    shutil.copytree(Path(__file__).parent / "stores", context)
    shutil.copy(s3.find_binary(), context / "weed")
    engine.build(context, "localhost/stores:latest", BASE=BASE)
    for tag in tags:
        engine.podman("tag", "localhost/stores:latest", tag)
