"""An agent's spare connection, from its request until it waits for a stream.

The agent received the ticket in a signed call. A challenge proves that the connecting program also holds its
secret, so a recorded connection cannot be repeated.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time

from compute_market.tunnels import heads
from compute_market.tunnels.ends import End, EndClosed, TooLong
from compute_market.tunnels.grants import GrantRefused, Ticket, proof, ticket_secret
from compute_market.tunnels.visits import refusal_bytes
from compute_market.tunnels.works import NotServed, Works

PROTOCOL = "bazaar-work/1"
TICKET_HEADER = "x-work-ticket"
CHALLENGE_HEADER = "x-work-challenge"
PROOF_SECONDS = 10.0


async def greet(end: End, request: heads.Request, *, works: Works, key: bytes) -> bool:
    """Let an agent prove its ticket and wait. False: the connection is refused and closed."""
    word = heads.value(request.headers, TICKET_HEADER)
    try:
        ticket = Ticket.read(key, word, now=time.time())
    except GrantRefused as error:
        end.write(refusal_bytes(request, NotServed(401, "ticket_refused", str(error)), is_last=True))
        end.close()
        return False
    challenge = secrets.token_hex(16)
    answer = [("connection", "upgrade"), ("upgrade", PROTOCOL), (CHALLENGE_HEADER, challenge)]
    end.write(heads.render("HTTP/1.1 101 Switching Protocols", answer))
    wanted = f"PROOF {proof(ticket_secret(key, word), challenge)}\n".encode()
    try:
        async with asyncio.timeout(PROOF_SECONDS):
            given = await end.read_until(b"\n", limit=len(wanted))
    except (TimeoutError, EndClosed, TooLong):
        end.abort()
        return False
    except asyncio.CancelledError:
        end.abort()
        raise
    if not hmac.compare_digest(given, wanted) or not works.add_spare(ticket, end):
        end.abort()
        return False
    return True
