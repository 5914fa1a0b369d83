"""Structured logs: one event a line, with the request it belongs to.

Readable on a terminal, JSON where a collector reads them (BAZAAR_LOG_FORMAT=json). An exception is logged
with its frames, but without their local variables: those hold passwords and tokens, and writing a deep
structure out can take minutes.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

import structlog

from foundation import spans

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Of an exception's frames, the first and the last ones: a recursion has a thousand.
FRAMES_MAX = 50
# A message such as "xorb_damaged xorb=%s": the name of an event, and its fields.
EVENT = re.compile(r"[a-z][a-z0-9_]+(?: [a-z_]+=(?:%[sdr]|[a-z0-9_]+))*")
FIELD = re.compile(r" ([a-z_]+)=(%[sdr]|[a-z0-9_]+)")


def name_fields(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take the fields of an event out of its message: `event` is then a name that programs can look for."""
    message, words = line["event"], line.get("positional_args", ())
    if isinstance(words, Mapping):
        # Celery names the words of its messages.
        line["event"] = str(message) % words
        del line["positional_args"]
    elif isinstance(message, str) and EVENT.fullmatch(message):
        line["event"], _, rest = message.partition(" ")
        given = iter(words)
        for field, value in FIELD.findall(f" {rest}"):
            word = next(given, "") if value.startswith("%") else value
            line[field] = word if isinstance(word, int | float | str) else str(word)
        line.pop("positional_args", None)
    return line


# Characters that begin a new line on a terminal, control it, or change the direction of text.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
# Fields that Django adds to its lines. The access line says the same.
OF_DJANGO = ("request", "status_code")


def shorten(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The short form of a line for a person at a terminal; JSON keeps the name of the event and all fields.

    `http_request` becomes `GET /models 200 12 ms`, with the id of the request only if the answer is 5xx.
    """
    for field in OF_DJANGO:
        line.pop(field, None)
    if line["event"] != "http_request":
        return line
    path = str(line.pop("path", "")).replace(" ", "%20")
    status, milliseconds = line.pop("status", 0), line.pop("ms", 0)
    line["event"] = f"{line.pop('method', '')} {path} {status} {milliseconds:.0f} ms"
    kept = {"event", "timestamp", *(("request_id",) if status >= 500 else ())}
    return {field: value for field, value in line.items() if field in kept}


def keep_on_one_line(
    logger: Any, method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters of the message; the values of fields are escaped where they are written."""
    line["event"] = str(line["event"]).translate(CONTROLS)
    return line


def add_trace_id(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name the trace that a line belongs to, if tracing is on."""
    if trace_id := spans.trace_id():
        line["trace_id"] = trace_id
    return line


SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    add_trace_id,
    name_fields,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ExtraAdder(),
    structlog.processors.StackInfoRenderer(),
]


def is_a_fault(record: logging.LogRecord) -> bool:
    """False for an answer 501: part of a wire is not served, and clients ask for it on each of their runs."""
    return getattr(record, "status_code", None) != 501


def configuration(*, level: str, as_json: bool, error_dsn: str = "") -> dict[str, Any]:
    """Django's LOGGING, and structlog set up to write through it.

    Both `structlog.get_logger()` and `logging.getLogger()` end in the same line format. With `error_dsn`
    errors are reported there as well.
    """
    clock = structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json)
    shared: list[structlog.typing.Processor] = [*SHARED, clock]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Written as a list, so that the renderer's own type does not narrow it.
    finish: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=FRAMES_MAX)
        finish += [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    else:
        colours = "NO_COLOR" not in os.environ and bool(os.environ.get("BAZAAR_LOG_COLOURS"))
        console = structlog.dev.ConsoleRenderer(
            colors=colours,
            pad_event_to=0,
            pad_level=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        finish += [shorten, keep_on_one_line, console]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": finish,
                "use_get_message": False,
                "pass_foreign_args": True,
            },
        },
        "filters": {"faults": {"()": lambda: is_a_fault}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            # A class by its name, so that it is imported only where it is used.
            **(
                {"reports": {"class": "bazaar.error_reports.ErrorReports", "dsn": error_dsn}}
                if error_dsn
                else {}
            ),
        },
        "root": {"handlers": ["console", *(["reports"] if error_dsn else [])], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            # A 4xx is the caller's mistake and is in the access line already; crashes are logged as errors.
            "django.request": {"level": "ERROR", "filters": ["faults"]},
            "django.security.BodyRefused": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "propagate": True},
            "urllib3": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            "boto3": {"level": "WARNING"},
        },
    }
