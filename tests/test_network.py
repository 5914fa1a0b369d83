"""A test, its threads and the programs it starts cannot reach another machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network import NetworkForbidden
from tests.servers import live

# Addresses of documents (RFC 5737, RFC 3849), which no machine has.
ELSEWHERE, ELSEWHERE_6 = "192.0.2.1", "2001:db8::1"


def connect() -> None:
    with socket.socket() as client:
        client.connect((ELSEWHERE, 80))


def connect_without_raising() -> None:
    with socket.socket() as client:
        client.connect_ex((ELSEWHERE, 80))


def connect_by_version_6() -> None:
    with socket.socket(socket.AF_INET6) as client:
        client.connect((ELSEWHERE_6, 80))


def connect_by_name() -> None:
    socket.create_connection(("example.org", 80))


def connect_for_datagrams() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("198.51.100.1", 53))


def send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"word", (ELSEWHERE, 53))


def send_message() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendmsg([b"word"], [], 0, (ELSEWHERE, 53))


def look_up() -> None:
    socket.getaddrinfo("example.org", 443)


def look_up_the_old_way() -> None:
    socket.gethostbyname("example.org")


WAYS_OUT = [
    connect,
    connect_without_raising,
    connect_by_version_6,
    connect_by_name,
    connect_for_datagrams,
    send,
    send_message,
    look_up,
    look_up_the_old_way,
]


@pytest.mark.parametrize("way_out", WAYS_OUT)
class TestOtherMachines:
    def test_are_not_reached(self, way_out: Callable[[], None]) -> None:
        with pytest.raises(NetworkForbidden):
            way_out()

    def test_are_not_reached_from_a_thread(self, way_out: Callable[[], None]) -> None:
        raised: list[Exception] = []

        def work() -> None:
            try:
                way_out()
            except NetworkForbidden as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(raised) == 1


class TestThisMachine:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_is_reached(self, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection((host, server.getsockname()[1])).close()

    def test_is_reached_by_local_sockets(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(str(tmp_path / "socket"))
            server.listen()
            client.connect(str(tmp_path / "socket"))


class TestPrograms:
    def test_that_serve_in_tests_reach_no_other_machine(self) -> None:
        """Each process of a live bazaar begins with this environment."""
        program = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": live.PYTHONPATH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert "NetworkForbidden" in ended.stderr
