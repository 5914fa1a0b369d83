"""Clients that are slow, idle or many, against a server with short limits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bazaar.server.http import sender
from bazaar.server.http.limits import Pace, Progress
from bazaar.server.http.pool import Pool
from tests.bazaar.server.http.conftest import Client, Running, Start, answer, file_view
from tests.waiting import pause, until

MIB = 1 << 20
SHORT = 0.3
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LARGE = b"POST /read HTTP/1.1\r\nHost: here\r\nContent-Length: 10000000\r\n\r\n"
IMPATIENT = Pace(stall_seconds=SHORT, bytes_per_second=1, window_seconds=60.0)


def read_all(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    return answer(start, str(len(environ["wsgi.input"].read())).encode())


def is_answered(server: Running) -> bool:
    with server.client() as client:
        return client.get("/").body == b"ok"


class TestHeads:
    def test_that_do_not_come_end_the_connection(self, serve: Callable[..., Running]) -> None:
        server = serve(head_seconds=SHORT)
        with server.client() as silent, server.client() as half:
            half.send(GET[:20])
            assert half.reply().status == 408
            assert half.has_ended()
            assert silent.has_ended()

    def test_are_not_prolonged_by_single_bytes(self, serve: Callable[..., Running]) -> None:
        server = serve(head_seconds=SHORT, linger_seconds=0.0)
        with server.client() as client:
            client.send(b"G")
            until(lambda: not server.connection_count or not client.socket.send(b"E"))
            assert client.reply().status == 408

    def test_may_be_late_on_a_connection_that_was_used(self, serve: Callable[..., Running]) -> None:
        server = serve(head_seconds=SHORT, idle_seconds=60.0)
        with server.client() as client:
            assert client.send(GET).reply().status == 200
            pause(SHORT + 1.5)  # a sweep of the server later
            assert client.send(GET).reply().status == 200

    def test_do_not_come_for_ever_on_a_connection_that_was_used(self, serve: Callable[..., Running]) -> None:
        server = serve(idle_seconds=SHORT)
        with server.client() as client:
            assert client.send(GET).reply().status == 200
            assert client.has_ended()


class TestBodies:
    def test_that_stop_get_408_and_cost_no_thread(self, serve: Callable[..., Running]) -> None:
        server = serve(threads=1, transfers=1, transfer=IMPATIENT)
        with server.client() as client:
            client.send(b"POST /read HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nabc")
            assert is_answered(server)
            assert client.reply().status == 408
        assert [environ["REQUEST_METHOD"] for environ in server.app.environs] == ["GET"]

    def test_that_are_large_and_stop_are_ended(self, serve: Callable[..., Running]) -> None:
        server = serve(threads=1, transfer=IMPATIENT)
        server.app.views["read"] = read_all
        with server.client() as client:
            client.send(LARGE + bytes(MIB))
            assert is_answered(server)
            assert client.reply().status == 408
            assert client.has_ended()

    def test_wait_for_each_other_and_not_for_those_that_stop(self, serve: Callable[..., Running]) -> None:
        server = serve(threads=1, transfers=2)
        server.app.views["read"] = read_all
        stopped = [server.client().send(LARGE + bytes(MIB)) for _ in range(4)]
        with server.client() as client:
            sender = threading.Thread(target=client.send, args=(LARGE + bytes(10_000_000),))
            sender.start()
            assert is_answered(server)
            assert client.reply().body == b"10000000"
            sender.join()
        assert [client.reply().status for client in stopped[:2]] == [408] * 2  # the others are not in the way
        for client in stopped:
            client.__exit__()

    def test_of_many_clients_do_not_fill_the_memory(self, serve: Callable[..., Running]) -> None:
        server = serve(buffered_body_bytes=MIB, buffered_total_bytes=100_000, transfers=4)
        server.app.views["read"] = read_all
        clients = [server.client().send(LARGE + bytes(200_000)) for _ in range(3)]
        for client in clients:
            sender = threading.Thread(target=client.send, args=(bytes(9_800_000),))
            sender.start()
            assert client.reply().body == b"10000000"
            sender.join()
            client.__exit__()


class TestReaders:
    @pytest.mark.parametrize("kind", ["file", "memory"])
    def test_that_are_slow_cost_no_thread(self, serve: Callable[..., Running], kind: str) -> None:
        content = bytes(16 * MIB)
        server = serve(threads=1, transfers=1)
        server.app.views["file"] = file_view(content)
        server.app.views["memory"] = lambda environ, start: answer(start, content)
        clients = [server.client(receive_bytes=4096) for _ in range(20)]
        for client in clients:
            client.send(f"GET /{kind} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert is_answered(server)
        reply = clients[0].reply()
        assert reply.body == content
        assert clients[0].send(GET).reply().body == b"ok"
        for client in clients:
            client.__exit__()

    def test_that_stop_are_ended(self, serve: Callable[..., Running]) -> None:
        server = serve(send=Pace(stall_seconds=SHORT, bytes_per_second=1, window_seconds=60.0))
        server.app.views["file"] = file_view(bytes(64 * MIB))
        with server.client(receive_bytes=4096) as client:
            client.send(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.file.peek(1)
            until(lambda: not server.connection_count)
            assert 0 < len(client.reply().body) < 64 * MIB

    def test_that_are_slowest_make_room_for_new_connections(
        self, serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each reads a little now and then, so none of them stands still."""
        monkeypatch.setattr(sender, "NEW_SECONDS", 0.0)
        server = serve(connections=6)
        server.app.views["file"] = file_view(bytes(64 * MIB))
        slow = [server.client(receive_bytes=4096) for _ in range(6)]
        for client in slow:
            client.send(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.file.peek(1)
        until(lambda: server.connection_count == 6)
        for _ in range(20):
            for client in slow[1:]:
                client.socket.recv(4096)
        with server.client() as new:
            assert new.get("/").body == b"ok"
        until(lambda: server.connection_count <= 5)
        for client in slow:
            client.__exit__()

    def test_that_take_a_little_now_and_then_are_ended(self, serve: Callable[..., Running]) -> None:
        """Bytes move all the time, so that the client never stands still."""
        server = serve(send=Pace(stall_seconds=60.0, bytes_per_second=100 * MIB, window_seconds=2.0))
        server.app.views["file"] = file_view(bytes(64 * MIB))
        with server.client(receive_bytes=4096) as client:
            client.send(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")

            def reads_and_is_ended() -> bool:
                client.file.read(1)
                return not server.connection_count

            until(reads_and_is_ended)

    def test_that_hold_too_much_memory_are_ended(self, serve: Callable[..., Running]) -> None:
        server = serve(unsent_total_bytes=20 * MIB)
        server.app.views["memory"] = lambda environ, start: answer(start, bytes(16 * MIB))
        clients = [server.client(receive_bytes=4096) for _ in range(3)]
        for client in clients:
            client.send(b"GET /memory HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.file.peek(1)
        until(lambda: server.connection_count == 1)
        assert sorted(len(client.reply().body) == 16 * MIB for client in clients) == [False, False, True]
        for client in clients:
            client.__exit__()

    def test_of_what_is_made_piece_by_piece_leave_threads_to_others(
        self, serve: Callable[..., Running]
    ) -> None:
        def endless(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            start("200 OK", [])
            return iter(lambda: bytes(MIB), b"")

        server = serve(threads=1, transfers=3, transfer=IMPATIENT)
        server.app.views["endless"] = endless
        clients = [server.client(receive_bytes=4096) for _ in range(6)]
        for client in clients:
            client.send(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n")
        assert is_answered(server)
        until(lambda: not server.connection_count)
        for client in clients:
            client.__exit__()


class TestConnections:
    def test_of_an_address_are_limited(self, serve: Callable[..., Running]) -> None:
        server = serve(connections_per_address=2, trusted_proxies=frozenset())
        first, second = server.client(), server.client()
        assert first.get("/").body == second.get("/").body == b"ok"
        with server.client() as third:
            assert third.reply().status == 503
            assert third.has_ended()
        first.get("/", "Connection: close")
        assert first.has_ended()
        assert is_answered(server)
        for client in (first, second):
            client.__exit__()

    def test_of_a_front_server_are_not(self, serve: Callable[..., Running]) -> None:
        server = serve(connections_per_address=1)
        with server.client() as client:
            assert client.get("/").body == b"ok"
            assert is_answered(server)

    def test_that_only_wait_make_room_for_new_ones(self, serve: Callable[..., Running]) -> None:
        server = serve(connections=10)
        idle = [server.client() for _ in range(10)]
        assert idle[0].get("/").body == b"ok"  # the server has accepted all that came before
        assert idle[9].get("/").body == b"ok"
        assert all(is_answered(server) for _ in range(5))
        assert idle[1].has_ended()
        for client in idle:
            client.__exit__()


class TestProgress:
    def ends(self, *waits: tuple[float, int]) -> bool:
        """True if a transfer is ended during these waits: (seconds, bytes moved) each."""
        progress, pace = Progress(), Pace(stall_seconds=60, bytes_per_second=100, window_seconds=60)
        for waited, moved in waits:
            progress.note(waited=waited, moved=moved)
            if progress.is_too_slow(pace):
                return True
        return False

    def test_ends_what_stands_still(self) -> None:
        assert not self.ends(*[(1.0, 0)] * 59)
        assert self.ends(*[(1.0, 0)] * 60)
        assert not self.ends(*[(1.0, 0)] * 50, (1.0, 6000), *[(1.0, 0)] * 59)

    def test_ends_what_crawls(self) -> None:
        assert self.ends(*[(1.0, 99)] * 60)
        assert not self.ends(*[(1.0, 101)] * 600)

    def test_does_not_let_a_quick_start_pay_for_a_crawl(self) -> None:
        assert self.ends(*[(1.0, 10**9)] * 60, *[(1.0, 1)] * 60)


def wait_for(event: threading.Event, begun: threading.Event) -> None:
    begun.set()
    assert event.wait(60)


class TestPool:
    def test_gives_a_second_thread_only_when_the_first_is_slow(self) -> None:
        pool = Pool(size=2, transfers_max=1)
        first, second, third, release = (threading.Event() for _ in range(4))
        pool.submit(lambda: wait_for(release, first))
        assert first.wait(60)
        pool.submit(lambda: wait_for(release, second))
        pool.submit(third.set)
        assert pool.has_waiting
        while not second.is_set():
            pool.engage()
        pool.engage()
        assert not third.is_set()  # two threads are all there are
        release.set()
        assert third.wait(60)
        pool.stop()
        pool.join(60)
        assert pool.is_quiet

    def test_closes_what_belongs_to_a_thread(self) -> None:
        ended: list[str] = []
        pool = Pool(size=1, transfers_max=1, at_thread_end=lambda: ended.append("ended"))
        done = threading.Event()
        pool.submit_transfer(done.set)
        assert done.wait(60)
        pool.stop()
        pool.join(60)
        assert ended == ["ended"]


def test_a_client_that_hangs_up_in_its_body_leaves_no_thread_behind(serve: Callable[..., Running]) -> None:
    server = serve(transfers=1)
    server.app.views["read"] = read_all
    for _ in range(3):
        with Client(server.address) as client:
            client.send(LARGE + bytes(MIB))
    until(lambda: not server.connection_count)
    assert is_answered(server)
