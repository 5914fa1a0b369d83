"""The provider's console: nodes and their health, enrolment, offers, what was earned, the bond."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute_market.leases import selectors as leases
from compute_market.ledger import selectors as ledger
from compute_market.ledger import services as money
from compute_market.matching.intake import previews
from compute_market.matching.intake import services as trading
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.views import selectors as orders
from compute_market.offers import selectors, services
from compute_market.offers.bonds import bond_of
from compute_market.offers.models import Node, Product, Provider
from compute_market.runners.assemble import assemble
from compute_market.web import charts
from compute_market.web.forms import BondForm, EnrolForm, OfferForm
from compute_market.web.requests import actor_of, add_problems, page, renew_id, submit, traders, trading_as
from foundation import addresses
from foundation.clock import database_now
from hub.interface import Namespace

ORDERS_SHOWN = 40
LEASES_SHOWN = 20
OFFERED_AHEAD = timedelta(days=7)


@require_safe
def agent(request: HttpRequest) -> HttpResponse:
    """The agent in one file, for anybody: it holds no secret, and a new machine has no account."""
    headers = {"Content-Disposition": 'attachment; filename="agent"'}
    return HttpResponse(assemble(), content_type="text/x-python; charset=utf-8", headers=headers)


def console(request: HttpRequest) -> HttpResponse:
    namespace = trading_as(request)
    provider = selectors.find_provider(actor=actor_of(request), namespace_id=namespace.pk)
    if provider is None:
        context = {"namespace": namespace, "namespaces": traders(request), "provider": None}
        return page(request, "market/provider.html", context)
    forms = _Forms(request, provider)
    key = submit(request, forms.enrol, forms.make_key)
    if submit(request, forms.offer, forms.place_offer) is not None:
        messages.success(request, _("Offer placed. Matching…"))
        return _back(namespace)
    renew_id(forms.offer)
    if submit(request, forms.bond, forms.post_bond) is not None:
        messages.success(request, _("Bond posted."))
        return _back(namespace)
    seen = _seen(request, namespace, forms.nodes)
    enrolling = str(len(forms.nodes)) if key else request.GET.get("enrolling", "")
    context = {
        **seen,
        "enrolling": enrolling,
        # The list of nodes is read again until a machine has come, and while one is on its way to be traded.
        "is_waiting": enrolling == str(len(forms.nodes))
        or any(node.state == Node.State.ENROLLED for node in forms.nodes),
        "provider": provider,
        "declared_bond": bond_of(provider),
        "enrol_form": forms.enrol,
        "offer_form": forms.offer,
        "bond_form": forms.bond,
        "key": key,
        "earned_bars": _earned_bars(request, namespace),
        "hub": addresses.base_of(request),
    }
    response = page(request, "market/provider.html", context, fragment="machines", form=forms.sent)
    if getattr(request, "htmx", False) and enrolling and enrolling != str(len(forms.nodes)):
        # The page that showed the key was the answer to a form, so it is not loaded again.
        response.headers["HX-Redirect"] = f"/market/provider?as={namespace.name}"
    if key:
        response.headers["Cache-Control"] = "no-store"
    return response


def _earned_bars(request: HttpRequest, namespace: Namespace) -> list[charts.Bar]:
    """The earnings of the last days as bars."""
    account = ledger.find_account(actor=actor_of(request), namespace_id=namespace.pk)
    days = ledger.days_of(account, now=database_now()) if account else []
    return charts.day_bars([(day.day, day.earned_micros) for day in days])


class _Forms:
    """The console's forms, of which a request sends one, and what each of them does."""

    def __init__(self, request: HttpRequest, provider: Provider) -> None:
        self.actor, self.now, self.provider = actor_of(request), database_now(), provider
        mine = selectors.nodes(actor=self.actor).filter(provider=provider).exclude(state=Node.State.RETIRED)
        self.nodes = list(mine)
        act = request.POST.get("act")
        products = list(selectors.products().filter(state=Product.State.OPEN))
        ends = self.now.replace(minute=0, second=0, microsecond=0) + OFFERED_AHEAD
        self.enrol = EnrolForm(
            request.POST if act == "enrol" else None, products=products, auto_id="enrol_%s"
        )
        self.offer = OfferForm(
            request.POST if act == "offer" else None,
            auto_id="offer_%s",
            nodes=[(node.pk, f"{node.name} · {node.gpus} × {node.product.slug}") for node in self.nodes],
            initial={"client_order_id": f"web-{uuid4().hex}", "end": ends},
        )
        self.bond = BondForm(
            request.POST if act == "bond" else None, auto_id="bond_%s", initial={"key": uuid4().hex}
        )
        self.sent = {"offer": self.offer, "bond": self.bond}.get(act or "", self.enrol)

    def make_key(self, data: dict[str, Any]) -> str:
        return services.issue_enrolment_key(
            actor=self.actor,
            provider=self.provider,
            product=selectors.get_product(data["product"]),
            name=data["name"],
            gpus=data["gpus"],
            now=self.now,
        )

    def place_offer(self, data: dict[str, Any]) -> Order | None:
        """Place the offer; None if the form now shows all that is wrong with it."""
        node = next(node for node in self.nodes if node.pk == data["node"])
        asked = OrderRequest(
            client_order_id=data["client_order_id"],
            product=node.product.slug,
            side=Order.Side.SELL,
            gpus=data["gpus"],
            start=data["start"],
            end=data["end"],
            price_micros_per_gpu_hour=data["price"],
            node_id=data["node"],
        )
        add_problems(
            self.offer,
            previews.problems_of_sell(product=node.product, request=asked, source=node, now=self.now),
        )
        if self.offer.errors:
            return None
        return trading.place_order(
            actor=self.actor, namespace_id=self.provider.namespace_id, request=asked, now=self.now
        )

    def post_bond(self, data: dict[str, Any]) -> object:
        return money.post_bond(
            actor=self.actor,
            namespace_id=self.provider.namespace_id,
            amount_micros=data["amount"],
            key=data["key"],
            now=self.now,
        )


