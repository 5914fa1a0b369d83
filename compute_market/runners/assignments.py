"""The hub's assignments for this node, checked before any value becomes a path, an argument or a signal.

The hub's answer is trusted no further than needed: identifiers must be UUIDs or integers, texts are bounded.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORDS_MAX = 1024
WORDS_BYTES_MAX = 512 * 1024
NAME_MAX = 300
GPU_INDEX_MAX = 1023
PORT_MAX = 65535
SOCKET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
# It stands in a header: no blank and no line end.
SIGNED_WORD = re.compile(r"[\x21-\x7e]{1,8192}")
YEAR_S = 366 * 24 * 3600.0


class MalformedAssignment(Exception):
    """The hub sent something that this agent does not carry out."""


@dataclass(frozen=True, slots=True)
class ServedPort:
    """A TCP port, or a Unix socket in the work's folder (`port` 0), that is reached under its key."""

    key: str
    port: int
    socket: str


@dataclass(frozen=True, slots=True)
class TunnelTicket:
    """The ticket that proves to the hub's tunnels that this agent runs a work until a time."""

    ticket: str
    secret: str
    until: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A command that a lease's holder wants to run. `stop`: it is to be stopped."""

    token: str
    state: str
    runner: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop: bool
    serves: tuple[ServedPort, ...] = ()
    tunnel: TunnelTicket | None = None


@dataclass(frozen=True, slots=True)
class LeaseOrder:
    """A lease on this node, its GPUs (device indexes), and the seconds until it ends."""

    lease_id: int
    token: str
    state: str
    gpus: tuple[int, ...]
    seconds_left: float
    work: WorkOrder | None


def read_assignments(answer: Mapping[str, Any]) -> tuple[list[LeaseOrder], list[str]]:
    """The leases in the hub's answer, and why others in it are not understood.

    Raises: MalformedAssignment when the answer as a whole is no list of leases.
    """
    leases = answer.get("leases")
    if not isinstance(leases, list):
        raise MalformedAssignment("the answer holds no list of leases")
    orders, refused = [], []
    for lease in leases:
        try:
            orders.append(_read_lease(lease))
        except (MalformedAssignment, KeyError, TypeError, ValueError, AttributeError) as error:
            refused.append(f"{type(error).__name__}: {error}")
    return orders, refused


def _read_lease(lease: Mapping[str, Any]) -> LeaseOrder:
    seconds_left = float(lease["seconds_left"])
    if not math.isfinite(seconds_left):
        raise MalformedAssignment("seconds_left is not a number")
    work = lease["work"]
    return LeaseOrder(
        lease_id=_integer(lease["id"]),
        token=_token(lease["token"]),
        state=_text(lease["state"]),
        gpus=tuple(_gpu(index) for index in lease["gpus"]),
        seconds_left=min(max(0.0, seconds_left), YEAR_S),
        work=None if work is None else _read_work(work),
    )


def _read_work(work: Mapping[str, Any]) -> WorkOrder:
    command = _texts(work["command"])
    if not command or not command[0]:
        raise MalformedAssignment("the command is empty")
    environment = work["environment"]
    if not isinstance(environment, Mapping):
        raise MalformedAssignment("the environment is no object")
    names = _texts(list(environment))
    if any(not name or "=" in name for name in names):
        raise MalformedAssignment("a variable has no name")
    return WorkOrder(
        token=_token(work["token"]),
        state=_text(work["state"]),
        runner=_text(work["runner"]),
        image=_text(work["image"]),
        command=command,
        environment=dict(zip(names, _texts(list(environment.values())), strict=True)),
        stop=work["stop"] is True,
        serves=tuple(_read_served(entry) for entry in work.get("serves") or ()),
        tunnel=_read_tunnel(work.get("tunnel")),
    )


def _read_served(entry: Mapping[str, Any]) -> ServedPort:
    if "port" in entry:
        port = _integer(entry["port"])
        if not 1 <= port <= PORT_MAX:
            raise MalformedAssignment(f"there is no port {port}")
        return ServedPort(key=str(port), port=port, socket="")
    name = _text(entry["socket"])
    if not SOCKET_NAME.fullmatch(name):
        raise MalformedAssignment("a socket is no name of a file")
    return ServedPort(key=_text(entry["name"]), port=0, socket=name)


def _read_tunnel(value: object) -> TunnelTicket | None:
    if not isinstance(value, Mapping):
        return None
    words = _texts([value["ticket"], value["secret"], value["until"]])
    if not all(SIGNED_WORD.fullmatch(word) for word in words):
        raise MalformedAssignment("the ticket is no word")
    return TunnelTicket(*words)


def _token(value: object) -> str:
    """A UUID in its one canonical form: it names folders and containers."""
    if not isinstance(value, str):
        raise MalformedAssignment("a token is no text")
    return str(uuid.UUID(value))


def _integer(value: object) -> int:
    if type(value) is not int:
        raise MalformedAssignment("an id is no integer")
    return value


def _gpu(value: object) -> int:
    index = _integer(value)
    if not 0 <= index <= GPU_INDEX_MAX:
        raise MalformedAssignment(f"there is no GPU {index}")
    return index


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > NAME_MAX or "\x00" in value:
        raise MalformedAssignment("a name is no short text")
    return value


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > WORDS_MAX:
        raise MalformedAssignment("a list of words is too long or is none")
    words = tuple(word for word in values if isinstance(word, str) and "\x00" not in word)
    if len(words) != len(values) or sum(len(word) for word in words) > WORDS_BYTES_MAX:
        raise MalformedAssignment("the words are no texts, or too long")
    return words
