"""Closing a listening socket so that no connection which a client believes open is lost."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time

# Offset of `tcpi_unacked` in Linux' `struct tcp_info`: of a listening socket, the connections that nobody has
# accepted yet.
_WAITING_AT = 24
PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.005


def refuse(listener: socket.socket) -> None:
    """Refuse new connections from now on, in all processes that share the socket.

    Those processes go on accepting until no connection waits, because the system resets connections that wait
    when the socket ends. A refused client has sent nothing, so it, or the front server, may go elsewhere.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _waiting(listener) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


def _waiting(listener: socket.socket) -> int:
    """The connections that wait to be accepted; 0 where the system does not say."""
    if sys.platform != "linux" or listener.family == socket.AF_UNIX:
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WAITING_AT + 4)
    return int(struct.unpack_from("I", info, _WAITING_AT)[0])
