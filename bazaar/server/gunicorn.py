"""Gunicorn's settings; `gunicorn -c python:bazaar.server.gunicorn bazaar.wsgi` reads them.

Threads, because a request may be a download that lasts minutes; `sendfile`, because its bytes
should not pass through Python; the raw request line, because `%2F` in a revision must survive.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import multiprocess

from bazaar import logs

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

wsgi_app = "bazaar.wsgi:application"
bind = os.environ.get("BAZAAR_BIND", "127.0.0.1:8000")
worker_class = "bazaar.server.worker.Worker"
# The mock mode keeps its rules in memory: one process, and threads for everybody.
workers = 1 if os.environ.get("BAZAAR_MOCK") == "yes" else int(os.environ.get("BAZAAR_WEB_WORKERS") or 2)
threads = int(os.environ.get("BAZAAR_WEB_THREADS") or 16)
# The application is loaded once and its memory shared by the workers that are forked from it.
preload_app = True
keepalive = 75
backlog = 1024
graceful_timeout = int(os.environ.get("BAZAAR_GRACEFUL_SECONDS") or 10)
# A worker that has not answered its arbiter for this long is replaced; requests may last longer.
timeout = 60
limit_request_line = 8190
limit_request_field_size = 16380
forwarded_allow_ips = os.environ.get("BAZAAR_TRUSTED_PROXIES", "127.0.0.1,::1")
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True
accesslog = None
loglevel = os.environ.get("BAZAAR_LOG_LEVEL", "info").lower()
logconfig_dict = logs.configuration(
    level=loglevel.upper(), as_json=os.environ.get("BAZAAR_LOG_FORMAT") == "json"
)
logconfig_dict["loggers"]["gunicorn.error"] = {"handlers": [], "level": "WARNING", "propagate": True}


def when_ready(server: Arbiter) -> None:
    """Load what the first request would, and keep garbage collection off it: workers share its memory."""
    from django.urls import get_resolver

    assert get_resolver().url_patterns
    gc.collect()
    gc.freeze()


def post_fork(server: Arbiter, worker: Any) -> None:
    """Close what loading may have opened: two processes must not share a connection."""
    from django.db import connections

    connections.close_all()


def child_exit(server: Arbiter, worker: Any) -> None:
    """Take the ended worker's gauges out of the sums; its counts stay."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(server: Arbiter, worker: Any) -> None:
    """Tell Redis what the last requests fetched: workers end without Python's own exit handlers."""
    from hub.downloads import buffer

    buffer.send_last()
