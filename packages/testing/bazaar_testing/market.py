"""The market of a test, seen from the test. Standard library only.

Amounts are micro-credits, prices micro-credits per GPU-hour, as everywhere in the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bazaar_client import Market as Client

if TYPE_CHECKING:
    from bazaar_testing.hub import ModelHub

CREDIT_MICROS = 1_000_000


@dataclass(frozen=True)
class Offer:
    """A machine under a fake runner, and the sell order by which its GPUs are on the book."""

    _hub: ModelHub
    order: int
    node: int
    provider: str

    def silence(self) -> None:
        """The machine is not heard from any more: it stops trading, and its leases are lost."""
        self._hub.ask("POST", f"/_mock/market/nodes/{self.node}", {"silent": True})

    def break_down(self, reason: str = "no driver") -> None:
        """Leases that begin on the machine fail there."""
        self._hub.ask("POST", f"/_mock/market/nodes/{self.node}", {"broken": reason})

    def wake(self) -> None:
        """All is well with the machine again."""
        self._hub.ask("DELETE", f"/_mock/market/nodes/{self.node}")


class Clock:
    """The market's time. It changes only when the test moves it."""

    def __init__(self, hub: ModelHub) -> None:
        self._hub = hub

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self._hub.ask("GET", "/_mock/market/clock")["now"])

    def freeze(self, at: datetime | str | None = None) -> datetime:
        """Stand still, at this moment if one is given. Back it goes only before the first order."""
        return self._move({"speed": 0} if at is None else {"at": _text(at)})

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move on, by way of everything that falls due; gives the time it is then."""
        return self._move({"seconds": ((days * 24 + hours) * 60 + minutes) * 60 + seconds})

    def advance_to(self, at: datetime | str) -> datetime:
        """Move on to a moment, such as a lease's `end`."""
        return self._move({"at": _text(at)})

    def run(self, *, speed: float = 3600) -> None:
        """Go on by itself, by default an hour a second: for programs that wait for something."""
        self._move({"speed": speed})

    def _move(self, body: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(self._hub.ask("POST", "/_mock/market/clock", body)["now"])


class Market:
    """The compute market of the test's hub."""

    def __init__(self, hub: ModelHub) -> None:
        self._hub = hub
        self.clock = Clock(hub)

    @property
    def url(self) -> str:
        """The root of its API."""
        return f"{self._hub.url}/api/market/v1"

    @property
    def client(self) -> Client:
        """The market's own Python client, signed in as the tester."""
        return self.client_of(self._hub.token)

    def client_of(self, token: str) -> Client:
        """The same for somebody else, as `model_hub.add_user("rival")` gives their token."""
        return Client(self._hub.url, token)

    # ---- what is in it --------------------------------------------------------------------------

    def list_product(self, product: str) -> int:
        """Open a product of the catalogue, `GPU.REGION.TIER.INTERCONNECT`; gives its reference price.

        `offer` and `bid` do it by themselves.
        """
        answer = self._hub.ask("POST", "/_mock/market/products", {"product": product})
        return int(answer["reference_price_micros"])

    def deposit(self, account: str, amount_micros: int) -> None:
        """Put money into somebody's account."""
        body = {"account": account, "amount_micros": amount_micros}
        self._hub.ask("POST", "/_mock/market/deposits", body)

    def offer(
        self,
        product: str,
        *,
        gpus: int = 8,
        hours: int = 24,
        price_micros: int | None = None,
        start: datetime | str | None = None,
        provider: str | None = None,
    ) -> Offer:
        """Put a machine on the book: for `hours` from the next full hour on, at the reference price."""
        body = _line(product, gpus, hours, price_micros, start) | {"provider": provider}
        answer = self._hub.ask("POST", "/_mock/market/offers", body)
        return Offer(self._hub, answer["order"], answer["node"], answer["provider"])

    def bid(
        self,
        product: str,
        *,
        gpus: int = 8,
        hours: int = 24,
        price_micros: int | None = None,
        start: datetime | str | None = None,
        buyer: str | None = None,
    ) -> int:
        """Put somebody's buy order on the book, with the money for it; gives the order's id."""
        body = _line(product, gpus, hours, price_micros, start) | {"buyer": buyer}
        return int(self._hub.ask("POST", "/_mock/market/bids", body)["order"])

    def command(
        self,
        command: str,
        *,
        exit_code: int = 0,
        log: str | Sequence[str] = "",
        minutes: float | None = 0.0,
    ) -> None:
        """Script the commands that match (a glob over their words): what they print, how and when they end.

        `minutes` are the market's; None: they run until they are stopped.
        """
        body = {"command": command, "exit_code": exit_code, "minutes": minutes}
        body["log"] = log if isinstance(log, str) else list(log)
        self._hub.ask("POST", "/_mock/market/commands", body)

    # ---- what happens in it ---------------------------------------------------------------------

    def halt(self, product: str | None = None) -> list[str]:
        """Stop the trade in a product, or in all; gives which."""
        return list(self._hub.ask("POST", "/_mock/market/halt", {"product": product})["products"])

    def resume(self, product: str | None = None) -> list[str]:
        """Let the trade go on."""
        return list(self._hub.ask("DELETE", "/_mock/market/halt", {"product": product})["products"])

    def settle(self) -> None:
        """Do everything that is due now; moving the clock does so by itself."""
        self._hub.ask("POST", "/_mock/market/settle")

    def audit(self) -> list[str]:
        """Violated invariants of the market, one sentence each."""
        return list(self._hub.ask("GET", "/_mock/market/audit")["findings"])


def _line(
    product: str, gpus: int, hours: int, price_micros: int | None, start: datetime | str | None
) -> dict[str, Any]:
    line = {"product": product, "gpus": gpus, "hours": hours, "price_micros": price_micros}
    return line | {"start": None if start is None else _text(start)}


def _text(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()
