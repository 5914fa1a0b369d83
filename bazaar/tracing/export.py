"""The tracer, the instrumentation of libraries, and the filter of what leaves the hub."""

from __future__ import annotations

import atexit
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status

import bazaar
from foundation import spans

# Standard variables of OpenTelemetry, which an operator may set otherwise.
DEFAULTS = {
    "OTEL_SERVICE_NAME": "model-bazaar",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.1",
    # Seconds. A lost collector costs no more than one thread that waits.
    "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
    # Spans that wait to be sent; more are dropped.
    "OTEL_BSP_MAX_QUEUE_SIZE": "2048",
}
# Requests that come every few seconds and say nothing.
EXCLUDED = "healthz,readyz,metrics,api/market/v1/agent/"
# Only these attributes leave the hub. Libraries add addresses with query strings, headers, and statements of
# SQL, and a new version may add more: what is not known is dropped.
ALLOWED = frozenset(
    {
        "http.method",
        "http.request.method",
        "http.route",
        "http.status_code",
        "http.response.status_code",
        "db.system",
        "db.system.name",
        "messaging.message.id",
        "celery.action",
        "celery.state",
        "celery.task_name",
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "error.type",
        "exception.type",
    }
)
# Attributes of the hub's own spans.
OWN = "bazaar."
NAME_CHARS_MAX = 200
EXIT_SECONDS = 2.0


def start() -> None:
    """Send spans of this process, and of those that are forked from it, to the collector."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    exporter = Filtered(OTLPSpanExporter())
    resource = Resource.create({SERVICE_VERSION: bazaar.__version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    # In this order: what waits is sent for so long, and then dropped.
    atexit.register(provider.shutdown)
    atexit.register(exporter.end_within, EXIT_SECONDS)
    trace.set_tracer_provider(provider)
    # No baggage: it is text of callers.
    set_global_textmap(TraceContextTextMapPropagator())
    _instrument()
    spans.install(OwnSpans(provider.get_tracer("bazaar")))


def _instrument() -> None:
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor  # after the variables are set
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    DjangoInstrumentor().instrument(excluded_urls=EXCLUDED)
    for instrumentor in (CeleryInstrumentor, PsycopgInstrumentor, RedisInstrumentor, BotocoreInstrumentor):
        instrumentor().instrument()


class OwnSpans:
    """The tracer behind `foundation.spans`."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def begin(
        self, name: str, attributes: Mapping[str, spans.Attribute], *, is_parent: bool
    ) -> AbstractContextManager[object]:
        """A span below the present one. Below no span, as in a thread of its own, it begins a trace."""
        named = {f"{OWN}{key}": value for key, value in attributes.items()}
        if is_parent:
            return self._tracer.start_as_current_span(name, attributes=named)
        return self._apart(name, named)

    @contextmanager
    def _apart(self, name: str, attributes: Mapping[str, spans.Attribute]) -> Iterator[None]:
        span = self._tracer.start_span(name, attributes=attributes)
        try:
            yield
        finally:
            span.end()

    def trace_id(self) -> str:
        """See `foundation.spans.Tracer`."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else ""


class Filtered(SpanExporter):
    """Sends spans with the allowed attributes only, and without messages of exceptions."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._ends_at = math.inf

    def end_within(self, seconds: float) -> None:
        """Begin to send no batch after so many seconds: the process ends, perhaps while nobody answers."""
        self._ends_at = time.monotonic() + seconds

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Runs in the thread of the batch processor, or in that which ends the process."""
        if time.monotonic() > self._ends_at:
            return SpanExportResult.FAILURE
        return self._exporter.export([filtered(span) for span in spans])

    def shutdown(self) -> None:
        """Stop sending; an export that waits is given up."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait for what is being sent."""
        return self._exporter.force_flush(timeout_millis)


def filtered(span: ReadableSpan) -> ReadableSpan:
    """The span as it leaves the hub."""
    return ReadableSpan(
        name=span.name[:NAME_CHARS_MAX],
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_allowed(span.attributes),
        events=[Event(event.name, _allowed(event.attributes), event.timestamp) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _allowed(attributes: Mapping[str, object] | None) -> dict[str, spans.Attribute]:
    return {
        key: value
        for key, value in (attributes or {}).items()
        if (key in ALLOWED or key.startswith(OWN)) and isinstance(value, str | int | float | bool)
    }
