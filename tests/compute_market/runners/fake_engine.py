#!/usr/bin/env python3
"""Behaves like docker on the ways that the agent goes. It has no images and isolates nothing.

As with a real engine, a container outlives the clients that start and attach, ends by a signal only if its
program handles that, keeps its name and its exit code until it is removed, and reports 125 for the engine's
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
from typing import Any

STATE = Path(os.environ["FAKE_ENGINE_STATE"])
WITH_VALUE = {
    *("--name", "--cap-drop", "--security-opt", "--pids-limit", "--shm-size", "--volume", "--workdir"),
    *("--memory", "--device", "--gpus", "--group-add", "--env", "--log-driver", "--publish"),
}


def fail(text: str, code: int = 125) -> int:
    sys.stderr.write(f"Error: {text}\n")
    return code


def file_of(name: str) -> Path:
    return STATE / f"{name}.json"


def change(name: str, **facts: Any) -> None:
    known = json.loads(file_of(name).read_text()) if file_of(name).exists() else {}
    draft = STATE / f"{name}.{os.getpid()}.draft"
    draft.write_text(json.dumps(known | facts))
    draft.replace(file_of(name))


def create(words: list[str]) -> int:
    options: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        name = words.pop(0)
        if name not in WITH_VALUE:
            return fail(f"unknown flag: {name}")
        options.setdefault(name, []).append(words.pop(0))
    image, *command = words
    (name,) = options["--name"]
    if file_of(name).exists():
        return fail(f"the container name {name!r} is already in use")
    if image.startswith("absent/"):
        return fail(f"initializing source docker://{image}: manifest unknown")
    if image.startswith("slow/"):
        time.sleep(60)
    change(name, status="created", code=0, options=options, image=image, command=command)
    sys.stdout.write("0123456789ab\n")
    return 0


def start(name: str) -> int:
    """The container is a process apart from this client, which passes its output on."""
    known = json.loads(file_of(name).read_text())
    if known["status"] == "created":
        monitor = os.fork()
        if monitor == 0:
            os.setsid()
            os._exit(watch(name, known))
        os.waitpid(monitor, os.WNOHANG)
    while (known := json.loads(file_of(name).read_text()))["status"] in {"created", "running"}:
        time.sleep(0.02)
    return int(known["code"])


def watch(name: str, known: dict[str, Any]) -> int:
    environment = dict(pair.split("=", 1) for pair in known["options"].get("--env", []))
    try:
        process = subprocess.Popen(
            known["command"],
            cwd=known["options"]["--volume"][0].split(":")[0],
            env={"PATH": "/usr/bin:/bin", **environment},
            start_new_session=True,
            # The first process of a container is not ended by signals that it does not handle.
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),  # noqa: PLW1509 - one thread
        )
    except FileNotFoundError:
        sys.stderr.write(f"runc: exec: {known['command'][0]!r}: executable file not found in $PATH\n")
        change(name, status="created", code=127)
        change(name, status="exited", code=127)
        return 0
    change(name, status="running", pid=process.pid)
    code = process.wait()
    if file_of(name).exists():
        change(name, status="exited", code=128 - code if code < 0 else code)
    return 0


def end(name: str, grace_s: float) -> None:
    known = json.loads(file_of(name).read_text())
    if known["status"] != "running":
        return
    deadline = time.monotonic() + grace_s
    try:
        os.killpg(known["pid"], signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(known["pid"], 0)
            time.sleep(0.02)
        os.killpg(known["pid"], signal.SIGKILL)
    except ProcessLookupError:
        pass


def main(words: list[str]) -> int:
    verb, *words = words
    if verb == "info":
        return fail("cannot connect to the service") if (STATE / "broken").exists() else 0
    if verb == "create":
        return create(words)
    if not file_of(words[-1]).exists():
        return fail(f"No such container: {words[-1]}", 1)
    if verb == "start" and words[0] == "--attach":
        return start(words[1])
    if verb == "inspect" and words[:3] == ["--type", "container", "--format"]:
        known = json.loads(file_of(words[-1]).read_text())
        sys.stdout.write(f"{known['status']} {known['code']} false\n")
        return 0
    if verb == "stop" and words[0] == "-t":
        end(words[2], float(words[1]))
        return 0
    if verb == "kill":
        end(words[0], 0)
        return 0
    if verb == "rm" and words[0] == "--force":
        end(words[1], 0)
        file_of(words[1]).unlink(missing_ok=True)
        return 0
    return fail(f"unrecognized command `docker {verb}`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
