"""The provider's console: nodes and their health, enrolment, offers."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compute_market.clock import HOUR, database_now
from compute_market.ledger import selectors as ledger
from compute_market.matching import selectors as orders
from compute_market.matching import services as trading
from compute_market.matching.models import Order
from compute_market.matching.terms import OrderRequest
from compute_market.offers import selectors, services
from compute_market.offers.models import Product, Provider
from compute_market.web.forms import EnrolForm, OfferForm
from compute_market.web.requests import actor_of, page, submit, traders, trading_as

ORDERS_SHOWN = 40


def console(request: HttpRequest) -> HttpResponse:
    namespace = trading_as(request)
    actor, now = actor_of(request), database_now()
    provider = Provider.objects.select_related("namespace").filter(namespace=namespace).first()
    products = list(selectors.products().filter(state=Product.State.OPEN))
    nodes = list(selectors.nodes(actor=actor).filter(provider__namespace=namespace)) if provider else []
    act = request.POST.get("act")
    enrol_form = EnrolForm(request.POST if act == "enrol" else None, products=products, auto_id="enrol_%s")
    offer_form = OfferForm(
        request.POST if act == "offer" else None,
        auto_id="offer_%s",
        nodes=[(node.pk, f"{node.name} · {node.gpus} × {node.product.slug}") for node in nodes],
        initial={
            "client_order_id": f"web-{uuid4().hex}",
            "end": now.replace(minute=0, second=0, microsecond=0) + timedelta(days=7),
        },
    )
    key = None
    if provider is not None:
        key = submit(
            request,
            enrol_form,
            lambda data: services.issue_enrolment_key(
                actor=actor,
                provider=provider,
                product=selectors.get_product(data["product"]),
                name=data["name"],
                gpus=data["gpus"],
                now=now,
            ),
        )
        offered = submit(
            request,
            offer_form,
            lambda data: trading.place_order(
                actor=actor,
                namespace_id=namespace.pk,
                request=OrderRequest(
                    client_order_id=data["client_order_id"],
                    product=next(node.product.slug for node in nodes if node.pk == data["node"]),
                    side=Order.Side.SELL,
                    gpus=data["gpus"],
                    start=data["start"] or now.replace(minute=0, second=0, microsecond=0) + HOUR,
                    end=data["end"],
                    price_micros_per_gpu_hour=data["price"],
                    node_id=data["node"],
                ),
                now=now,
            ),
        )
        if offered is not None:
            messages.success(request, _("The offer is accepted."))
            return HttpResponseRedirect(f"/market/provider?as={namespace.name}")
    sells = orders.orders(actor=actor).filter(account__namespace=namespace, side=Order.Side.SELL)
    main, bond = ledger.balances(actor=actor, namespace_id=namespace.pk)
    context = {
        "namespace": namespace,
        "namespaces": traders(request),
        "provider": provider,
        "nodes": [(node, selectors.newest_report(node), node.is_tradable(now)) for node in nodes],
        "enrol_form": enrol_form,
        "offer_form": offer_form,
        "key": key,
        "offers": sells[:ORDERS_SHOWN],
        "main": main,
        "bond": bond,
    }
    response = page(
        request, "market/provider.html", context, form=enrol_form if act == "enrol" else offer_form
    )
    if key:
        response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
def register(request: HttpRequest) -> HttpResponse:
    namespace = trading_as(request)
    services.register_provider(actor=actor_of(request), namespace_id=namespace.pk, now=database_now())
    return HttpResponseRedirect(f"/market/provider?as={namespace.name}")


@require_POST
def retire_node(request: HttpRequest, node_id: int) -> HttpResponse:
    node = services.retire_node(actor=actor_of(request), node_id=node_id, now=database_now())
    messages.success(request, _("%(node)s is retired.") % {"node": node.name})
    return HttpResponseRedirect(f"/market/provider?as={node.provider.namespace.name}")
