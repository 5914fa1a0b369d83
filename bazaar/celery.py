"""The Celery application and its timetable (beat)."""

import os
import signal
import time
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]
from celery.signals import (
    beat_embedded_init,
    beat_init,
    before_task_publish,
    worker_before_create_process,
    worker_init,
    worker_process_init,
)
from django.conf import settings
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

from bazaar import schema, tracing
from bazaar.server.processes import end_with_parent
from foundation import data_folder_lock
from foundation.garbage_collection import freeze_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")

# Root is who runs in a container, and the tasks are JSON: nothing is unpickled from the queue.
warnings.filterwarnings("ignore", category=SecurityWarning)
# It announces a default of Celery 6, in seven lines, each time Redis is lost.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "bazaar.celery_transport:Transport"))
TRANSPORT_ALIASES["sentinel"] = "bazaar.celery_transport:SentinelTransport"

# The processes of a worker are forked from the one that loads this.
_loaded_by = os.getpid()

app = Celery("bazaar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# The market has a queue a shard, so that an operator can give a busy one its own worker (`-Q market-1`); a
# worker without that option listens to all of them.
app.conf.task_queues = [Queue("celery"), *(Queue(f"market-{n + 1}") for n in range(settings.MARKET_SHARDS))]
app.conf.task_default_queue = "celery"


# The header of a task that says when it was sent, in seconds since 1970.
SENT_AT = "bazaar_sent_at"


@before_task_publish.connect
def _say_when(headers: dict[str, Any], **_: Any) -> None:
    headers[SENT_AT] = time.time()


@worker_init.connect
@beat_init.connect
def _wait_for_data(**_: Any) -> None:
    """Neither a worker nor beat runs beside a restore, or before the migrations of its release."""
    data_folder_lock.share(settings.DATA_DIR)
    schema.wait_until_current()


@worker_before_create_process.connect
def _share_memory(**_: Any) -> None:
    """Keep garbage collection off what is loaded, so that worker processes go on sharing it."""
    freeze_loaded()


@worker_process_init.connect
def _trace(**_: Any) -> None:
    tracing.start()


@worker_process_init.connect
@beat_embedded_init.connect
def _end_with_worker(**_: Any) -> None:
    """No process of a worker outlives the worker. A sweep finds its unfinished work again."""
    end_with_parent(signal.SIGKILL, parent=_loaded_by)


# One line a sweep: the name says what it does, the number how many seconds lie between two runs.
app.conf.beat_schedule = {
    "index-what-a-crash-left-behind": {"task": "hub.revisions.tasks.catch_up", "schedule": 600},
    "purge-deleted-repositories": {"task": "hub.repos.tasks.purge_deleted", "schedule": 3600},
    "remove-stray-git-folders": {"task": "hub.repos.tasks.drop_stray_folders", "schedule": 24 * 3600},
    "collect-unused-large-objects": {"task": "hub.lfs.tasks.collect_objects", "schedule": 3600},
    "let-go-of-unreachable-objects": {"task": "hub.revisions.tasks.drop_unreachable", "schedule": 6 * 3600},
    "pack-what-changed-in-git": {"task": "hub.revisions.tasks.tidy", "schedule": 24 * 3600},
    "cut-whole-objects-into-chunks": {"task": "hub.lfs.tasks.convert_objects", "schedule": 3600},
    "collect-unused-xorbs": {"task": "hub.xet.tasks.collect_unused", "schedule": 6 * 3600},
    "scrub-stored-xorbs": {"task": "hub.xet.tasks.scrub_stored", "schedule": 24 * 3600},
    "deliver-due-webhooks": {"task": "hub.community.tasks.sweep_deliveries", "schedule": 15},
    "tell-untold-events": {"task": "hub.community.tasks.sweep_notices", "schedule": 60},
    "mail-unread-notifications": {"task": "hub.community.tasks.mail_digests", "schedule": 300},
    "delete-old-notices": {"task": "hub.community.tasks.prune_notices", "schedule": 24 * 3600},
    "prune-webhook-log": {"task": "hub.community.tasks.prune_deliveries", "schedule": 24 * 3600},
    "chain-the-audit-log": {"task": "hub.audit.tasks.append_new", "schedule": 10, "options": {"expires": 10}},
    "write-download-counts": {"task": "hub.downloads.tasks.flush", "schedule": 60},
    "sum-the-last-thirty-days": {"task": "hub.downloads.tasks.recount", "schedule": 3600},
    "count-slow-facets": {"task": "hub.search.tasks.count_slow_facets", "schedule": 180},
    "score-trending": {"task": "hub.search.tasks.score_trending", "schedule": 900},
    "follow-prices-with-bands": {"task": "compute_market.matching.tasks.update_bands", "schedule": 300},
    "let-go-of-old-market-news": {"task": "compute_market.matching.tasks.prune", "schedule": 3600},
    "offer-cancelled-hours-again": {
        "task": "compute_market.matching.tasks.relist_cancelled",
        "schedule": 30,
    },
    "drain-forgotten-shards": {"task": "compute_market.matching.tasks.sweep_shards", "schedule": 2},
    "advance-leases": {
        "task": "compute_market.leases.tasks.advance_leases",
        "schedule": 5,
        "options": {"expires": 5},
    },
    "notify-holders-of-leases": {
        "task": "compute_market.leases.tasks.tell_holders",
        "schedule": 10,
        "options": {"expires": 10},
    },
    "notify-traders-of-orders": {
        "task": "compute_market.matching.tasks.tell_traders",
        "schedule": 10,
        "options": {"expires": 10},
    },
    "notify-of-low-balances": {
        "task": "compute_market.ledger.tasks.tell_low_balances",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "count-bytes-of-leases": {
        "task": "compute_market.leases.tasks.count_traffic",
        "schedule": 10,
        "options": {"expires": 10},
    },
    "mark-silent-nodes": {"task": "compute_market.offers.tasks.mark_silent_nodes", "schedule": 5},
    "review-bonds": {"task": "compute_market.offers.tasks.review_bonds", "schedule": 60},
    "keep-the-demo-market-alive": {"task": "compute_market.demo.tasks.tend", "schedule": 20},
    "trade-in-the-demo-market": {"task": "compute_market.demo.tasks.trade", "schedule": 60},
    "take-figures-for-metrics": {
        "task": "bazaar.tasks.take_figures",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "expire-reservations": {"task": "compute_market.ledger.tasks.expire_reservations", "schedule": 60},
    "forget-old-heartbeats": {"task": "compute_market.offers.tasks.forget_old_heartbeats", "schedule": 3600},
}
