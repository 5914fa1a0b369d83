#!/usr/bin/env python3
"""Behaves like podman (or, called docker, like docker) on the ways that the agent goes.

It has no images and isolates nothing. As with a real engine, a container outlives the client that runs it,
ends by a signal only if its program handles that, keeps its name until it is gone, and reports 125 for its
own failures, 127 for programs that are not there, 128 and the signal's number for a killed one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ME = Path(sys.argv[0]).name
STATE = Path(os.environ["FAKE_ENGINE_STATE"])
WITH_VALUE = {
    *("--name", "--cap-drop", "--security-opt", "--pids-limit", "--shm-size", "--volume", "--workdir"),
    *("--memory", "--device", "--gpus", "--group-add", "--env"),
}


def fail(text: str, code: int = 125) -> int:
    sys.stderr.write(f"Error: {text}\n")
    return code


def run(words: list[str]) -> int:
    options: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        name = words.pop(0)
        if name == "--rm":
            continue
        if name not in WITH_VALUE:
            return fail(f"unknown flag: {name}")
        options.setdefault(name, []).append(words.pop(0))
    image, *command = words
    (name,) = options["--name"]
    file = STATE / f"{name}.json"
    if file.exists():
        return fail(f"the container name {name!r} is already in use")
    if image.startswith("absent/"):
        return fail(f"initializing source docker://{image}: manifest unknown")
    if image.startswith("slow/"):
        time.sleep(60)
    (volume,) = options["--volume"]
    environment = dict(pair.split("=", 1) for pair in options.get("--env", []))
    try:
        process = subprocess.Popen(
            command,
            cwd=volume.split(":")[0],
            env={"PATH": "/usr/bin:/bin", **environment},
            start_new_session=True,
            # The first process of a container is not ended by signals that it does not handle.
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),  # noqa: PLW1509 - one thread
        )
    except FileNotFoundError:
        return fail(f"crun: executable file `{command[0]}` not found in $PATH", 127)
    file.write_text(json.dumps({"pid": process.pid, "options": options, "image": image}))
    code = process.wait()
    file.unlink(missing_ok=True)
    return 128 - code if code < 0 else code


def end(name: str, grace_s: float) -> None:
    file = STATE / f"{name}.json"
    pid = json.loads(file.read_text())["pid"]
    deadline = time.monotonic() + grace_s
    try:
        os.killpg(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(pid, 0)
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    file.unlink(missing_ok=True)


def main(words: list[str]) -> int:
    verb, *words = words
    if verb == "info":
        return fail("cannot connect to the service") if (STATE / "broken").exists() else 0
    if verb == "run":
        return run(words)
    if verb == "stop" and words[0] == "-t":
        if not (STATE / f"{words[2]}.json").exists():
            return fail(f"no container with name or ID {words[2]!r} found")
        end(words[2], float(words[1]))
        return 0
    if verb == "rm" and words[0] == "--force":
        if not (STATE / f"{words[1]}.json").exists():
            return fail(f"No such container: {words[1]}", 1) if ME == "docker" else 0
        end(words[1], 0)
        return 0
    return fail(f"unrecognized command `{ME} {verb}`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
