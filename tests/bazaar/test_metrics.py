"""The metrics for Prometheus: each is described, there are few series, and callers make none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from bazaar import figures, readiness
from bazaar.celery import SENT_AT
from bazaar.tasks import take_figures
from compute_market.leases.signals import lease_moved
from hub.accounts.errors import BadCredentials
from hub.accounts.services import people
from tests.factories import hub
from tests.factories.market import NOON

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "monitoring.md"
SERIES_MAX = 600
# Metrics of prometheus_client itself.
FOREIGN = ("python_", "process_")


@pytest.fixture(autouse=True)
def _no_figures() -> Iterator[None]:
    """The cache outlives a test."""
    cache.delete(figures.KEY)
    yield
    cache.delete(figures.KEY)


def families(client: Client) -> dict[str, dict[str, float]]:
    """Metric → the text of its labels → its value, of each sample that `/metrics` shows."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").content.decode()):
        for sample in family.samples:
            if not sample.name.startswith(FOREIGN) and not sample.name.endswith("_created"):
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def use_everything(client: Client) -> None:
    """Make each metric appear that only appears with an event."""
    hub.user("metrics-1", password="a long enough word")
    people.sign_in(name="metrics-1", password="a long enough word", address="192.0.2.1")
    with pytest.raises(BadCredentials):
        people.sign_in(name="metrics-1", password="another word", address="192.0.2.1")
    lease_moved.send_robust(sender=None, lease_id=1, node_id=1, state="lost", now=NOON)
    take_figures.apply()
    client.get("/none-such")
    client.post("/login", {"username": "x"})


@pytest.mark.django_db
class TestMetrics:
    def test_each_is_described_on_the_page_and_there(self, client: Client) -> None:
        use_everything(client)
        shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in families(client)}
        described = set(re.findall(r"^\| `(bazaar_\w+)` \|", PAGE.read_text(), re.MULTILINE))
        event_driven = {"bazaar_task_failures_total", "bazaar_git_seconds", "bazaar_sweep_age_seconds"}
        only_postgresql = {"bazaar_database_connections", "bazaar_database_oldest_transaction_seconds"}
        per_row = {"bazaar_market_commands_waiting", "bazaar_sweep_late", "bazaar_sweep_failed"}
        assert shown - described == set()
        assert described - shown <= event_driven | only_postgresql | per_row
        assert len(described) >= 40

    def test_callers_make_no_series(self, client: Client) -> None:
        use_everything(client)
        before = sum(len(series) for series in families(client).values())
        for number in range(50):
            client.generic(f"M{number}", f"/odd-{number}", HTTP_USER_AGENT=f"agent {number}")
            client.get(f"/models?search={number}")
        after = sum(len(series) for series in families(client).values())
        assert after - before < 40
        assert after < SERIES_MAX

    def test_requests_count_by_door_with_their_bytes(self, client: Client) -> None:
        def count(name: str, labels: str) -> float:
            return families(client).get(name, {}).get(labels, 0.0)

        labels = "door=hub.api.hf,method=GET,status=4xx"
        before, sent = (
            count("bazaar_http_requests_total", labels),
            count("bazaar_http_sent_bytes_total", "door=hub.api.hf"),
        )
        errors = count("bazaar_http_errors_total", "status=404")
        response = client.get("/api/models/nobody/nothing")
        assert response.status_code == 404
        assert count("bazaar_http_requests_total", labels) == before + 1
        assert count("bazaar_http_errors_total", "status=404") == errors + 1
        assert count("bazaar_http_sent_bytes_total", "door=hub.api.hf") == sent + len(response.content)

    def test_a_request_for_metrics_reads_no_table_that_grows(self, client: Client) -> None:
        """It reads the list of applied migrations, and with it SQLite's list of tables."""
        take_figures.apply()
        with CaptureQueriesContext(connection) as queries:
            client.get("/metrics")
        read = re.findall(r'\bFROM\s+"?(\w+)', " ".join(query["sql"] for query in queries))
        assert not set(read) - {"django_migrations", "sqlite_master", "pg_catalog"}


@pytest.mark.django_db
class TestFigures:
    def test_each_that_is_declared_has_a_value(self) -> None:
        hub.user("figures-1")
        take_figures.apply()
        found = figures.latest()
        assert found is not None
        values = {
            name: {tuple(labels): value for labels, value in rows} for name, rows in found.values.items()
        }
        assert values["users"][()] >= 1
        assert values["repositories"][("model",)] == 0
        assert values["market_ledger_imbalance"][()] == 0
        for name, rows in values.items():
            assert all(len(labels) == len(figures.FIGURES[name].labels) for labels in rows), name
        without = {name for name, rows in values.items() if not rows}
        allowed = {"market_commands_waiting"}
        if connection.vendor != "postgresql":
            allowed |= {"database_connections", "database_oldest_transaction_seconds"}
        assert without <= allowed

    def test_are_absent_when_no_worker_takes_them(self, client: Client) -> None:
        assert figures.latest() is None
        assert "bazaar_users" not in families(client)


class TestQueueAges:
    def test_a_message_says_when_it_was_sent(self) -> None:
        message = json.dumps({"headers": {SENT_AT: 100.0}}).encode()
        assert readiness.sent_at(message, 160.0) == 100.0

    @pytest.mark.parametrize(
        "message", [None, b"", b"[]", b"{}", b'{"headers": null}', b'{"headers": {"bazaar_sent_at": "x"}}']
    )
    def test_a_message_that_does_not_say_counts_as_new(self, message: bytes | str | None) -> None:
        assert readiness.sent_at(message, 160.0) == 160.0

    def test_a_waiting_task_has_an_age(self) -> None:
        key = readiness._queue_keys()["celery"]
        client = readiness.hasty_connection()
        client.rpush(key, json.dumps({"headers": {SENT_AT: 0.0}}))
        try:
            assert readiness.queue_ages()["celery"] > 10**9
        finally:
            client.rpop(key)
