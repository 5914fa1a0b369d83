"""The metrics for Prometheus (/metrics), summed over all processes of this machine.

Every process counts in a file of its own in PROMETHEUS_MULTIPROC_DIR; the process that answers adds the files
up. A room therefore uses a plain `prometheus_client.Counter`, in web processes and in workers.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from functools import lru_cache

import prometheus_client
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bazaar import figures, monitoring, readiness, sweeps
from compute_market.leases import processes

REQUEST_SECONDS = Histogram(
    "bazaar_http_request_seconds",
    "Time to the start of the response's body.",
    ["door"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 1.0, 2.0, 10.0),
)
REQUESTS = Counter("bazaar_http_requests", "Answered requests.", ["door", "method", "status"])
# By the exact status: 507 is a full disk, 503 a missing dependency, 429 a limit.
ERRORS = Counter("bazaar_http_errors", "Answers of 400 and above, by their exact status.", ["status"])
RECEIVED_BYTES = Counter("bazaar_http_received_bytes", "Bodies of requests, as announced.", ["door"])
SENT_BYTES = Counter("bazaar_http_sent_bytes", "Bodies of answers, as announced.", ["door"])
# Process → what it tells of itself → what that is, and whether it only grows.
WATCHED: dict[str, dict[str, tuple[str, bool]]] = {
    "tunnels": {
        "works": ("Works whose agents are connected.", False),
        "spares": ("Connections of agents that wait for a stream.", False),
        "streams": ("Streams that are open.", False),
        "waiting": ("Visitors that wait for a connection of an agent.", False),
        "nodes": ("Nodes that can be woken.", False),
        "wakeups": ("Times that a node was woken.", True),
        "opened": ("Streams that were opened.", True),
        "bytes_in": ("Bytes towards leases.", True),
        "bytes_out": ("Bytes from leases.", True),
    },
    "ssh": {
        "connections": ("Connections of clients.", False),
        "sessions": ("Shells, commands and file transfers.", False),
        "forwards": ("Forwarded connections.", False),
        "refused": ("Keys that were not let in.", True),
    },
}
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(
    *, method: str, status: int, door: str, seconds: float, received_bytes: int = 0, sent_bytes: int = 0
) -> None:
    """Count one answered request. Unknown methods share a label, so callers cannot create new series."""
    known = method if method in KNOWN_METHODS else "other"
    request, seconds_of, received, sent = _series(door, known, f"{status // 100}xx")
    request.inc()
    seconds_of.observe(seconds)
    if status >= 400:
        ERRORS.labels(str(status)).inc()
    if received_bytes:
        received.inc(received_bytes)
    if sent_bytes:
        sent.inc(sent_bytes)


@lru_cache(maxsize=1024)
def _series(door: str, method: str, status: str) -> tuple[Counter, Histogram, Counter, Counter]:
    """The series of one kind of request. To look four of them up takes longer than to count in them."""
    return (
        REQUESTS.labels(door, method, status),
        REQUEST_SECONDS.labels(door),
        RECEIVED_BYTES.labels(door),
        SENT_BYTES.labels(door),
    )


class Surroundings(Collector):
    """Figures that are computed at each request: dependencies, disk, waiting tasks."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("bazaar_dependency_up", "1 if the dependency answers.", labels=["dependency"])
        for name, problem in readiness.report().items():
            up.add_metric([name], 0.0 if problem else 1.0)
        yield up
        free = shutil.disk_usage(settings.DATA_DIR).free
        yield GaugeMetricFamily("bazaar_disk_free_bytes", "Free space of the data folder.", value=free)
        waiting = GaugeMetricFamily("bazaar_tasks_waiting", "Tasks no worker has taken.", labels=["queue"])
        for queue, length in readiness.queue_lengths().items():
            waiting.add_metric([queue], length)
        yield waiting
        oldest = GaugeMetricFamily(
            "bazaar_queue_oldest_seconds", "Age of the task that has waited longest.", labels=["queue"]
        )
        for queue, seconds in readiness.queue_ages().items():
            oldest.add_metric([queue], seconds)
        yield oldest
        yield from _sweeps()
        yield from _ways_into_leases()
        yield from _figures()


def _sweeps() -> Iterator[Metric]:
    age = GaugeMetricFamily("bazaar_sweep_age_seconds", "Time since its last run.", labels=["sweep"])
    late = GaugeMetricFamily("bazaar_sweep_late", "1 if it did not run when it was due.", labels=["sweep"])
    failed = GaugeMetricFamily(
        "bazaar_sweep_failed", "1 if its last run ended with an error.", labels=["sweep"]
    )
    now = timezone.now()
    for sweep in sweeps.report():
        if sweep.ran_at is None:
            continue
        age.add_metric([sweep.key], max(0.0, (now - sweep.ran_at).total_seconds()))
        late.add_metric([sweep.key], float(sweep.is_late(now)))
        failed.add_metric([sweep.key], float(bool(sweep.error)))
    yield from (age, late, failed)


def _figures() -> Iterator[Metric]:
    """The figures of the database, as a periodic task found them: a request reads no table."""
    found = figures.latest()
    if found is None:
        return
    yield GaugeMetricFamily(
        "bazaar_figures_age_seconds",
        "Age of the figures that are read from the database.",
        value=max(0.0, time.time() - found.taken_at),
    )
    for name, figure in figures.FIGURES.items():
        family = CounterMetricFamily if figure.is_total else GaugeMetricFamily
        metric = family(f"bazaar_{name}", figure.text, labels=figure.labels)
        for labels, value in found.values.get(name, ()):
            metric.add_metric(labels, value)
        yield metric


def _ways_into_leases() -> Iterator[Metric]:
    """The processes that hold long connections tell of themselves by Redis: they share no folder with us."""
    running = processes.running()
    up = GaugeMetricFamily("bazaar_process_up", "How many of them run.", labels=["process"])
    for kind, facts in running.items():
        up.add_metric([kind], len(facts))
    yield up
    for kind, names in WATCHED.items():
        sums = processes.sums(running[kind])
        for name, (text, is_total) in names.items():
            family = CounterMetricFamily if is_total else GaugeMetricFamily
            yield family(f"bazaar_{kind}_{name}", text, value=sums.get(name, 0.0))


def answers() -> dict[str, int]:
    """`2xx`, `3xx`, `4xx`, `5xx` → how many requests were answered so since the start, in all processes."""
    found: dict[str, int] = {}
    for metric in _registry().collect():
        for sample in metric.samples:
            if sample.name == "bazaar_http_requests_total":
                kind = sample.labels["status"]
                found[kind] = found.get(kind, 0) + int(sample.value)
    return dict(sorted(found.items()))


def _registry() -> CollectorRegistry:
    """The counters of all processes, or of this one alone where they share no folder."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return prometheus_client.REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics in Prometheus' text format; callers without the permission get 403."""
    if not monitoring.may_watch(request):
        return HttpResponse(
            "Metrics are read on this machine, or with BAZAAR_METRICS_TOKEN as the Bearer token.\n",
            status=403,
            content_type="text/plain; charset=utf-8",
        )
    return HttpResponse(text(), content_type=prometheus_client.CONTENT_TYPE_LATEST)


def text() -> str:
    """All metrics in Prometheus' text format."""
    surroundings = CollectorRegistry()
    surroundings.register(Surroundings())
    found = prometheus_client.generate_latest(_registry()) + prometheus_client.generate_latest(surroundings)
    return found.decode()
