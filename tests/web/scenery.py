"""Run inside the live bazaar: what journeys through the pages find there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import uuid4

from django.core.management import call_command

from compute_market.leases import jobs as jobs_of_leases
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease
from compute_market.ledger import services as ledger
from compute_market.matching.clearing import drain, worker
from compute_market.matching.intake import services
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.offers import agents
from compute_market.offers import services as supply
from compute_market.offers.models import Node, Product, Provider, Shard
from foundation.clock import HOUR, database_now
from hub.accounts.models import User
from hub.accounts.principals import SYSTEM, Principal
from hub.accounts.selectors import get_user
from hub.community.services import collections, discussions
from hub.repos import services as repos
from hub.repos.selectors import get_repository
from hub.revisions.services import NewCommit
from hub.revisions.staging import Staging
from tests.factories.hub import commit_as_pull_request
from tests.waiting import until

CREDIT = 1_000_000


def listed() -> str:
    """A small catalogue; gives the slug of one product."""
    call_command("seed_market", region=["cn-east"], tier=["reserved"], verbosity=0)
    return Product.objects.get(slug="h100-sxm-80g.cn-east.reserved.ib").slug


def stock(provider_name: str) -> str:
    """A product with one node of eight GPUs, offered for a week; gives the product's slug."""
    now = database_now()
    product = Product.objects.get(slug=listed())
    user = get_user(provider_name)
    provider, _ = Provider.objects.get_or_create(
        namespace=user.namespace, defaults={"created_at": now, "allows_processes": True}
    )
    node = Node.objects.create(
        provider=provider,
        product=product,
        name=f"node-{uuid4().hex[:6]}",
        gpus=8,
        agent_key_id=agents.new_key_id(),
        instance="machine",
        state=Node.State.READY,
        last_heartbeat_at=now + timedelta(hours=12),
        runners=["fake", "process"],
        enrolled_at=now,
    )
    begins = now.replace(minute=0, second=0, microsecond=0) + HOUR
    services.place_order(
        actor=Principal(user=user),
        namespace_id=user.namespace_id,
        request=OrderRequest(
            client_order_id=uuid4().hex,
            product=product.slug,
            side=Order.Side.SELL,
            gpus=8,
            start=begins,
            end=begins + timedelta(days=7),
            price_micros_per_gpu_hour=12 * CREDIT,
            node_id=node.pk,
        ),
        now=now,
    )
    clear()
    return product.slug


def appoint(name: str) -> None:
    """Make somebody an operator."""
    user = get_user(name)
    user.is_staff = True
    user.save()


def fund(name: str, credits_given: int) -> None:
    """A deposit by the operator."""
    ledger.deposit(
        actor=SYSTEM,
        namespace_id=get_user(name).namespace_id,
        amount_micros=credits_given * CREDIT,
        key=uuid4().hex,
        now=database_now(),
    )


def bid(name: str, slug: str, price: str) -> None:
    """A buy of two GPUs for the next full hour, decided at once."""
    now, user = database_now(), get_user(name)
    begins = now.replace(minute=0, second=0, microsecond=0) + HOUR
    services.place_order(
        actor=Principal(user=user),
        namespace_id=user.namespace_id,
        request=OrderRequest(
            client_order_id=uuid4().hex,
            product=slug,
            side=Order.Side.BUY,
            gpus=2,
            start=begins,
            end=begins + HOUR,
            price_micros_per_gpu_hour=int(Decimal(price) * CREDIT),
        ),
        now=now,
    )
    clear()


def live_through(provider_name: str) -> None:
    """The life of a provider's newest lease, as its agent and the sweep live it, to its settlement."""
    provider = Provider.objects.get(namespace__name=provider_name)
    lease = Lease.objects.filter(node__provider=provider).latest("pk")
    jobs_of_leases.advance(now=lease.starts_at)
    lease.refresh_from_db()
    node = Node.objects.get(pk=lease.node_id)
    assert lease.token is not None
    leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=lease.starts_at)
    minute = lease.starts_at
    while minute < lease.ends_at:
        supply.hear(node=node, runners=[], now=minute)
        minute += timedelta(minutes=1)
    for minutes in (0, 2, 3):
        jobs_of_leases.advance(now=lease.ends_at + timedelta(minutes=minutes))


def clear() -> None:
    """Match all waiting commands, as the market's worker does, or wait for a worker that does it already."""
    for shard in Shard.objects.values_list("number", flat=True):
        until(partial(_is_clear, shard), what=lambda: "A shard still has work.")


def _is_clear(shard: int) -> bool:
    if drain.has_work(shard):
        worker.drain_shard(shard=shard, now=database_now())
    return not drain.has_work(shard)


def publish(owner: str, name: str, card: str, files: dict[str, str] | None = None) -> None:
    """A model with a card, and perhaps other files."""
    repos.create_repository(
        actor=Principal(user=get_user(owner)),
        request=repos.NewRepository(
            kind="model",
            repo_id=f"{owner}/{name}",
            files={path: text.encode() for path, text in ({"README.md": card} | (files or {})).items()},
        ),
        now=database_now(),
    )


def talk(owner: str, name: str) -> None:
    """A discussion whose comment was edited, and a pull request; a collection that holds the model."""
    actor, now = Principal(user=get_user(owner)), database_now()
    repository = get_repository(actor=actor, kind="model", repo_id=f"{owner}/{name}")
    thread = discussions.open_discussion(
        actor=actor, repository=repository, title="Does it run?", text="On a **small** card", now=now
    )
    first = thread.events.get()
    discussions.edit_comment(actor=actor, discussion=thread, key=first.key, text="On one card?", now=now)
    with Staging(repository=repository, commit=repository.head_sha, now=now) as staging:
        operations = [staging.add("notes.md", [b"# Notes\n"])]
    proposed = NewCommit(operations=operations, title="Add notes")
    commit_as_pull_request(actor=actor, repository=repository, revision="main", request=proposed, now=now)
    made = collections.create_collection(
        actor=actor, request=collections.NewCollection(namespace=owner, title="Small models"), now=now
    )
    collections.add_item(
        actor=actor, collection=made, type_="model", item_id=repository.full_name, now=now, note="Quick"
    )


def promote(name: str) -> None:
    """To an operator of the hub."""
    User.objects.filter(namespace__name=name).update(is_staff=True, is_superuser=True)
