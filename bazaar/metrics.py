"""The metrics for Prometheus (/metrics), summed over all processes of this machine.

Every process counts in a file of its own in PROMETHEUS_MULTIPROC_DIR; the process that answers adds the files
up. A room therefore uses a plain `prometheus_client.Counter`, in web processes and in workers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import prometheus_client
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bazaar import monitoring, readiness
from compute_market.leases import processes

REQUEST_SECONDS = Histogram(
    "bazaar_http_request_seconds",
    "Time to the start of the response's body.",
    ["method", "status", "door"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
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


def observe(*, method: str, status: int, door: str, seconds: float) -> None:
    """Count one answered request. Unknown methods share a label, so callers cannot create new series."""
    known = method if method in KNOWN_METHODS else "other"
    REQUEST_SECONDS.labels(known, f"{status // 100}xx", door).observe(seconds)


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
        yield from _ways_into_leases()


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
            if sample.name == "bazaar_http_request_seconds_count":
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
    surroundings = CollectorRegistry()
    surroundings.register(Surroundings())
    text = prometheus_client.generate_latest(_registry()) + prometheus_client.generate_latest(surroundings)
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)
