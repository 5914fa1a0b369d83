"""From the core to the wire: plans of files, events of a registration, addresses of xorb ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from foundation import addresses
from foundation.errors import Refusal, Unavailable
from hub import blobstore
from hub.api.structs import Answer, encoded
from hub.api.xet import answers
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


def plan_v1(plan: Plan, addresses: Addresses) -> answers.PlanV1:
    return answers.PlanV1(
        offset_into_first_range=plan.skip,
        terms=_terms(plan),
        fetch_info={
            xorb: [
                answers.FetchV1(range=_chunks(fetch), url=addresses.of(xorb, fetch), url_range=_bytes(fetch))
                for fetch in fetches
            ]
            for xorb, fetches in plan.fetches.items()
        },
    )


def plan_v2(plan: Plan, addresses: Addresses) -> answers.PlanV2:
    """One entry a range: object stores give no multipart answers."""
    return answers.PlanV2(
        offset_into_first_range=plan.skip,
        terms=_terms(plan),
        xorbs={
            xorb: [
                answers.FetchV2(
                    url=addresses.of(xorb, fetch),
                    ranges=[answers.RangeV2(chunks=_chunks(fetch), bytes=_bytes(fetch))],
                )
                for fetch in fetches
            ]
            for xorb, fetches in plan.fetches.items()
        },
    )


def _chunks(fetch: Fetch) -> answers.Span:
    return answers.Span(start=fetch.first, end=fetch.end)


def _bytes(fetch: Fetch) -> answers.Span:
    return answers.Span(start=fetch.stored_start, end=fetch.stored_end - 1)


def _terms(plan: Plan) -> list[answers.Term]:
    return [
        answers.Term(
            hash=term.run.xorb,
            unpacked_length=term.raw_bytes,
            range=answers.Span(start=term.run.first, end=term.run.end),
        )
        for term in plan.terms
    ]


def event_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """One JSON object a line; the last one says how it ended."""
    try:
        for event in events:
            yield encoded(_event(event)) + b"\n"
    except Refusal as refusal:
        failed = answers.Failed(
            type="error", message=str(refusal), retryable=isinstance(refusal, Unavailable)
        )
        yield encoded(failed) + b"\n"


def _event(event: Event) -> Answer:
    if isinstance(event, Registered):
        return answers.Ended(type="result", result=result(event))
    return answers.Validating(type="validating", verified=event.verified_bytes, total=event.total_bytes)


def result(event: Registered) -> int:
    """1 when the shard brought something new."""
    return int(event.is_new)
