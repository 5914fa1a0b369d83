"""The agent's command line: reads options, holds the folder, enrols, reports the hardware, and works."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from compute_market.runners import devices
from compute_market.runners.agent import Agent
from compute_market.runners.base import Runner
from compute_market.runners.container import ContainerRunner
from compute_market.runners.cpu_slices import cpu_slices
from compute_market.runners.fake import FakeRunner
from compute_market.runners.hub_link import HubError, HubLink, HubUnreachable
from compute_market.runners.loops import say
from compute_market.runners.process import ProcessRunner
from compute_market.runners.supervised import SUPERVISE, supervise

MEMORY_VARIABLE = "BAZAAR_AGENT_MEMORY_BYTES_MAX"
EXIT_REFUSED = 1
EXIT_USAGE = 2


class FolderInUse(Exception):
    """Another agent works in this folder."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and work. Gives the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [SUPERVISE]:
        return supervise(words[1:])
    options = _parser().parse_args(words)
    try:
        options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with hold_folder(options.folder):
            link = HubLink(
                url=options.hub,
                identity=options.folder / "identity.json",
                instance=devices.machine_fingerprint(),
            )
            agent = Agent(
                link=link,
                runners=_runners(options),
                folder=options.folder,
                memory_bytes_max=int(os.environ.get(MEMORY_VARIABLE, "0")),
                poll_s=options.poll_seconds,
            )
            return _work(agent, options)
    except (HubError, HubUnreachable, FolderInUse, ValueError, OSError) as error:
        say(str(error))
        return EXIT_REFUSED


def hold_folder(folder: Path) -> TextIO:
    """Keep other agents out of the folder while the returned file is open. Raises: FolderInUse, OSError.

    The kernel ends the hold with the process, however it dies.
    """
    # Others who could open it could hold it as well, and keep every agent out.
    file = os.fdopen(os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+")
    os.fchmod(file.fileno(), 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip() or "unknown"
        file.close()
        raise FolderInUse(
            f"Another agent (process {holder}) works in {folder}. Stop it, or give this one another --folder."
        ) from None
    # The number is for people who look for the holder: on a full disk it is missing.
    with contextlib.suppress(OSError):
        file.truncate(0)
        os.pwrite(file.fileno(), f"{os.getpid()}\n".encode(), 0)
    return file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The agent of a node that supplies GPUs to a Model Bazaar.")
    parser.add_argument("--hub", required=True, help="The hub's address, such as https://hub.example.org")
    parser.add_argument("--key", help="The one-time enrolment key; only for the first start.")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".bazaar-agent")
    parser.add_argument(
        "--declare", metavar="DEVICE", help="The device, if no tool can measure it: h100-sxm-80g"
    )
    parser.add_argument(
        "--cpu",
        metavar="PART",
        help="Rent out parts of this machine's processors and memory instead of GPUs: cpu2-x86-4g",
    )
    parser.add_argument("--gpus", type=int, default=1, help="The number of declared devices, or of parts.")
    parser.add_argument(
        "--allow-processes",
        action="store_true",
        help="Run work as plain processes, without a container: only for users you trust.",
    )
    parser.add_argument("--run-as", default="", metavar="USER", help="The user of plain processes.")
    parser.add_argument(
        "--container-device",
        action="append",
        default=[],
        metavar="DEVICE",
        help="A device for containers; {gpu} is replaced by each GPU's index; 'none' for no device. "
        "Needed only where the machine has other than NVIDIA, AMD, Hygon or Ascend devices.",
    )
    parser.add_argument(
        "--container-prefix",
        default="",
        metavar="WORDS",
        help="Words before the engine's program, for machines that need it: 'sudo -n'.",
    )
    parser.add_argument(
        "--container-args",
        default="",
        metavar="WORDS",
        help="More options for each new container: '--cgroups=disabled --network none'.",
    )
    parser.add_argument(
        "--stop-work",
        action="store_true",
        help="End all work when the agent ends. Otherwise work continues, and the next agent takes it over.",
    )
    parser.add_argument("--fake", action="store_true", help="Run nothing and only simulate work: for demos.")
    parser.add_argument(
        "--poll-seconds",
        type=float,
        metavar="SECONDS",
        help="Seconds between requests for assignments. Left out: the hub decides, and wakes the agent up.",
    )
    parser.add_argument("--report-only", action="store_true", help="Enrol, report the hardware, and stop.")
    return parser


def _runners(options: argparse.Namespace) -> list[Runner]:
    cpu = cpu_slices(options.cpu) if options.cpu else None
    if options.run_as:
        # The way to its own folder is open to that user; the files here are for the agent's user alone.
        for folder in (options.folder, options.folder / "work"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)
    runners: list[Runner] = [
        ContainerRunner(
            name,
            devices=options.container_device,
            prefix=options.container_prefix,
            arguments=options.container_args,
            cpu=cpu,
        )
        for name in ("podman", "docker")
    ]
    if options.allow_processes:
        if os.geteuid() == 0 and not options.run_as:
            raise ValueError(
                "As root, processes need --run-as USER (--run-as root lets them do whatever root may)."
            )
        runners.append(ProcessRunner(run_as=options.run_as, cpu=cpu))
    if options.fake:
        runners.append(FakeRunner())
    return runners


def _work(agent: Agent, options: argparse.Namespace) -> int:
    link = agent.link
    if not link.is_enrolled:
        if not options.key:
            say("give the enrolment key for the first start: --key mbe_…")
            return EXIT_USAGE
        node = link.enrol(key=options.key, runners=sorted(agent.works.runners))
        say(f"enrolled as node {node['node']} ({node['name']})")
    if options.cpu:
        slices = cpu_slices(options.cpu)
        method, found = "cpu", slices.devices(options.gpus, fingerprint=devices.machine_fingerprint())
    else:
        method, found = devices.probe()
    if not found:
        method, found = (
            "declared",
            devices.declare(options.declare, gpus=options.gpus) if options.declare else [],
        )
    answer = agent.report(method=method, found=found)
    say(f"{len(found)} devices by {method}: {answer['state']} {answer['reason']}".rstrip())
    if options.report_only:
        return 0 if answer["state"] == "ready" else EXIT_REFUSED
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.ask_to_stop())
    agent.run()
    if agent.is_retired:
        say("the node was retired")
        agent.stop_all(reason="the node was retired")
    elif options.stop_work:
        agent.stop_all(reason="the agent was stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
