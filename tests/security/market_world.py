"""Traders and their property, for the market's matrix."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.test import Client

from compute_market.leases import jobs as leasing
from compute_market.leases import services as leases
from compute_market.leases.models import Lease
from compute_market.ledger import postings
from compute_market.ledger.models import Account
from compute_market.matching.intake import services as trading
from compute_market.offers.models import Node
from foundation.clock import database_now, floor_minute
from hub.accounts import services as accounts
from hub.accounts.models import Role, User
from hub.accounts.principals import Principal
from hub.accounts.selectors import principal_for_token
from hub.accounts.services import Grant
from tests.factories import exchange, market
from tests.factories import hub as make
from tests.factories.market import NOON

TEAM = "orga"
# Names that only their owners may see: of an order, of a node.
MARKET_CANARIES = ("canary-order", "canary-node")
PEOPLE = {
    "rival": "rita",
    "trade": "olga",
    "member": "mel",
    "clerk": "clara",
    "provider": "pia",
    "operator": "otto",
}


@dataclass
class MarketWorld:
    """The result of `build`: people and tokens by caller, and the ids that routes name, by variant."""

    people: dict[str, User]
    secrets: dict[str, str]
    values: dict[str, str]
    variants: dict[str, dict[str, str]]
    forged: dict[str, str]
    anonymous: Client = field(default_factory=Client)
    sessions: dict[str, Client] = field(default_factory=dict)

    def name(self, caller: str) -> str:
        """The name of a caller's own account; olga's other tokens are hers."""
        return self.people[caller if caller in self.people else "trade"].name


def build() -> MarketWorld:
    people = {caller: make.user(name) for caller, name in PEOPLE.items()}
    people["stranger"] = people["rival"]
    olga = people["trade"]
    User.objects.filter(pk=people["operator"].pk).update(is_staff=True)
    roles = {olga: Role.ADMIN, people["member"]: Role.READ, people["clerk"]: Role.WRITE}
    team = make.organization(TEAM, roles)
    for namespace_id in (olga.namespace_id, team.pk):
        market.fund(namespace_id, 100_000)
    secrets = _tokens(people)
    owner, provider = Principal(user=olga), Principal(user=people["provider"])
    machine, traded = market.node(provider), exchange.product()
    own_node = market.node(owner, name=MARKET_CANARIES[1])
    lease = _running(machine, owner)
    order = exchange.buy(owner, traded, 1, 6, client_order_id=MARKET_CANARIES[0])
    bought = exchange.buy(principal_for_token(secrets["deploy"], now=NOON), traded, 1, 6)
    teams = trading.place_order(
        actor=owner,
        namespace_id=team.pk,
        request=exchange.request(traded, exchange.BUY, 1, 6, client_order_id=MARKET_CANARIES[0]),
        now=NOON,
    )
    return MarketWorld(
        people=people,
        secrets=secrets,
        values={
            "slug": traded.slug,
            "port": "web",
            "order_id": str(order.pk),
            "lease_id": str(lease.pk),
            "node_id": str(own_node.pk),
        },
        variants={"#team": {"order_id": str(teams.pk)}, "#bought": {"order_id": str(bought.pk)}},
        forged=_forged(machine),
        sessions={caller: _signed_in(people[caller]) for caller in PEOPLE},
    )


def _tokens(people: dict[str, User]) -> dict[str, str]:
    olga = people["trade"]
    found = {caller: make.token(user, "trade") for caller, user in people.items()}
    found["stranger"] = make.token(people["stranger"], "write")
    found["write"], found["read"] = make.token(olga, "write"), make.token(olga, "read")
    found["deploy"] = make.token(olga, "deploy", cap_micros=1_000_000_000)
    repository = make.repository(olga, "own").pk
    for caller, repository_id in (("grant", None), ("narrow", repository)):
        _, found[caller] = accounts.create_token(
            actor=Principal(user=olga),
            name=caller,
            scopes=["trade", "write"],
            grants=[Grant(olga.namespace_id, repository_id, can_write=True)],
        )
    for caller in ("trade", "provider"):
        postings.open_account(kind=Account.Kind.MAIN, namespace_id=people[caller].namespace_id, now=NOON)
    return found


def _running(machine: Node, holder: Principal) -> Lease:
    """A lease in which something runs that serves the port “web”."""
    now = database_now()
    lease = market.lease(machine, holder=holder, start=floor_minute(now), hours=2)
    leasing.start_leases(now=now)
    lease.refresh_from_db()
    assert lease.token is not None
    leases.take_up(node=machine, lease_id=lease.pk, token=lease.token, now=now)
    leases.run_work(
        actor=holder,
        lease_id=lease.pk,
        command=["true"],
        runner="process",
        serves=[{"port": 8080, "name": "web"}],
        now=now,
    )
    return lease


def _forged(machine: Node) -> dict[str, str]:
    """Headers of an agent's request, with a signature that its key did not make."""
    return {
        "X-Agent-Key-Id": machine.agent_key_id,
        "X-Agent-Timestamp": str(int(database_now().timestamp())),
        "X-Agent-Nonce": "1",
        "X-Agent-Instance": machine.instance,
        "X-Agent-Signature": "00" * 32,
    }


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
