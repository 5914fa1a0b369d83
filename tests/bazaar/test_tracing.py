"""Spans as they leave the hub, and steps that are marked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from bazaar.tracing.export import Filtered, OwnSpans
from foundation import spans

CANARY = "canary7sings"


@pytest.fixture
def sent() -> Iterator[InMemorySpanExporter]:
    """The spans that leave; own spans are on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Filtered(exporter)))
    spans.install(OwnSpans(provider.get_tracer("test")))
    yield exporter
    spans.install(None)
    provider.shutdown()


class TestFilter:
    @pytest.mark.parametrize(
        "name",
        [
            "http.url",
            "url.full",
            "url.query",
            "http.target",
            "http.request.header.authorization",
            "http.user_agent",
            "db.statement",
            "db.query.text",
            "db.query.parameter.0",
            "net.host.name",
            "messaging.destination",
            "aws.s3.key",
            "of.a.later.version",
        ],
    )
    def test_drops_what_it_does_not_know(self, sent: InMemorySpanExporter, name: str) -> None:
        with spans.span("step") as span:
            span.set_attribute(name, CANARY)  # type: ignore[attr-defined]
            span.set_attribute("http.status_code", 200)  # type: ignore[attr-defined]
        [left] = sent.get_finished_spans()
        assert dict(left.attributes or {}) == {"http.status_code": 200}

    def test_keeps_the_kind_of_an_error_and_not_its_text(self, sent: InMemorySpanExporter) -> None:
        with pytest.raises(ValueError, match=CANARY), spans.span("step"):
            raise ValueError(CANARY)
        [left] = sent.get_finished_spans()
        [event] = left.events
        assert dict(event.attributes or {}) == {"exception.type": "ValueError"}
        assert (left.status.status_code, left.status.description) == (StatusCode.ERROR, None)
        assert CANARY not in left.to_json()

    def test_keeps_own_attributes(self, sent: InMemorySpanExporter) -> None:
        with spans.span("step", shard=3):
            pass
        assert dict(sent.get_finished_spans()[0].attributes or {}) == {"bazaar.shard": 3}

    def test_drops_what_waits_when_the_process_ends(self) -> None:
        inner = InMemorySpanExporter()
        exporter = Filtered(inner)
        assert exporter.export([]) is SpanExportResult.SUCCESS
        exporter.end_within(-1)
        assert exporter.export([]) is SpanExportResult.FAILURE


class TestSpans:
    def test_lie_in_the_one_around_them(self, sent: InMemorySpanExporter) -> None:
        with spans.span("outer"), spans.span("inner"):
            trace_id = spans.trace_id()
        inner, outer = sent.get_finished_spans()
        assert inner.parent is not None
        assert outer.context is not None
        assert inner.parent.span_id == outer.context.span_id
        assert f"{outer.context.trace_id:032x}" == trace_id

    def test_of_generators_are_no_parents(self, sent: InMemorySpanExporter) -> None:
        def parts() -> Iterator[int]:
            with spans.span("parts", is_parent=False):
                yield 1

        with spans.span("request"):
            for _ in parts():
                with spans.span("consumer"):
                    pass
        consumer, apart, request = sent.get_finished_spans()
        assert (apart.name, consumer.name) == ("parts", "consumer")
        assert consumer.parent == apart.parent == request.context

    def test_of_functions_are_named(self, sent: InMemorySpanExporter) -> None:
        @spans.traced("blobstore.put")
        def put(size: int) -> int:
            return size

        assert put(7) == 7
        assert [span.name for span in sent.get_finished_spans()] == ["blobstore.put"]

    def test_are_nothing_while_tracing_is_off(self) -> None:
        assert isinstance(spans.span("step", shard=1), nullcontext)
        assert spans.trace_id() == ""
