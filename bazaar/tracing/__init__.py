"""Traces for OpenTelemetry, switched on by OTEL_EXPORTER_OTLP_ENDPOINT (docs/operate/traces.md).

Needs the extra `otel`. While tracing is off nothing of it is imported, so start time and memory are the same.
"""

from __future__ import annotations

import logging

from django.conf import settings

log = logging.getLogger(__name__)


def start() -> None:
    """Trace this process if an endpoint is set. Call it before Django loads its middleware."""
    if not settings.TRACES_ARE_SENT:
        return
    try:
        from bazaar.tracing import export  # the libraries are an extra
    except ImportError as error:
        log.warning("tracing_unavailable error=%s", error)
        return
    export.start()