def _seen(request: HttpRequest, namespace: Namespace, nodes: list[Node]) -> dict[str, Any]:
    """The console's data besides its forms."""
    actor, now = actor_of(request), database_now()
    main, bond = ledger.balances(actor=actor, namespace_id=namespace.pk)
    account = ledger.find_account(actor=actor, namespace_id=namespace.pk)
    seller_id = account.pk if account else None
    sells = orders.orders(actor=actor).filter(account__namespace=namespace, side=Order.Side.SELL)
    supplied = leases.leases(actor=actor).filter(seller=seller_id)[:LEASES_SHOWN]
    return {
        "namespace": namespace,
        "namespaces": traders(request),
        "nodes": [(node, selectors.newest_report(node), node.is_tradable(now)) for node in nodes],
        "offers": sells[:ORDERS_SHOWN],
        "leases": [(lease, leases.earned_micros(lease)) for lease in supplied],
        "earnings": leases.earnings(seller_id=seller_id),
        "main": main,
        "bond": bond,
    }


def _back(namespace: Namespace) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"/market/provider?as={namespace.name}")


@require_POST
def register(request: HttpRequest) -> HttpResponse:
    namespace = trading_as(request)
    services.register_provider(actor=actor_of(request), namespace_id=namespace.pk, now=database_now())
    return _back(namespace)


@require_POST
def allow_processes(request: HttpRequest) -> HttpResponse:
    """Let leases run plain processes on the provider's nodes, or no longer."""
    namespace, actor = trading_as(request), actor_of(request)
    provider = selectors.get_provider(actor=actor, namespace_id=namespace.pk)
    allowed = request.POST.get("allowed") == "yes"
    services.allow_processes(actor=actor, provider=provider, allowed=allowed)
    messages.success(request, _("Saved."))
    return _back(namespace)


@require_POST
def relist_cancelled(request: HttpRequest) -> HttpResponse:
    """Offer hours again that holders give back before they begin, or no longer."""
    namespace, actor = trading_as(request), actor_of(request)
    provider = selectors.get_provider(actor=actor, namespace_id=namespace.pk)
    services.relist_cancelled(actor=actor, provider=provider, relists=request.POST.get("relists") == "yes")
    messages.success(request, _("Saved."))
    return _back(namespace)


@require_POST
def retire_node(request: HttpRequest, node_id: int) -> HttpResponse:
    node = services.retire_node(actor=actor_of(request), node_id=node_id, now=database_now())
    messages.success(request, _("%(node)s is retired.") % {"node": node.name})
    return _back(node.provider.namespace)
