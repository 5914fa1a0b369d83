"""The private stream of an account: server-sent events, with resume after a lost connection."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from bazaar_client.market import RETRIED, Market, refusal

# The hub sends a heartbeat every 15 seconds.
SILENCE_SECONDS = 60
RECONNECTS = 8
RECONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Change:
    """One event: a `change`, or `start` or `gap`, which say where to read what is (`body["snapshot"]`)."""

    number: int
    name: str
    body: dict[str, Any]


def follow(market: Market, *, account: str = "", after: int | None = None) -> Iterator[Change]:
    """The changes of an account as they come; those after a number, if one is given. It does not end.

    A lost connection is made again, and goes on behind the last change that came.

    Raises: MarketError; OSError when the market cannot be reached, at first or for half a minute.
    """
    failures = 0
    has_begun = False
    while True:
        try:
            for change in _events(market, account=account, after=after):
                has_begun, failures, after = True, 0, change.number
                yield change
            failures += 1  # it ended; a hub that ends every connection at once is not called forever
            lost: Exception = ConnectionError("the hub ends the stream at once")
        except urllib.error.HTTPError as error:
            with error:
                refused = refusal(error)
            if refused.status not in RETRIED:
                raise refused from None
            failures, lost = failures + 1, refused
        except (OSError, HTTPException) as error:
            if not has_begun:
                raise
            failures, lost = failures + 1, error
        if failures > RECONNECTS:
            raise lost if isinstance(lost, OSError) else ConnectionError(str(lost))
        time.sleep(min(RECONNECT_SECONDS_MAX, 0.1 * 2**failures))


def _events(market: Market, *, account: str, after: int | None) -> Iterator[Change]:
    """The events of one connection."""
    query = f"?{urlencode({'account': account})}" if account else ""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {market.token}"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    request = urllib.request.Request(f"{market.url}/account/stream{query}", headers=headers)  # noqa: S310 - checked
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer:  # noqa: S310
        yield from parse(line.decode(errors="replace").rstrip("\r\n") for line in answer)


def parse(lines: Iterable[str]) -> Iterator[Change]:
    """The events in the lines of a stream; what is cut off or no event of ours is left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.get("id", "").isdecimal() and "data" in fields:
            yield Change(int(fields["id"]), fields.get("event", ""), json.loads(fields["data"]))
        fields = {}
