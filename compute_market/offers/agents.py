"""Authentication of agents: an HMAC over each request, with a number that is used once.

The agent's secret is derived from the hub's own key and the public `agent_key_id`, so the database holds
nothing that could sign. A request carries the time, a nonce, and the fingerprint of the machine; replayed,
delayed and altered requests are refused. An agent has several threads, so requests may arrive in another
order than they were signed in: the last `WINDOW` numbers are each accepted once, as in IPsec (RFC 4303,
3.4.3).

A refusal because of the time or the nonce contains the value that the hub expects, and the agent signs again.
So a node with a wrong clock or a lost counter continues. Only requests with a correct signature get this
answer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.crypto import salted_hmac

from compute_market.offers.errors import (
    AgentClockOff,
    AgentElsewhere,
    AgentRefused,
    AgentReplayed,
    NodeRetired,
)
from compute_market.offers.models import NONCE_WINDOW, Node
from foundation.database.bulk_sql import table_of
from foundation.database.compiled import CompiledQuery
from foundation.database.cursors import prepared_cursor

CLOCK_SKEW_SECONDS = 300
SPEND_TRIES = 8
ENROLMENT_PREFIX = "mbe_"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The signature headers of a request: the time in Unix seconds, the body's SHA-256 in hex."""

    key_id: str
    timestamp: int
    nonce: int
    instance: str
    signature: str
    method: str
    path: str
    body_digest: str

    def text(self) -> bytes:
        """The text that is signed."""
        lines = (self.method, self.path, self.timestamp, self.nonce, self.instance, self.body_digest)
        return "\n".join(str(line) for line in lines).encode()


def new_key_id() -> str:
    return f"mbk_{secrets.token_hex(16)}"


def new_enrolment_key() -> str:
    return ENROLMENT_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """The stored form of an enrolment key. The key has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def agent_key(key_id: str) -> str:
    """The secret half of an agent's key, in hex."""
    return salted_hmac("bazaar.market.agent", key_id, algorithm="sha256").hexdigest()


def sign(request: SignedRequest) -> str:
    """The signature that the request ought to carry."""
    return hmac.new(agent_key(request.key_id).encode(), request.text(), hashlib.sha256).hexdigest()


def is_known(key_id: str) -> bool:
    """True if a node has this key. It does not prove that the sender is that node."""
    return _by_key.first(key_id=key_id) is not None


def authenticate(request: SignedRequest, *, now: datetime) -> Node:
    """The node whose agent sent this; its nonce is spent.

    Raises: AgentRefused (unknown key, wrong signature), NodeRetired, AgentClockOff, AgentElsewhere,
    AgentReplayed.
    """
    node = recognize(request, now=now)
    spend_nonce(node, request.nonce)
    return node


def recognize(request: SignedRequest, *, now: datetime) -> Node:
    """The node whose agent signed this. Its nonce is not looked at: the caller must spend it.

    Raises: as `authenticate`, but for AgentReplayed.
    """
    node = _by_key.first(key_id=request.key_id)
    if node is None or not hmac.compare_digest(sign(request).encode(), request.signature.encode()):
        raise AgentRefused(reason="the key or the signature is wrong")
    if node.state == Node.State.RETIRED:
        raise NodeRetired
    if abs(request.timestamp - now.timestamp()) > CLOCK_SKEW_SECONDS:
        raise AgentClockOff(now=now.isoformat())
    if not hmac.compare_digest(node.instance.encode(), request.instance.encode()):
        raise AgentElsewhere
    return node


def spend_nonce(node: Node, nonce: int, *, heard_at: datetime | None = None) -> None:
    """Note the nonce as used and, for a heartbeat, when it was heard, in the same statement.

    Another request of the node may do so at the same moment: then look again. Raises: AgentReplayed.
    """
    for _ in range(SPEND_TRIES):
        spent = spend(nonce, last=node.last_nonce, seen=node.nonces_seen)
        if spent is None:
            break
        if _note_nonces(node, spent, heard_at):
            node.last_nonce, node.nonces_seen = spent
            return
        node.refresh_from_db(fields=["last_nonce", "nonces_seen"])
    raise AgentReplayed(last_nonce=node.last_nonce)


_by_key = CompiledQuery(
    lambda key_id: Node.objects.select_related("provider").filter(agent_key_id=key_id), key_id="?key"
)


def _note_nonces(node: Node, spent: tuple[int, int], heard_at: datetime | None) -> bool:
    """Write the numbers, unless another request has changed them since the node was read; whether it did.

    A constant statement, prepared: a thousand agents send fifty heartbeats a second.
    """
    heard = connection.ops.adapt_datetimefield_value(heard_at)
    sql = (
        f"UPDATE {table_of(Node)} SET last_nonce = %s, nonces_seen = %s,"  # noqa: S608 - a model's table
        " last_heartbeat_at = COALESCE(%s, last_heartbeat_at)"
        " WHERE id = %s AND last_nonce = %s AND nonces_seen = %s"
    )
    with prepared_cursor() as cursor:
        cursor.execute(sql, [*spent, heard, node.pk, node.last_nonce, node.nonces_seen])
        return int(cursor.rowcount) == 1


def spend(nonce: int, *, last: int, seen: int) -> tuple[int, int] | None:
    """The greatest nonce and the bitmap of those just below it after this one; None if used or too old.

    Bit `i` of `seen` is the number `last - 1 - i`.
    """
    if nonce > last:
        return nonce, ((seen << 1 | 1) << min(nonce - last - 1, NONCE_WINDOW)) & ((1 << NONCE_WINDOW) - 1)
    behind = last - 1 - nonce
    if not 0 <= behind < NONCE_WINDOW or seen >> behind & 1:
        return None
    return last, seen | 1 << behind
