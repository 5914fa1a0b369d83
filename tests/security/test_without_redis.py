"""Every route of the matrix while Redis hangs: what does not need it answers as ever, the rest says 503.

This Redis takes connections and never answers, so each attempt to ask it lasts as long as the time-out. That
few attempts are made, for all routes together, proves that no request waits for several of them.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from foundation import redis_retries
from tests import clock
from tests.security import market_world, test_market_matrix, test_matrix, world
from tests.security.asking import (
    MARKET_ROWS,
    OTHER_ROWS,
    REPOSITORY_ROWS,
    Answer,
    Row,
    ask,
    for_row,
    outermost,
    values_of,
)

# The clients of Redis in a process: one that waits for answers, and one that does not for long.
CLIENTS = 2
ANSWER_SECONDS = 0.2


class Hanging:
    """A Redis that takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        port = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0?socket_timeout={ANSWER_SECONDS}"

    def connections(self) -> int:
        """The connections that were made to it."""
        count = 0
        self.listener.setblocking(False)
        while True:
            try:
                self.listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@contextmanager
def hanging() -> Iterator[Hanging]:
    """Have this process's Redis hang; asked once, it is left alone until the end of the block.

    Limits apply to programs on this machine too, so every call asks for one.
    """
    with (
        socket.create_server(("127.0.0.1", 0), backlog=512) as listener,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(redis_retries, "PAUSE_SECONDS", 3600.0)
        one = Hanging(listener)
        with override_settings(REDIS_URL=one.url, RATE_LIMIT_LOOPBACK=True):
            yield one


@contextmanager
def building(blocker: DjangoDbBlocker) -> Iterator[None]:
    """A transaction for a world of users and repositories; it is undone."""
    with blocker.unblock(), outermost():
        logging.disable(logging.INFO)
        yield
        logging.disable(logging.NOTSET)
        transaction.set_rollback(True)


@pytest.fixture(scope="class")
def hub(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[world.World]:
    with building(django_db_blocker):
        with clock.before_the_tests():
            built = world.build()
        yield built


@pytest.fixture(scope="class")
def market(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[market_world.MarketWorld]:
    with building(django_db_blocker):
        with clock.before_the_tests():
            built = market_world.build()
        yield built


def walked(rows: list[Row], question: Callable[[Row], Answer]) -> list[str]:
    """The routes that answer otherwise without Redis, but for those that say 503 and when to try again."""
    with_redis = {row.key: question(row) for row in rows}
    wrong = []
    with hanging() as redis:
        for row in rows:
            expected = with_redis[row.key]
            try:
                found = question(row)
            except Exception as error:  # noqa: BLE001 - the test client raises what a server answers with 500
                wrong.append(f"{row.key}: {error!r}")
                continue
            refuses = found.status == 503 and ("Retry-After" in found.headers or row.pattern == "readyz")
            if found.status != expected.status and not refuses:
                wrong.append(f"{row.key}: {expected.status}, without Redis {found.status} {found.body[:80]}")
        assert 1 <= redis.connections() <= CLIENTS
    return wrong


@pytest.mark.django_db
@pytest.mark.timeout(900)
class TestTheHub:
    def test_serves_repositories(self, hub: world.World) -> None:
        place = hub.places["public"]

        def question(row: Row) -> Answer:
            return ask(hub, row, "owner", for_row(row, values_of(hub, "public"), place))

        wrong = walked(REPOSITORY_ROWS, question)
        assert not wrong, "\n".join(wrong)

    @pytest.mark.parametrize("caller", ["owner", "anonymous"])
    def test_serves_everything_else(self, hub: world.World, caller: str) -> None:
        wrong = walked(OTHER_ROWS, lambda row: ask(hub, row, caller, test_matrix.other_values(hub, row)))
        assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
@pytest.mark.timeout(900)
class TestTheMarket:
    @pytest.mark.parametrize("caller", ["trade", "operator"])
    def test_goes_on(self, market: market_world.MarketWorld, caller: str) -> None:
        wrong = walked(MARKET_ROWS, lambda row: self.ask(market, row, caller))
        assert not wrong, "\n".join(wrong)

    @staticmethod
    def ask(market: market_world.MarketWorld, row: Row, caller: str) -> Answer:
        body = test_market_matrix.bodies_of(market, row, caller, bad=False)[0]
        return test_market_matrix.ask(market, row, caller, body, {})


class TestTheWalk:
    def test_sees_a_client_that_waits_again_and_again(self) -> None:
        with hanging() as redis:
            for _ in range(CLIENTS + 1):
                port = redis.listener.getsockname()[1]
                socket.create_connection(("127.0.0.1", port)).close()
            assert redis.connections() > CLIENTS
            assert redis.url == settings.REDIS_URL
