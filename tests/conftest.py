"""Fixtures for all tests. The servers behind them start when the first test asks for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.utils import translation
from pytest_django import DjangoDbBlocker

from bazaar import messages
from bazaar.server import processes, redis
from foundation import redis_connection
from tests import clock, described, network
from tests.servers import compared, postgres, s3
from tests.servers.live import LiveBazaar

TESTS = Path(__file__).resolve().parent

network.stay_on_this_machine()

# The time of an example depends on the load of the machine, not on the code, so there is no deadline.
# CI draws the same examples in each run, so that what it says of a commit stays true of it.
hypothesis.settings.register_profile(
    "busy",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("busy")

described.install()
recorded_answers = compared.RecordedAnswers(Path(settings.DATA_DIR) / "answers-of-servers")
if "BAZAAR_COMPARE_SERVERS" in os.environ:
    os.environ[compared.VARIABLE] = str(recorded_answers.path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only PostgreSQL can show, unless DATABASE_URL gives one (`script/test --postgres`)."""
    if connection.vendor == "postgresql":
        return
    left_out = [item for item in items if item.get_closest_marker("postgres")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _translations() -> None:
    """Compile all translations: pages are tested in both languages, also after an edit of a .po file."""
    messages.compile_all()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A request in Chinese leaves its thread speaking Chinese; the next test starts in English."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


@pytest.fixture(autouse=True)
def _answers_of_servers_fit() -> Iterator[None]:
    """The answers of live servers fit their descriptions, where BAZAAR_COMPARE_SERVERS asks for it."""
    yield
    assert recorded_answers.problems() == []


@pytest.fixture(autouse=True)
def _fixed_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """The clocks of this process begin at one moment, for every test that can have it so."""
    path = request.path.relative_to(TESTS).as_posix()
    is_real = clock.is_real_time(path, request.fixturenames)
    with clock.real_time() if is_real else clock.begun_at(clock.BEGUN):
        yield


@pytest.fixture(scope="session", autouse=True)
def _redis() -> Iterator[None]:
    """The Redis that the tests' own Django process talks to."""
    socket_path = Path(settings.REDIS_URL.removeprefix("unix://"))
    folder = Path(settings.DATA_DIR) / "redis"
    with (Path(settings.DATA_DIR) / "redis.log").open("wb") as log:
        process = redis.start(socket_path=socket_path, folder=folder, durable=False, output=log)
    processes.wait_until(lambda: redis.answers(socket_path), what="Redis", process=process)
    yield
    processes.stop(process)


@pytest.fixture(autouse=True)
def _nothing_of_other_tests(_redis: None) -> None:
    """Limits of calls and the cache begin anew: tests of a process come from one address and share its Redis.

    Counts that took long are cached longer, so without this a busy machine decides what the next test sees.
    """
    client = redis_connection.connection()
    others = [redis_connection.key(space).encode() for space in ("limits", "cache")]
    names = [name for name in client.scan_iter(count=10_000) if any(other in name for other in others)]
    if names:
        client.delete(*names)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """On SQLite, tests that commit are cleaned up by deleting rows; the market's log would refuse that."""
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER IF EXISTS matching_command_kept")


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.ObjectStore]:
    """A real S3 server; make a bucket of your own in it."""
    with s3.running(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL with an empty database."""
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def live_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    """A live bazaar on SQLite."""
    with LiveBazaar(tmp_path_factory.mktemp("live")) as bazaar:
        yield bazaar


@pytest.fixture(scope="session")
def live_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[LiveBazaar]:
    """A live bazaar on PostgreSQL."""
    with LiveBazaar(tmp_path_factory.mktemp("live"), database_url=postgres_url) as bazaar:
        yield bazaar


@pytest.fixture(params=["sqlite", "postgres"])
def live_bazaar(request: pytest.FixtureRequest) -> LiveBazaar:
    """A live bazaar shared by the session, once on each database: use names of your own in it."""
    bazaar: LiveBazaar = request.getfixturevalue(f"live_{request.param}")
    return bazaar


@pytest.fixture
def make_bazaar(tmp_path: Path) -> Iterator[Callable[..., LiveBazaar]]:
    """Make live bazaars for one test alone: other settings (as environment variables), or to be killed."""
    with ExitStack() as stack:
        made = 0

        def make(*, database_url: str = "", **variables: str) -> LiveBazaar:
            nonlocal made
            made += 1
            folder = tmp_path / f"bazaar{made}"
            return stack.enter_context(LiveBazaar(folder, database_url=database_url, settings=variables))

        yield make
