"""How an agent proves who it is: an HMAC over each request, with a number that only ever grows.

The agent's secret is derived from the hub's own key and the public `agent_key_id`, so the database holds
nothing that could sign. A request carries the time, a nonce greater than any before, and the fingerprint of
the machine; replayed, delayed and moved requests are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.utils.crypto import salted_hmac

from compute_market.offers.errors import AgentElsewhere, AgentRefused, AgentReplayed
from compute_market.offers.models import Node

CLOCK_SKEW_SECONDS = 300
ENROLMENT_PREFIX = "mbe_"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What an agent's request says of itself: the time in Unix seconds, the body's SHA-256 in hex."""

    key_id: str
    timestamp: int
    nonce: int
    instance: str
    signature: str
    method: str
    path: str
    body_digest: str

    def text(self) -> bytes:
        """What is signed."""
        lines = (self.method, self.path, self.timestamp, self.nonce, self.instance, self.body_digest)
        return "\n".join(str(line) for line in lines).encode()


def new_key_id() -> str:
    return f"mbk_{secrets.token_hex(16)}"


def new_enrolment_key() -> str:
    return ENROLMENT_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """How an enrolment key is kept. It holds 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def agent_key(key_id: str) -> str:
    """The secret half of an agent's key, in hex."""
    return salted_hmac("bazaar.market.agent", key_id, algorithm="sha256").hexdigest()


def sign(request: SignedRequest) -> str:
    """The signature that the request ought to carry."""
    return hmac.new(agent_key(request.key_id).encode(), request.text(), hashlib.sha256).hexdigest()


def authenticate(request: SignedRequest, *, now: datetime) -> Node:
    """The node whose agent sent this; its nonce is spent.

    Raises: AgentRefused (unknown key, wrong signature, clock too far off), AgentReplayed, AgentElsewhere.
    """
    node = Node.objects.select_related("provider").filter(agent_key_id=request.key_id).first()
    if node is None or not hmac.compare_digest(sign(request).encode(), request.signature.encode()):
        raise AgentRefused(reason="the key or the signature is wrong")
    if node.state == Node.State.RETIRED:
        raise AgentRefused(reason="the node is retired")
    if abs(request.timestamp - now.timestamp()) > CLOCK_SKEW_SECONDS:
        raise AgentRefused(reason=f"its clock is off; it is {now:%FT%TZ} here")
    if not hmac.compare_digest(node.instance.encode(), request.instance.encode()):
        raise AgentElsewhere
    if not Node.objects.filter(pk=node.pk, last_nonce__lt=request.nonce).update(last_nonce=request.nonce):
        raise AgentReplayed(reason="replayed")
    node.last_nonce = request.nonce
    return node
