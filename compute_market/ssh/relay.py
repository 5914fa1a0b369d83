"""From an ssh channel to a lease: bytes as they are, or the frames of a session (`runners.sessions`)."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import asyncssh

from compute_market.leases import access
from compute_market.runners.reach import FILES, SESSION
from compute_market.runners.sessions import EXIT, RESIZE, SIGNAL, STDERR, STDIN, STDIN_END, STDOUT, frame
from compute_market.tunnels.handover import Handover, Sender, TunnelsAway

__all__ = ["FILES", "SESSION", "TunnelsAway", "command", "pipe", "stream"]

PIECE_BYTES = 64 * 1024
FRAME_BYTES_MAX = 1024 * 1024
# Variables that a client may set in a session; the lease sets all others.
VARIABLES = ("LANG", "LC_", "TZ", "COLORTERM")


def stream(lease: int, port: str) -> socket.socket:
    """A stream to a port of a lease: our end of a pair, the tunnels have the other. Raises: TunnelsAway."""
    ours, theirs = socket.socketpair()
    try:
        sender = Sender(access.socket_path(), access.signing_key())
    except TunnelsAway:
        ours.close()
        theirs.close()
        raise
    sender.send(theirs, Handover(kind="raw", lease=lease, port=port))
    return ours


async def pipe(
    end: socket.socket, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
) -> None:
    """Bytes both ways until the lease's side is over."""
    incoming, outgoing = await asyncio.open_unix_connection(sock=end)

    async def send() -> None:
        while data := await reader.read(PIECE_BYTES):
            outgoing.write(data)
            await outgoing.drain()
        outgoing.write_eof()

    sending = asyncio.ensure_future(send())
    try:
        while data := await incoming.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        sending.cancel()
        outgoing.close()


async def command(end: socket.socket, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run the client's command or shell beside the work, and give its exit code."""
    incoming, outgoing = await asyncio.open_unix_connection(sock=end)
    outgoing.write(json.dumps(_asked(process)).encode() + b"\n")
    sending = asyncio.ensure_future(_send(process, outgoing))
    try:
        code = await _receive(incoming, process)
    finally:
        sending.cancel()
        outgoing.close()
    if code is None:
        process.stderr.write(b"The lease, or its work, has ended.\r\n")
        process.exit(255)
    elif code < 0:
        process.exit(128 - code)
    else:
        process.exit(code)


def _asked(process: asyncssh.SSHServerProcess[bytes]) -> dict[str, Any]:
    terminal = None
    if process.term_type is not None:
        columns, rows, _width, _height = process.term_size
        terminal = {"type": str(process.term_type), "rows": rows, "columns": columns}
    given = process.env
    return {
        "command": process.command,
        "terminal": terminal,
        "environment": {name: given[name] for name in given if name.startswith(VARIABLES)},
    }


async def _send(process: asyncssh.SSHServerProcess[bytes], outgoing: asyncio.StreamWriter) -> None:
    """The client's input, window sizes and signals, as frames."""
    while True:
        try:
            data = await process.stdin.read(PIECE_BYTES)
        except asyncssh.TerminalSizeChanged as change:
            size = {"rows": change.height, "columns": change.width}
            outgoing.write(frame(RESIZE, json.dumps(size).encode()))
            continue
        except asyncssh.BreakReceived:
            outgoing.write(frame(SIGNAL, b"INT"))
            continue
        except asyncssh.SignalReceived as received:
            outgoing.write(frame(SIGNAL, str(received.signal).encode()))
            continue
        except asyncssh.ConnectionLost:
            return
        if not data:
            outgoing.write(frame(STDIN_END, b""))
            return
        outgoing.write(frame(STDIN, data))
        await outgoing.drain()


async def _receive(incoming: asyncio.StreamReader, process: asyncssh.SSHServerProcess[bytes]) -> int | None:
    """Pass output on until the exit code comes; None where the stream ends without one."""
    writers = {STDOUT: process.stdout, STDERR: process.stderr}
    try:
        while True:
            head = await incoming.readexactly(5)
            size = int.from_bytes(head[1:], "big")
            if size > FRAME_BYTES_MAX:
                return None
            content = await incoming.readexactly(size)
            if head[0] == EXIT:
                return int(content)
            if writer := writers.get(head[0]):
                writer.write(content)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        return None
