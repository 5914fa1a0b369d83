"""Streams through the tunnels and a real agent's ends: many at once, dead spares, slow readers, ends."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from compute_market.runners.targets import tcp_target, unix_target
from compute_market.runners.tunnels import TARGETS_A_WORK, TunnelEnds
from compute_market.tunnels import ends as hub_ends
from compute_market.tunnels import words
from compute_market.tunnels.grants import Grant, proof, ticket_secret
from compute_market.tunnels.works import NotServed
from tests.clock import moment
from tests.compute_market.tunnels.conftest import KEY, EchoServer, Hub, ticket
from tests.waiting import pause, until


def say_and_hear(end: socket.socket, line: bytes) -> bytes:
    with end:
        end.sendall(line)
        end.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := end.recv(65536):
            heard += piece
    return heard


@pytest.mark.usefixtures("agent")
class TestStreams:
    def test_a_thousand_at_once_lose_nothing(self, hub: Hub, echo: EchoServer) -> None:
        """All are open at the same time before any of them says its line."""
        count = 1000
        with ExitStack() as stack:
            streams = [stack.enter_context(contextlib.closing(hub.pipe())) for _ in range(count)]
            for number, stream in enumerate(streams):
                stream.sendall(b"first %d\n" % number)
            for number, stream in enumerate(streams):
                assert stream.makefile("rb").readline() == b"first %d\n" % number
            work = hub.tunnels.works.by_token["work-17"]
            assert hub.tell(lambda: len(work.streams)) == count
            for number, stream in enumerate(streams):
                stream.sendall(b"second %d\n" % number)
            for number, stream in enumerate(streams):
                assert stream.makefile("rb").readline() == b"second %d\n" % number
        assert echo.served == 2 * count
        until(lambda: hub.tell(lambda: len(work.streams)) == 0)

    def test_half_closed_ones_still_hear(self, hub: Hub) -> None:
        assert say_and_hear(hub.pipe(), b"a\nb\n") == b"a\nb\n"

    def test_bytes_are_counted_for_the_lease(self, hub: Hub) -> None:
        say_and_hear(hub.pipe(), b"x" * 999 + b"\n")
        assert hub.tell(hub.tunnels.works.counted) == {17: (1000, 1000, 1)}
        assert hub.tell(hub.tunnels.works.counted) == {}

    def test_a_port_without_a_listener_is_reported(self, hub: Hub, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        ends = hub.agent({str(port): tcp_target(port)}, lease=18, work="work-18")
        stack.callback(ends.close)
        status, _, body = hub.get("/", lease=18)
        assert status == 502
        assert b"refused" in body
        assert hub.get("/", lease=99)[0] == 503
        shown = hub.get("/", lease=99, **{"Accept": "text/html", "Accept-Language": "zh-CN,zh;q=0.9"})
        assert "租约的机器尚未连接" in shown[2].decode()
        assert "script" not in shown[2].decode()

    def test_a_reader_that_takes_nothing_is_cut_off_and_holds_little(
        self, hub: Hub, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub_ends, "STALLED_SECONDS", 1.0)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sent = 0

        def pour() -> None:
            nonlocal sent
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while True:
                    sent += connection.send(bytes(65536))

        thread = threading.Thread(target=pour)
        thread.start()
        port = listener.getsockname()[1]
        ends = hub.agent({str(port): tcp_target(port)}, lease=19, work="work-19")
        stack.callback(ends.close)
        deaf = hub.pipe(lease=19)
        thread.join(60)
        assert not thread.is_alive()
        assert sent < 32 * 1024 * 1024
        deaf.close()

    def test_many_readers_that_take_nothing_fill_no_memory(
        self, hub: Hub, echo: EchoServer, agent: TunnelEnds, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The longest behind makes room for the next; who reads is served all the time."""
        monkeypatch.setattr(hub_ends, "BEHIND_MAX", 3)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pour(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while True:
                    connection.sendall(bytes(65536))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=pour, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        ends = hub.agent({str(port): tcp_target(port)}, lease=19, work="work-19")
        stack.callback(ends.close)
        behind = hub.tunnels._open.behind
        deaf: list[socket.socket] = []
        seen: set[hub_ends.End] = set()
        for _ in range(6):
            deaf.append(hub.pipe(lease=19))
            until(lambda: not seen.issuperset(hub.tell(lambda: [*behind])))
            seen.update(hub.tell(lambda: [*behind]))
            assert len(behind) == min(len(deaf), 3)
        with hub.pipe() as quick:
            quick.sendall(b"heard\n")
            assert quick.recv(100) == b"heard\n"
        for cut in deaf[:3]:
            assert ended(cut)
        assert hub.tell(lambda: len(behind)) == 3
        for end in deaf:
            end.close()


class TestNeighbours:
    def test_are_reached_while_ports_of_one_work_do_not_answer(
        self, hub: Hub, agent: TunnelEnds, stack: ExitStack
    ) -> None:
        """Connecting takes threads of the agent: a work whose ports hang has few of them."""
        over, begun = threading.Event(), threading.Semaphore(0)

        def hang() -> socket.socket:
            begun.release()
            over.wait(60)
            raise OSError("it hangs")

        word = ticket(lease=18, work="work-18", ports=["1"])
        given = {"ticket": word, "secret": ticket_secret(KEY, word), "until": 3600.0}
        agent.serve("work-18", **given, targets={"1": hang})
        hub.wait_for_spares("work-18")
        waiting = [stack.enter_context(hub.pipe(lease=18, port="1")) for _ in range(TARGETS_A_WORK * 3)]
        for _ in range(TARGETS_A_WORK):
            assert begun.acquire(timeout=30)
        with hub.pipe() as quick:
            quick.sendall(b"heard\n")
            assert quick.recv(100) == b"heard\n"
        # No more of them have begun: the others have had all the time that the neighbour took.
        assert not begun.acquire(blocking=False)
        over.set()
        for end in waiting:
            assert ended(end)

    def test_are_reached_after_a_target_that_fails_in_an_unknown_way(
        self, hub: Hub, stack: ExitStack
    ) -> None:
        def fail() -> socket.socket:
            raise RuntimeError("nobody thought of it")

        ends = hub.agent({"1": fail}, lease=20, work="work-20")
        stack.callback(ends.close)
        for _ in range(TARGETS_A_WORK * 2):
            status, _, body = hub.get("/", lease=20)
            assert (status, b"nobody thought of it" in body) == (502, True)


class TestDeadSpares:
    def test_cost_a_retry_and_nothing_else(self, hub: Hub, echo: EchoServer, stack: ExitStack) -> None:
        """Connections that prove their ticket and then never answer: each is given up after a second."""
        word = ticket(ports=[str(echo.port)])
        dead = [greeted(hub, word) for _ in range(2)]
        for end in dead:
            stack.callback(end.close)
        hub.wait_for_spares(count=2)
        pipe = stack.enter_context(hub.pipe())
        pipe.sendall(b"kept\n")
        pause(0.1)  # the hub turns to a connection that will not answer
        ends = TunnelEnds(hub.url, say=print)
        stack.callback(ends.close)
        target = {str(echo.port): tcp_target(echo.port)}
        ends.serve("work-17", ticket=word, secret=ticket_secret(KEY, word), until=1, targets=target)
        assert pipe.recv(100) == b"kept\n"
        assert echo.served == 1


class TestEnds:
    def test_of_a_lease_ends_its_streams_and_refuses_new_ones(
        self, hub: Hub, agent: TunnelEnds, echo: EchoServer
    ) -> None:
        stream = hub.pipe()
        stream.sendall(b"on\n")
        assert stream.recv(100) == b"on\n"
        hub.tell(lambda: hub.tunnels.works.close_lease(17))
        assert ended(stream)
        with pytest.raises(NotServed, match="over"):
            hub.tunnels.works.find(17, "web")
        # The same ticket, as a replay after the end, is not taken in again.
        assert ended(greeted(hub, ticket(ports=["1"])))

    def test_by_the_ticket_comes_without_any_wake_up(
        self, hub: Hub, echo: EchoServer, stack: ExitStack
    ) -> None:
        ends = hub.agent({str(echo.port): tcp_target(echo.port)}, lease=20, work="work-20", until=2.5)
        stack.callback(ends.close)
        stream = hub.pipe(lease=20)
        stream.sendall(b"on\n")
        assert stream.recv(100) == b"on\n"
        assert ended(stream)

    def test_an_extension_carries_streams_on(self, hub: Hub, agent: TunnelEnds, echo: EchoServer) -> None:
        """The work goes on in lease 21: the agent's next ticket says so, then lease 17 ends."""
        stream = hub.pipe()
        stream.sendall(b"on\n")
        assert stream.recv(100) == b"on\n"
        word = ticket(lease=21, ports=[str(echo.port)], until=7200)
        target = {str(echo.port): tcp_target(echo.port)}
        agent.serve("work-17", ticket=word, secret=ticket_secret(KEY, word), until=2, targets=target)
        until(lambda: hub.tell(lambda: 21 in hub.tunnels.works.token_of))
        hub.tell(lambda: hub.tunnels.works.close_lease(17))
        stream.sendall(b"still\n")
        assert stream.recv(100) == b"still\n"
        assert say_and_hear(hub.pipe(lease=21), b"new\n") == b"new\n"
        stream.close()

    def test_of_the_work_ends_them_from_the_agents_side(self, hub: Hub, agent: TunnelEnds) -> None:
        stream = hub.pipe()
        stream.sendall(b"on\n")
        assert stream.recv(100) == b"on\n"
        agent.forget("work-17")
        assert ended(stream)


class TestHostileNodes:
    """An agent that is what its provider made of it."""

    def taken(self, hub: Hub, answer: bytes) -> tuple[int, bytes]:
        """The answer to a visitor when the agent answers `TAKE` with these bytes."""
        end = greeted(hub, ticket(ports=["1"]))
        hub.wait_for_spares(count=1)
        got: list[tuple[int, bytes]] = []

        def visit() -> None:
            try:
                status, _, body = hub.get("/")
            except http.client.IncompleteRead as cut:
                status, body = 0, cut.partial
            got.append((status, body))

        thread = threading.Thread(target=visit)
        thread.start()
        with end:
            heard = b""
            while b"TAKE 1\n" not in heard:
                heard += end.recv(4096)
            with contextlib.suppress(OSError):
                end.sendall(answer)
                end.shutdown(socket.SHUT_WR)
            thread.join(60)
        assert not thread.is_alive()
        return got[0]

    @pytest.mark.parametrize(
        "answer",
        [
            b"OK\nnot http at all\r\n\r\n",
            b"OK\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"OK\nHTTP/1.1 200 OK\r\nA: b\nSet-Cookie: smuggled=1\r\n\r\n",
            b"OK\nHTTP/1.1 200 OK\nSet-Cookie: smuggled=1\r\nContent-Length: 0\r\n\r\n",
            b"OK\nHTTP/1.1 200 OK\nContent-Type: text/html\n\n<p>smuggled\r\n\r\n",
            b"OK\nHTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 8\r\n\r\nsmuggled",
            b"OK\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\nsmuggled",
            b"OK\nHTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        ],
    )
    def test_that_give_no_proper_answer_are_reported(self, hub: Hub, answer: bytes) -> None:
        status, body = self.taken(hub, answer)
        assert status in {502, 504}
        assert b"smuggled" not in body

    def test_that_cut_an_answer_do_not_make_it_look_whole(self, hub: Hub) -> None:
        status, body = self.taken(hub, b"OK\nHTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
        assert (status, body) == (0, b"short")

    def test_that_send_trailers_without_end_are_cut_off(self, hub: Hub) -> None:
        chunked = b"OK\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        trailers = b"Set-Cookie: smuggled=1\r\n"
        assert self.taken(hub, chunked + b"3\r\nyes\r\n0\r\n" + trailers * 3 + b"\r\n") == (200, b"yes")
        status, body = self.taken(hub, chunked + b"3\r\nyes\r\n0\r\n" + trailers * 20_000 + b"\r\n")
        assert (status, body) == (0, b"yes")

    @pytest.mark.parametrize(
        "chunk", [b"zz\r\n", b"3\r\nno end", b"1;" + b"x" * 5000 + b"\r\n.\r\n", b"-1\r\n"]
    )
    def test_that_spoil_a_body_cut_it_and_say_nothing_in_its_midst(self, hub: Hub, chunk: bytes) -> None:
        chunked = b"OK\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert self.taken(hub, chunked + b"3\r\nyes\r\n" + chunk) in {(0, b"yes"), (0, b"yesno ")}

    def test_do_not_wait_for_a_visitor_whose_body_is_malformed(self, hub: Hub) -> None:
        with greeted(hub, ticket(ports=["1"])) as end:
            hub.wait_for_spares(count=1)
            word = Grant(17, "web", moment().timestamp() + 3600).signed(KEY)
            head = f"POST / HTTP/1.1\r\nHost: 17--web.localhost:{hub.port}\r\nCookie: bazaar-grant={word}\r\n"
            visitor = socket.create_connection(("127.0.0.1", hub.port), timeout=60)
            visitor.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode())
            heard = b""
            while b"TAKE 1\n" not in heard:
                heard += end.recv(4096)
            end.sendall(b"OK\n")
            assert ended(visitor)

    def test_send_nothing_uncounted_around_their_chunks(self, hub: Hub) -> None:
        """Extensions of chunks and trailers are left out, but they were carried."""
        chunked = b"OK\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        long = b"1;" + b"x" * 4000 + b"\r\n.\r\n"
        assert self.taken(hub, chunked + long * 100 + b"0\r\nA: b\r\n\r\n") == (200, b"." * 100)
        assert hub.tell(hub.tunnels.works.counted)[17][1] > 400_000

    def test_that_answer_with_interim_answers_only_are_cut_off(self, hub: Hub) -> None:
        interim = b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"
        final = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
        assert self.taken(hub, b"OK\n" + interim * 3 + final) == (200, b"yes")
        status, _ = self.taken(hub, b"OK\n" + interim * 2000 + final)
        assert status == 502

    def test_cannot_write_lines_into_refusals(self, hub: Hub) -> None:
        status, body = self.taken(hub, b"NO <script>\r\x1b[2J\n")
        assert status == 502
        assert b"\r" not in body

    def test_that_flood_a_spare_connection_fill_no_memory(self, hub: Hub) -> None:
        with greeted(hub, ticket(ports=["1"])) as end:
            hub.wait_for_spares(count=1)
            end.settimeout(2)
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 64 * 1024 * 1024:
                    sent += end.send(bytes(65536))
            (spare,) = hub.tunnels.works.by_token["work-17"].spares
            assert len(spare.received) < 2 * 1024 * 1024
            assert sent < 32 * 1024 * 1024


class TestProof:
    def test_a_ticket_alone_a_forged_one_and_an_old_one_are_refused(self, hub: Hub) -> None:
        good = ticket(ports=["1"])
        assert ended(greeted(hub, good, secret="guessed"))
        for word in (ticket(ports=["1"], key=b"other"), ticket(ports=["1"], expires=-1), "nonsense"):
            end, answer = asked(hub, word)
            assert b" 401 " in answer
            end.close()
        until(lambda: not hub.tunnels.works.by_token)

    def test_a_recorded_connection_cannot_be_played_again(self, hub: Hub) -> None:
        word = ticket(ports=["1"])
        end, answer = asked(hub, word)
        answered = answer_to(answer, word)
        end.sendall(answered)
        hub.wait_for_spares(count=1)
        again, _ = asked(hub, word)
        again.sendall(answered)
        assert ended(again)
        end.close()

    def test_a_handover_that_the_hub_did_not_sign_is_dropped(self, hub: Hub, agent: TunnelEnds) -> None:
        assert ended(hub.pipe(key=b"not the hub's"))

    def test_the_agent_reaches_only_what_was_declared(
        self, hub: Hub, stack: ExitStack, echo: EchoServer
    ) -> None:
        """Even a hub that asks for another port gets none."""
        word = ticket(ports=[str(echo.port), "22"])
        ends = TunnelEnds(hub.url, say=print)
        stack.callback(ends.close)
        target = {str(echo.port): tcp_target(echo.port)}
        ends.serve("work-17", ticket=word, secret=ticket_secret(KEY, word), until=1, targets=target)
        hub.wait_for_spares()
        assert ended(hub.pipe(port="22"))
        assert echo.served == 0

    def test_a_socket_is_not_followed_out_of_its_folder(self, tmp_path: Path) -> None:
        real = tmp_path / "real.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(real))
            listener.listen()
            unix_target(str(real))().close()
            (tmp_path / "link.sock").symlink_to(real)
            with pytest.raises(OSError, match="not a socket"):
                unix_target(str(tmp_path / "link.sock"))()

    def test_a_socket_that_becomes_a_link_at_the_last_moment_is_not_followed(self, tmp_path: Path) -> None:
        """The tenant changes it between the look and the connection, to what only the agent may use."""
        served, engine = tmp_path / "work" / "code.sock", tmp_path / "engine.sock"
        served.parent.mkdir()
        listeners = []
        for path in (served, engine):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen()
            listener.setblocking(False)
            listeners.append(listener)
        target = unix_target(str(served))
        is_swapped = False

        def swap(event: str, _: object) -> None:
            """Called by the interpreter just before the system call."""
            nonlocal is_swapped
            if event == "socket.connect" and not is_swapped and threading.current_thread() is here:
                is_swapped = True
                served.rename(served.with_name("old.sock"))
                served.symlink_to(engine)

        here = threading.current_thread()
        sys.addaudithook(swap)
        target().close()
        assert is_swapped
        listeners[0].accept()[0].close()
        with pytest.raises(BlockingIOError):
            listeners[1].accept()
        for listener in listeners:
            listener.close()


def asked(hub: Hub, word: str) -> tuple[socket.socket, bytes]:
    """An agent's request, and the hub's answer to it."""
    end = socket.create_connection(("127.0.0.1", hub.port), timeout=30)
    head = f"GET /api/market/v1/agent/tunnel HTTP/1.1\r\nHost: hub\r\nX-Work-Ticket: {word}\r\n"
    end.sendall(f"{head}Connection: Upgrade\r\nUpgrade: bazaar-work/1\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += end.recv(4096)
    return end, answer


def answer_to(answer: bytes, word: str, secret: str | None = None) -> bytes:
    challenge = answer.lower().partition(b"x-work-challenge: ")[2].partition(b"\r\n")[0].decode()
    return f"PROOF {proof(secret or ticket_secret(KEY, word), challenge)}\n".encode()


def greeted(hub: Hub, word: str, *, secret: str | None = None) -> socket.socket:
    """A connection that has given its proof."""
    end, answer = asked(hub, word)
    end.sendall(answer_to(answer, word, secret))
    return end


def ended(end: socket.socket) -> bool:
    """True if the other side closes before the socket's time-out. Keep-alive lines are skipped."""
    with end, contextlib.suppress(ConnectionError):
        while end.recv(4096):
            pass
    return True


class TestWords:
    def test_every_refusal_has_its_sentence_in_chinese(self) -> None:
        """The codes are read from the sources, so that a new one cannot be forgotten."""
        folder = Path(words.__file__).parent
        sources = "".join(path.read_text() for path in folder.glob("*.py"))
        codes = set(re.findall(r'NotServed\(\s*\d+,\s*"(\w+)"', sources))
        # Only programs get these two.
        assert codes - {"ticket_refused", "bad_request"} == set(words.CHINESE)
