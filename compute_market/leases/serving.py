"""The services of a work: ports and sockets that its holder may reach from outside, by number or by name.

They are declared when the work is started: `[{"port": 8888, "name": "notebook"}, {"socket": "engine.sock"}]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from compute_market.leases.errors import WorkInvalid

SERVED_MAX = 16
# Names stand in addresses' hosts behind a lease's number: `17--notebook`.
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
NAME_CHARS_MAX = 30
SOCKET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def checked(served: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list in its kept form: each with `port` or `socket`, and `name` (empty for an unnamed port).

    Raises: WorkInvalid.
    """
    if len(served) > SERVED_MAX:
        raise WorkInvalid(field="serves", reason=f"at most {SERVED_MAX} ports are taken")
    found = [_one(entry) for entry in served]
    keys = [word for entry in found for word in {key_of(entry), entry["name"]} - {""}]
    if len(keys) != len(set(keys)):
        raise WorkInvalid(field="serves", reason="each port and each name can be given once")
    return found


def key_of(entry: Mapping[str, Any]) -> str:
    """The key of a service: a port's number, or a socket's name."""
    return str(entry["port"]) if "port" in entry else str(entry["name"])


def find(served: Sequence[Mapping[str, Any]], asked: str) -> str | None:
    """The key of the requested port, which is given by key or by name."""
    return next((key_of(entry) for entry in served if asked in {key_of(entry), entry["name"]}), None)


def _one(entry: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(entry) - {"port", "socket", "name"}
    if unknown or ("port" in entry) == ("socket" in entry):
        raise WorkInvalid(field="serves", reason="each has a port or a socket, and perhaps a name")
    name = entry.get("name", "")
    if not isinstance(name, str) or (name and not NAME.fullmatch(name)) or len(name) > NAME_CHARS_MAX:
        raise WorkInvalid(field="serves", reason="a name has small letters, digits and single dashes")
    if "port" in entry:
        port = entry["port"]
        if type(port) is not int or not 1 <= port <= 65535:
            raise WorkInvalid(field="serves", reason="a port is a whole number from 1 to 65535")
        return {"port": port, "name": name}
    path = entry["socket"]
    if not isinstance(path, str) or not SOCKET.fullmatch(path):
        raise WorkInvalid(field="serves", reason="a socket is the name of a file in the work's folder")
    return {"socket": path, "name": name or _name_from(path)}


def _name_from(path: str) -> str:
    """`engine.sock` is reached as `engine`."""
    name = (
        re.sub(r"[^a-z0-9]+", "-", path.lower().removesuffix(".sock")).strip("-")[:NAME_CHARS_MAX].strip("-")
    )
    if not NAME.fullmatch(name):
        raise WorkInvalid(field="serves", reason=f"the socket {path} needs a name")
    return name
