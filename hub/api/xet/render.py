"""From the core to the wire: plans of files, events of a registration, addresses of xorb ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from foundation import addresses
from foundation.errors import Refusal, Unavailable
from hub import blobstore
from hub.api.json import json_bytes
from hub.xet import tokens
from hub.xet.models import xorb_key
from hub.xet.reconstruction import Fetch, Plan
from hub.xet.services import Registered
from hub.xet.tokens import Access
from hub.xet.verification import Progress

Event = Progress | Registered


class Addresses:
    """Addresses of parts of xorbs: at the object store if it signs addresses, else here.

    Each range has an address of its own: old clients take two fetches with one address for the same.
    """

    def __init__(self, request: HttpRequest, access: Access) -> None:
        self._access = access
        self._base = addresses.base_of(request)
        self._expires_s = int(timezone.now().timestamp()) + settings.XET_RANGE_SECONDS
        self._store = blobstore.get_store()

    def of(self, xorb: str, fetch: Fetch) -> str:
        start, end = fetch.stored_start, fetch.stored_end
        signed = self._store.presign_get(
            xorb_key(xorb), expires_seconds=settings.XET_RANGE_SECONDS, byte_range=(start, end)
        )
        if signed is not None:
            return signed
        actor, repository = self._access.actor, self._access.repository
        ours = tokens.SignedRange(
            xorb=xorb,
            start=start,
            end=end,
            expires_s=self._expires_s,
            repository_id=repository.pk,
            user_id=actor.user_id or 0,
            token_id=actor.token.pk if actor.token else 0,
        )
        return (
            f"{self._base}/xet/data/{xorb}?bytes={start}-{end}&expires={self._expires_s}"
            f"&for={ours.repository_id}-{ours.user_id}-{ours.token_id}&signature={ours.signature}"
        )


def plan_v1(plan: Plan, addresses: Addresses) -> dict[str, Any]:
    """Chunk ranges end before `end`, byte ranges at `end`."""
    return _terms(plan) | {
        "fetch_info": {
            xorb: [
                {
                    "range": {"start": fetch.first, "end": fetch.end},
                    "url": addresses.of(xorb, fetch),
                    "url_range": {"start": fetch.stored_start, "end": fetch.stored_end - 1},
                }
                for fetch in fetches
            ]
            for xorb, fetches in plan.fetches.items()
        }
    }


def plan_v2(plan: Plan, addresses: Addresses) -> dict[str, Any]:
    """One entry a range: object stores give no multipart answers."""
    return _terms(plan) | {
        "xorbs": {
            xorb: [
                {
                    "url": addresses.of(xorb, fetch),
                    "ranges": [
                        {
                            "chunks": {"start": fetch.first, "end": fetch.end},
                            "bytes": {"start": fetch.stored_start, "end": fetch.stored_end - 1},
                        }
                    ],
                }
                for fetch in fetches
            ]
            for xorb, fetches in plan.fetches.items()
        }
    }


def _terms(plan: Plan) -> dict[str, Any]:
    return {
        "offset_into_first_range": plan.skip,
        "terms": [
            {
                "hash": term.run.xorb,
                "unpacked_length": term.raw_bytes,
                "range": {"start": term.run.first, "end": term.run.end},
            }
            for term in plan.terms
        ],
    }


def event_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """One JSON object a line; the last one says how it ended."""
    try:
        for event in events:
            yield json_bytes(_event(event)) + b"\n"
    except Refusal as refusal:
        retryable = isinstance(refusal, Unavailable)
        yield json_bytes({"type": "error", "message": str(refusal), "retryable": retryable}) + b"\n"


def _event(event: Event) -> dict[str, Any]:
    if isinstance(event, Registered):
        return {"type": "result", "result": result(event)}
    return {"type": "validating", "verified": event.verified_bytes, "total": event.total_bytes}


def result(event: Registered) -> int:
    """1 when the shard brought something new."""
    return int(event.is_new)
