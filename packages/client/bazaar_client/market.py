"""The market over HTTP. Amounts are micro-credits; prices are micro-credits per GPU-hour."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

TIMEOUT_SECONDS = 60
RETRIES = 4
PAUSE_SECONDS_MAX = 30.0
RETRIED = frozenset({429, 502, 503, 504})


class MarketError(Exception):
    """The market said no. `code` is its word for why, `details` the whole answer."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any]) -> None:
        self.status, self.code, self.details = status, code, details
        super().__init__(message)


class Market:
    """One market, as one user. Calls that change something are safe to repeat after a lost answer."""

    def __init__(self, url: str, token: str = "") -> None:
        """`url` is the hub's address, such as http://127.0.0.1:8000."""
        if not url.startswith(("http://", "https://")):
            raise ValueError("the market's address begins with http:// or https://")
        self.hub, self.token = url.rstrip("/"), token
        self.url = f"{self.hub}/api/market/v1"

    # ---- reads -----------------------------------------------------------------------------------

    def products(self, **query: Any) -> list[dict[str, Any]]:
        """Products: gpu=, region=, memory_gb__gte=, spec= …"""
        return list(self.call("GET", "products", query=query)["items"])

    def book(self, product: str, **window: Any) -> dict[str, Any]:
        return self.call("GET", f"products/{product}/book", query=window)

    def ticker(self, product: str) -> dict[str, Any]:
        return self.call("GET", f"products/{product}/ticker")

    def tickers(self, **query: Any) -> list[dict[str, Any]]:
        """Every product that a search finds, at a glance."""
        return list(self.call("GET", "tickers", query=query)["items"])

    def quote(self, *, gpus: int, hours: int, **query: Any) -> list[dict[str, Any]]:
        """The cheapest ways to get so many GPUs for so long, cheapest first."""
        return list(self.call("GET", "quote", query={"gpus": gpus, "hours": hours, **query})["items"])

    def orders(self, **query: Any) -> Iterator[dict[str, Any]]:
        return self.pages("orders", query)

    def leases(self, **query: Any) -> Iterator[dict[str, Any]]:
        return self.pages("leases", query)

    def lease(self, lease_id: int) -> dict[str, Any]:
        return self.call("GET", f"leases/{lease_id}")

    def order(self, order_id: int) -> dict[str, Any]:
        return self.call("GET", f"orders/{order_id}")

    def explain(self, order_id: int) -> dict[str, Any]:
        return self.call("GET", f"orders/{order_id}/explain")

    def balance(self, account: str = "") -> list[dict[str, Any]]:
        return list(self.call("GET", "balance", query={"account": account} if account else {})["items"])

    def statement(self, account: str = "") -> Iterator[dict[str, Any]]:
        """Movements of an account, newest first."""
        query: dict[str, Any] = {"account": account} if account else {}
        while True:
            page = self.call("GET", "statement", query=query)
            yield from page["items"]
            if page["next"] is None:
                return
            query["before"] = page["next"]

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "nodes")["items"])

    def logs(self, lease_id: int, after: int = 0) -> dict[str, Any]:
        return self.call("GET", f"leases/{lease_id}/logs", query={"after": after})

    def ports(self, lease_id: int) -> dict[str, Any]:
        """The ports that run in a lease, their addresses, and how to log in by ssh."""
        return self.call("GET", f"leases/{lease_id}/ports")

    def port(self, lease_id: int, port: str) -> dict[str, Any]:
        return self.call("GET", f"leases/{lease_id}/ports/{port}")

    def pages(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Every row of a paged list."""
        cursor: str | None = None
        while True:
            page = self.call("GET", path, query={**query, **({"cursor": cursor} if cursor else {})})
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    # ---- orders and leases -----------------------------------------------------------------------

    def place(self, *, wait: float = 0, **order: Any) -> dict[str, Any]:
        """Place an order; `wait` seconds for its outcome. A client_order_id is made if none is given."""
        body = {"client_order_id": uuid4().hex, **order}
        for name in ("start", "end", "expires_at"):
            if isinstance(body.get(name), datetime):
                body[name] = body[name].astimezone(UTC).isoformat()
        return self.call("POST", "orders", body=body, query={"wait": wait} if wait else {})

    def amend(self, order_id: int, *, wait: float = 0, **change: Any) -> dict[str, Any]:
        """Ask for another limit_price or total of gpus; `amendment` in the answer tells what became of it."""
        return self.call("PATCH", f"orders/{order_id}", body=change, query={"wait": wait} if wait else {})

    def cancel(self, order_id: int) -> dict[str, Any]:
        return self.call("DELETE", f"orders/{order_id}")

    def cancel_all(self, product: str = "") -> dict[str, Any]:
        return self.call("POST", "orders/cancel-all", body={"product": product} if product else {})

    def run(self, lease_id: int, command: list[str], **options: Any) -> dict[str, Any]:
        return self.call("POST", f"leases/{lease_id}/work", body={"command": command, **options})

    def link(self, lease_id: int, port: str, *, hours: int = 1) -> dict[str, Any]:
        """An address that opens the port for some hours, for everybody who has it."""
        return self.call("POST", f"leases/{lease_id}/ports/{port}/links", body={"hours": hours})

    def stop(self, lease_id: int) -> dict[str, Any]:
        """Stop what runs in a lease; the lease goes on."""
        return self.call("DELETE", f"leases/{lease_id}/work")

    def end(self, lease_id: int) -> dict[str, Any]:
        return self.call("POST", f"leases/{lease_id}/end", body={})

    # ---- the wire --------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One call. Busy answers and broken connections are tried again, for what may be repeated.

        Raises: MarketError, OSError when the market cannot be reached.
        """
        url = f"{self.url}/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - checked
        # New orders carry their own id, so repeating one places it once.
        repeatable = method in {"GET", "DELETE"} or path == "orders"
        for attempt in range(RETRIES):
            last = attempt == RETRIES - 1
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    return dict(json.load(answer))
            except urllib.error.HTTPError as error:
                with error:
                    refused = refusal(error)
                if refused.status not in RETRIED or last or not repeatable:
                    raise refused from None
                time.sleep(pause_seconds(error.headers.get("Retry-After"), attempt))
            except urllib.error.URLError:
                if last or not repeatable:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")


def pause_seconds(said: str | None, attempt: int) -> float:
    """Seconds before the next attempt: the market's `Retry-After`, if it is a number and not long."""
    if said is not None and said.isascii() and said.isdecimal() and len(said) < 10:
        return min(float(said), PAUSE_SECONDS_MAX)
    return 0.2 * 2.0**attempt


def refusal(error: urllib.error.HTTPError) -> MarketError:
    """The market's message, from its answer."""
    try:
        details = json.load(error)
    except ValueError:
        details = {}
    message = str(details.get("detail") or error.reason)
    if errors := details.get("errors"):
        message += " " + json.dumps(errors, ensure_ascii=False)
    return MarketError(error.code, str(details.get("code", "")), message, details)
