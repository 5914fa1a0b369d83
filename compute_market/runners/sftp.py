"""Files of a work's folder over SFTP, version 3, on one connection.

Format: draft-ietf-secsh-filexfer-02, as OpenSSH speaks it.

The folder may be a tenant's mount: each part of a path is opened from the one before, and a symbolic link is
never followed, so nothing outside is read or written, whatever rights the agent has.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SFTP_VERSION = 3
PACKET_BYTES_MAX = 256 * 1024 + 1024
READ_BYTES_MAX = 256 * 1024
HANDLES_MAX = 256
NAMES_A_PACKET = 100
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
SIZE, OWNER, PERMISSIONS, TIMES = 1, 2, 4, 8
READ, WRITE, APPEND, CREATE, TRUNCATE, EXCLUSIVE = 1, 2, 4, 8, 16, 32
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
STATUSES = {
    errno.ENOENT: NO_SUCH_FILE,
    errno.EACCES: PERMISSION_DENIED,
    errno.EPERM: PERMISSION_DENIED,
    errno.ELOOP: PERMISSION_DENIED,
}


class BadPacket(Exception):
    """The client's packet is cut short or asks for something that cannot be asked."""


def sftp_target(folder: Path, *, aliases: tuple[str, ...] = ()) -> Callable[[], socket.socket]:
    """Connects to a file session of this folder: its own end of a pair, the other served by a thread.

    `aliases`: absolute paths under which the work itself knows the folder, such as `/work`.
    """

    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        session = FileSession(theirs, folder, aliases)
        threading.Thread(target=session.run, name="sftp", daemon=True).start()
        return ours

    return connect


