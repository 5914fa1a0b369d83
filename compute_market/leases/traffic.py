"""Messages between the hub and its tunnels, by Redis.

The hub publishes ended leases and nodes to wake; the tunnels publish counts of bytes.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from datetime import datetime

import redis
from django.db import transaction
from django.db.models import F

from compute_market.leases.models import Lease, LeaseTraffic
from compute_market.tunnels.hub_messages import LEASES_OVER, NODES_WOKEN, TRAFFIC
from foundation.redis_connection import hasty_connection, key

BATCHES_MAX = 500
log = logging.getLogger(__name__)


def tell_over(lease_id: int) -> None:
    """Tell the tunnels, once this transaction has committed, that a lease's streams end."""
    _publish(LEASES_OVER, lease_id)


def wake_node(node_id: int) -> None:
    """Have a node's agent ask what should run, once this transaction has committed."""
    _publish(NODES_WOKEN, node_id)


def _publish(channel: str, number: int) -> None:
    def publish() -> None:
        try:
            hasty_connection().publish(key(channel), str(number))
        except redis.RedisError as error:
            log.warning("tunnel_publish_failed channel=%s number=%s error=%s", channel, number, error)

    transaction.on_commit(publish, robust=True)


def write_down(*, now: datetime) -> int:
    """Add the bytes that were counted to their leases; gives how many leases.

    A batch is taken before it is written: a crash in between loses it, and never counts it twice.
    """
    taken = hasty_connection().lpop(key(TRAFFIC), BATCHES_MAX)
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for batch in taken if isinstance(taken, list) else ():
        for lease, counts in json.loads(batch).items():
            sums[int(lease)] = [have + more for have, more in zip(sums[int(lease)], counts, strict=True)]
    known = set(Lease.objects.filter(pk__in=sums).values_list("pk", flat=True))
    with transaction.atomic(durable=True):
        for lease_id in sorted(known):
            received, sent, streams = sums[lease_id]
            LeaseTraffic.objects.get_or_create(lease_id=lease_id, defaults={"counted_at": now})
            LeaseTraffic.objects.filter(lease_id=lease_id).update(
                bytes_in=F("bytes_in") + received,
                bytes_out=F("bytes_out") + sent,
                streams=F("streams") + streams,
                counted_at=now,
            )
    return len(known)
