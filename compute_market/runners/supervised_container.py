"""A container under its supervisor: created, started with its output attached, watched, and removed.

The container outlives every client of its engine. The exit code is the one that the engine kept, so a client
that was killed is replaced by another, and a supervisor that was killed by another as well (`is_adopted`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from compute_market.runners.base import Ended
from compute_market.runners.supervisor import CannotStart

ENGINE_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.3
# The engine's own failure: no such image, no such device.
ENGINE_FAILED = 125
GOES_ON = frozenset({"running", "stopping", "paused", "restarting"})


class ContainerCommand:
    """See the module. `engine` is the program with its prefix and options, `create` the words after it."""

    def __init__(
        self,
        *,
        folder: Path,
        engine: Sequence[str],
        name: str,
        create: Sequence[str],
        grace_s: float,
        is_adopted: bool,
    ) -> None:
        self.folder = folder
        self.engine = list(engine)
        self.name = name
        self.create = list(create)
        self.grace_s = grace_s
        self.is_adopted = is_adopted
        self.output = -1
        self._client: subprocess.Popen[bytes] | None = None
        self._stopper: subprocess.Popen[bytes] | None = None
        self._is_created = is_adopted
        self._has_begun = False
        self._looked_at = 0.0
        self._ended: Ended | None = None

    def start(self, output: int) -> None:
        # Clients come and go; the write end stays open for the next one.
        self.output = os.dup(output)
        if self.is_adopted:
            if self._state() is None:
                raise CannotStart("its container is gone")
            self._attach()
            return
        # If an agent died, the last container of that name may still exist.
        self._tell("kill", self.name)
        self._tell("rm", "--force", self.name)
        # Standard output is the container's id; what concerns the image and its holder goes to the other.
        self._client = self._spawn(self.create, stdout=subprocess.DEVNULL)

    def has_begun(self) -> bool:
        if self._is_created and not self._has_begun and time.monotonic() >= self._looked_at + LOOK_EVERY_S:
            state = self._state()
            self._looked_at = time.monotonic()
            self._has_begun = state is not None and (state[0] in GOES_ON or state[0] in {"exited", "stopped"})
        return self._has_begun

    def poll(self) -> Ended | None:
        if self._ended is None and self._client is not None and (code := self._client.poll()) is not None:
            self._client = None
            if not self._is_created:
                self._after_create(code)
            else:
                self._after_attach(code)
        return self._ended

    def terminate(self) -> None:
        if not self._is_created:
            self._end_clients()
            return
        seconds = str(max(1, int(self.grace_s)))
        self._stopper = self._spawn(["stop", "-t", seconds, self.name], stdout=subprocess.DEVNULL)

    def end(self) -> None:
        self._end_clients()
        # Removal alone would first wait for the container to obey.
        self._tell("kill", self.name)
        self._tell("rm", "--force", self.name)
        self._take_files_back()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1
        if self._ended is None:
            self._ended = Ended(-9)

    def _take_files_back(self) -> None:
        """Make what the image's users wrote the agent's, who removes it: root needs no help for that."""
        if self.engine[-1] == "podman" and os.geteuid() != 0:
            self._tell("unshare", "chown", "-hR", "0:0", str(self.folder / "work"))

    def _after_create(self, code: int) -> None:
        if code == 0:
            self._is_created = True
            self._attach()
        else:
            self._ended = Ended(code if code > 0 else ENGINE_FAILED)

    def _after_attach(self, code: int) -> None:
        state = self._state()
        if state is None:
            self._ended = Ended(code)
        elif state[0] in GOES_ON:
            # Only the client ended.
            self._attach()
        else:
            # A container that never began has no exit code; that of the client is used (126, 127).
            self._has_begun = self._has_begun or state[0] in {"exited", "stopped"}
            kept = int(state[1]) if state[0] in {"exited", "stopped"} else 0
            self._ended = Ended(kept or code, "out of memory" if state[2] == "true" else "")

    def _attach(self) -> None:
        self._client = self._spawn(["start", "--attach", self.name], stdout=self.output)

    def _state(self) -> tuple[str, str, str] | None:
        """The container's state, exit code and whether it ran out of memory; None if there is none."""
        shown = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            done = subprocess.run(  # noqa: S603
                [*self.engine, "inspect", "--type", "container", "--format", shown, self.name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=ENGINE_TIMEOUT_S,
                text=True,
            )
            status, code, oom = done.stdout.split()
            return status, code, oom
        return None

    def _spawn(self, words: Sequence[str], *, stdout: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - running the holder's command is the purpose
            [*self.engine, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.output
        )

    def _tell(self, *words: str) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603
                [*self.engine, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=ENGINE_TIMEOUT_S,
            )

    def _end_clients(self) -> None:
        for client in (self._client, self._stopper):
            if client is not None:
                client.kill()
                client.wait()
        if self._client is not None and not self._is_created:
            self._ended = Ended(-9)
        self._stopper = None