class FileSession:
    """One client and the files that it has open."""

    def __init__(self, connection: socket.socket, folder: Path, aliases: tuple[str, ...]) -> None:
        self.connection = connection
        self.folder = folder
        self.aliases = aliases
        self.files: dict[bytes, int] = {}
        self.listings: dict[bytes, Iterator[tuple[str, os.stat_result]]] = {}
        self._number = 0
        self._answers: dict[int, Callable[[Packet], bytes]] = {
            3: self.open, 4: self.close, 5: self.read, 6: self.write, 7: self.lstat, 8: self.fstat,
            9: self.setstat, 10: self.fsetstat, 11: self.opendir, 12: self.readdir, 13: self.remove,
            14: self.mkdir, 15: self.rmdir, 16: self.realpath, 17: self.lstat, 18: self.rename,
            19: self.readlink, 200: self.extended,
        }  # fmt: skip

    def run(self) -> None:
        """Answer until the client is gone."""
        with self.connection, contextlib.suppress(OSError, BadPacket):
            try:
                with self.connection.makefile("rb") as stream:
                    while (packet := read_packet(stream)) is not None:
                        self.connection.sendall(self.answer(packet))
            finally:
                for number in self.files.values():
                    os.close(number)

    def answer(self, packet: Packet) -> bytes:
        """The answer to one packet."""
        if packet.kind == 1:
            return pack(2, struct.pack(">I", SFTP_VERSION) + text("posix-rename@openssh.com") + text("1"))
        identity = packet.integer()
        handler = self._answers.get(packet.kind)
        if handler is None:
            return status(identity, UNSUPPORTED, "it is not supported")
        try:
            kind, _, body = handler(packet).partition(b"|")
            return pack(int(kind), struct.pack(">I", identity) + body)
        except OSError as error:
            return status(identity, STATUSES.get(error.errno or 0, FAILURE), error.strerror or str(error))
        except (ValueError, KeyError):
            return status(identity, FAILURE, "there is no such handle")

    # ---- paths -----------------------------------------------------------------------------------

    def parts(self, path: bytes) -> list[str]:
        """The parts of a path below the folder. `..` goes no higher than the folder."""
        name = os.fsdecode(path)
        if "\0" in name:
            raise OSError(errno.EINVAL, "a path cannot hold that")
        for alias in self.aliases:
            if name == alias or name.startswith(alias + "/"):
                name = name[len(alias) :]
                break
        found: list[str] = []
        for part in name.split("/"):
            if part == "..":
                del found[-1:]
            elif part not in {"", "."}:
                found.append(part)
        return found

    @contextlib.contextmanager
    def parent_of(self, path: bytes) -> Iterator[tuple[int, str]]:
        """The opened folder that holds the path's last part, and that part; `.` for the folder itself."""
        parts = self.parts(path)
        *above, name = parts or ["."]
        at = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | NO_LINK)
        try:
            for part in above:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | NO_LINK, dir_fd=at)
                os.close(at)
                at = below
            yield at, name
        finally:
            os.close(at)

    # ---- files -----------------------------------------------------------------------------------

    def open(self, packet: Packet) -> bytes:
        path, flags, attributes = packet.string(), packet.integer(), packet.attributes()
        mode = os.O_RDWR if flags & READ and flags & WRITE else os.O_WRONLY if flags & WRITE else os.O_RDONLY
        for asked, system in (
            (APPEND, os.O_APPEND),
            (CREATE, os.O_CREAT),
            (EXCLUSIVE, os.O_EXCL),
        ):
            mode |= system if flags & asked else 0
        self._require_room()
        with self.parent_of(path) as (at, name):
            permissions = attributes.get(PERMISSIONS, (0o644,))[0] & 0o777
            # A pipe would wait for its other end.
            number = os.open(name, mode | NO_LINK | os.O_NONBLOCK, permissions, dir_fd=at)
            try:
                require_file(number)
                if flags & CREATE:
                    self._give_to_owner(number, at)
                if flags & TRUNCATE:
                    os.ftruncate(number, 0)
            except BaseException:
                os.close(number)
                raise
        handle = self._new_handle()
        self.files[handle] = number
        return b"102|" + text(handle)

    def _give_to_owner(self, number: int, at: int) -> None:
        """If the agent is root, the files that it creates get the owner of their folder."""
        owner = os.fstat(at)
        if os.geteuid() == 0 and os.fstat(number).st_uid != owner.st_uid:
            os.fchown(number, owner.st_uid, owner.st_gid)

    def close(self, packet: Packet) -> bytes:
        handle = packet.string()
        if handle in self.listings:
            del self.listings[handle]
        else:
            os.close(self.files.pop(handle))
        return done()

    def read(self, packet: Packet) -> bytes:
        number, offset = self.files[packet.string()], packet.long()
        data = os.pread(number, min(packet.integer(), READ_BYTES_MAX), offset)
        return b"103|" + text(data) if data else done(EOF)

    def write(self, packet: Packet) -> bytes:
        number, offset = self.files[packet.string()], packet.long()
        data = memoryview(packet.string())
        while data:
            written = os.pwrite(number, data, offset)
            data, offset = data[written:], offset + written
        return done()

    # ---- what is said of files -------------------------------------------------------------------

    def lstat(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            return b"105|" + attributes_of(os.stat(name, dir_fd=at, follow_symlinks=False))

    def fstat(self, packet: Packet) -> bytes:
        return b"105|" + attributes_of(os.fstat(self.files[packet.string()]))

    def setstat(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            number = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_LINK, dir_fd=at)
            try:
                change(number, packet.attributes(), lambda size: self._truncate(at, name, size))
            finally:
                os.close(number)
        return done()

    def _truncate(self, at: int, name: str, size: int) -> None:
        number = os.open(name, os.O_WRONLY | os.O_NONBLOCK | NO_LINK, dir_fd=at)
        try:
            os.ftruncate(number, size)
        finally:
            os.close(number)

    def fsetstat(self, packet: Packet) -> bytes:
        number = self.files[packet.string()]
        change(number, packet.attributes(), lambda size: os.ftruncate(number, size))
        return done()

    def realpath(self, packet: Packet) -> bytes:
        path = "/" + "/".join(self.parts(packet.string()))
        return b"104|" + struct.pack(">I", 1) + text(path) + text(path) + struct.pack(">I", 0)

    def readlink(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            path = os.readlink(name, dir_fd=at)
        return b"104|" + struct.pack(">I", 1) + text(path) + text(path) + struct.pack(">I", 0)

    # ---- folders ---------------------------------------------------------------------------------

    def opendir(self, packet: Packet) -> bytes:
        self._require_room()
        with self.parent_of(packet.string()) as (at, name):
            number = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_LINK, dir_fd=at)
        try:
            rows = []
            for entry in os.listdir(number):  # noqa: PTH208 - a descriptor has no path
                with contextlib.suppress(OSError):
                    rows.append((entry, os.stat(entry, dir_fd=number, follow_symlinks=False)))
        finally:
            os.close(number)
        handle = self._new_handle()
        self.listings[handle] = iter(rows)
        return b"102|" + text(handle)

    def readdir(self, packet: Packet) -> bytes:
        rows = []
        for name, found in self.listings[packet.string()]:
            rows.append(text(name) + text(long_name(name, found)) + attributes_of(found))
            if len(rows) >= NAMES_A_PACKET:
                break
        return b"104|" + struct.pack(">I", len(rows)) + b"".join(rows) if rows else done(EOF)

    def remove(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            os.unlink(name, dir_fd=at)
        return done()

    def mkdir(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            os.mkdir(name, packet.attributes().get(PERMISSIONS, (0o755,))[0] & 0o777, dir_fd=at)
            number = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_LINK, dir_fd=at)
            try:
                self._give_to_owner(number, at)
            finally:
                os.close(number)
        return done()

    def rmdir(self, packet: Packet) -> bytes:
        with self.parent_of(packet.string()) as (at, name):
            os.rmdir(name, dir_fd=at)
        return done()

    def rename(self, packet: Packet) -> bytes:
        return self._rename(packet.string(), packet.string(), replaces=False)

    def extended(self, packet: Packet) -> bytes:
        if packet.string() != b"posix-rename@openssh.com":
            return done(UNSUPPORTED)
        return self._rename(packet.string(), packet.string(), replaces=True)

    def _rename(self, before: bytes, after: bytes, *, replaces: bool) -> bytes:
        with self.parent_of(before) as (from_at, from_name), self.parent_of(after) as (at, name):
            if not replaces:
                with contextlib.suppress(FileNotFoundError):
                    os.stat(name, dir_fd=at, follow_symlinks=False)
                    raise OSError(errno.EEXIST, "there is a file of that name")
            os.rename(from_name, name, src_dir_fd=from_at, dst_dir_fd=at)
        return done()

    # ---- handles ---------------------------------------------------------------------------------

    def _require_room(self) -> None:
        if len(self.files) + len(self.listings) >= HANDLES_MAX:
            raise OSError(errno.EMFILE, "too many files are open")

    def _new_handle(self) -> bytes:
        self._number += 1
        return str(self._number).encode()


class Packet:
    """One packet, read field by field. Raises: BadPacket where it is too short."""

    def __init__(self, kind: int, data: bytes) -> None:
        self.kind = kind
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise BadPacket
        self.at += size
        return self.data[self.at - size : self.at]

    def integer(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def long(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        return self.take(self.integer())

    def attributes(self) -> dict[int, tuple[int, ...]]:
        """The attributes that are given, by their flag."""
        flags = self.integer()
        found: dict[int, tuple[int, ...]] = {}
        if flags & SIZE:
            found[SIZE] = (self.long(),)
        if flags & OWNER:
            found[OWNER] = (self.integer(), self.integer())
        if flags & PERMISSIONS:
            found[PERMISSIONS] = (self.integer(),)
        if flags & TIMES:
            found[TIMES] = (self.integer(), self.integer())
        return found


def require_file(number: int) -> None:
    """Raises: OSError for a pipe, a device or a socket."""
    if not stat.S_ISREG(os.fstat(number).st_mode):
        raise OSError(errno.EINVAL, "it is not a file")


def read_packet(stream: object) -> Packet | None:
    """The next packet, or None at the end. Raises: BadPacket."""
    read: Callable[[int], bytes] = stream.read  # type: ignore[attr-defined]
    head = read(5)
    if len(head) < 5:
        return None
    size = int.from_bytes(head[:4], "big")
    if not 1 <= size <= PACKET_BYTES_MAX:
        raise BadPacket
    return Packet(head[4], read(size - 1))


def change(number: int, attributes: dict[int, tuple[int, ...]], truncate: Callable[[int], None]) -> None:
    """Set a file's attributes. The owner cannot be changed; asking for it is no error."""
    if SIZE in attributes:
        truncate(attributes[SIZE][0])
    if PERMISSIONS in attributes:
        os.fchmod(number, attributes[PERMISSIONS][0] & 0o777)
    if TIMES in attributes:
        os.utime(number, times=(attributes[TIMES][0], attributes[TIMES][1]))


def attributes_of(found: os.stat_result) -> bytes:
    return struct.pack(
        ">IQIIIII",
        SIZE | OWNER | PERMISSIONS | TIMES,
        found.st_size,
        found.st_uid & 0xFFFFFFFF,
        found.st_gid & 0xFFFFFFFF,
        found.st_mode,
        int(found.st_atime) & 0xFFFFFFFF,
        int(found.st_mtime) & 0xFFFFFFFF,
    )


def long_name(name: str, found: os.stat_result) -> str:
    """A line as `ls -l` prints it."""
    when = time.strftime("%b %d %H:%M", time.gmtime(found.st_mtime))
    owner = f"{found.st_nlink:4} {found.st_uid:8} {found.st_gid:8}"
    return f"{stat.filemode(found.st_mode)} {owner} {found.st_size:10} {when} {name}"


def text(value: str | bytes) -> bytes:
    data = os.fsencode(value) if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def done(code: int = OK) -> bytes:
    """The body of a status, for `FileSession.answer`."""
    return b"101|" + struct.pack(">I", code) + text("") + text("")


def status(identity: int, code: int, message: str) -> bytes:
    return pack(101, struct.pack(">II", identity, code) + text(message) + text(""))


def pack(kind: int, body: bytes) -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body
