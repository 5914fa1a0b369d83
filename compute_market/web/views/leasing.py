"""Leases: what is rented, what runs in it, its log, ending it, selling it back."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compute_market.leases import access, cancellation, selectors, services, serving, starters
from compute_market.leases.models import Lease, Work
from compute_market.leases.states import LIVE, RUNNING, State
from compute_market.ledger import policies
from compute_market.matching.intake import previews
from compute_market.matching.intake import services as trading
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.views import marketdata, offering
from compute_market.matching.views import selectors as orders
from compute_market.web.forms import NoticeForm, SellBackForm, amount_of
from compute_market.web.requests import actor_of, add_problems, page, renew_id, submit, traders
from foundation import addresses, paging
from foundation.clock import HOUR, database_now
from foundation.errors import Conflict
from hub.interface import read_notices_of

LEASES_PAGE = 40
WORKS_SHOWN = 10
LOG_CHARS_SHOWN = 40_000


class RunForm(forms.Form):
    """A program and its arguments, written as in a terminal; no shell reads them."""

    command = forms.CharField(
        label=gettext_lazy("Command"),
        max_length=8_000,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "A program and its arguments. Quotes work as in a shell; pipes and variables do not."
        ),
    )
    image = forms.CharField(
        label=gettext_lazy("Container image"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("Only on nodes that run containers."),
    )

    serves = forms.CharField(
        label=gettext_lazy("Reachable ports"),
        max_length=400,
        required=False,
        widget=forms.TextInput(attrs={"class": "mono", "placeholder": "8888=notebook"}),
        help_text=gettext_lazy(
            "Numbers, optionally with names, or sockets in the job's folder; separated by spaces."
        ),
    )

    def clean_serves(self) -> list[dict[str, Any]]:
        return [_served(word) for word in str(self.cleaned_data["serves"]).split()]

    def clean_command(self) -> list[str]:
        try:
            return shlex.split(str(self.cleaned_data["command"]))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


def _served(word: str) -> dict[str, Any]:
    """`8888`, `8888=notebook` or `engine.sock`, as a work declares it."""
    place, _, name = word.partition("=")
    entry: dict[str, Any] = {"port": int(place)} if place.isdecimal() else {"socket": place}
    return {**entry, "name": name} if name else entry


def index(request: HttpRequest) -> HttpResponse:
    traders(request)
    found = selectors.leases(actor=actor_of(request))
    only_live = request.GET.get("all") != "1"
    if only_live:
        found = found.filter(state__in=LIVE)
    context = {
        "leases": paging.page_of(request, found, LEASES_PAGE),
        "only_live": only_live,
        "now": database_now(),
    }
    return page(request, "market/leases.html", context)


def show(request: HttpRequest, lease_id: int) -> HttpResponse:
    """One lease, for its holder and for who supplies it."""
    actor, now = actor_of(request), database_now()
    lease = selectors.get_lease(actor=actor, lease_id=lease_id)
    read_notices_of(actor=actor, address=f"/market/leases/{lease_id}")
    is_holder = policies.may_spend(actor, lease.holder.namespace_id or 0)
    act = request.POST.get("act")
    if act in {"run", "start", "sell"}:
        selectors.get_held_lease(actor=actor, lease_id=lease_id)
    elif act == "notice":
        selectors.get_supplied_lease(actor=actor, lease_id=lease_id)
    run_form = RunForm(request.POST if act == "run" else None, auto_id="run_%s")
    sell_form = SellBackForm(
        request.POST if act == "sell" else None,
        auto_id="sell_%s",
        initial={
            "gpus": lease.gpus,
            "price": amount_of(lease.price_micros_per_gpu_hour),
            "client_order_id": f"web-{uuid4().hex}",
        },
    )
    ran = submit(
        request,
        run_form,
        lambda data: services.run_work(
            actor=actor,
            lease_id=lease_id,
            command=data["command"],
            image=data["image"],
            serves=data["serves"],
            now=now,
        ),
    )
    if act == "start":
        wanted = starters.work_of(request.POST.get("starter", ""), lease.node)
        ran = services.run_work(actor=actor, lease_id=lease_id, now=now, **wanted)
    sold = submit(request, sell_form, lambda data: _sell_back(request, lease, sell_form, data, now))
    renew_id(sell_form)
    notice_form = NoticeForm(request.POST if act == "notice" else None, auto_id="notice_%s")
    noticed = submit(
        request,
        notice_form,
        lambda data: services.give_notice(
            actor=actor,
            lease_id=lease_id,
            preempt_at=now + timedelta(minutes=data["minutes"]),
            reason=data["reason"],
            now=now,
        ),
    )
    if ran is not None or sold is not None or noticed is not None:
        if sold is not None:
            messages.success(request, _("The lease is listed for sale by order #%(id)s.") % {"id": sold.pk})
        return HttpResponseRedirect(f"/market/leases/{lease_id}")
    works = list(selectors.works_of(lease)[:WORKS_SHOWN])
    context = {
        "lease": lease,
        "cancel": cancellation.of_lease(lease),
        "offerings": offering.of_nodes([lease.node], now=now),
        "is_holder": is_holder,
        "can_run": is_holder and lease.state in RUNNING,
        "can_end": is_holder and lease.is_live,
        "events": selectors.events_of(lease),
        "works": works,
        "has_open_work": any(work.state in Work.OPEN for work in works),
        "log": _log(works[0]) if works else "",
        "can_give_notice": lease.state == State.ACTIVE
        and policies.may_spend(actor, lease.node.provider.namespace_id),
        "notice_form": notice_form,
        "run_form": run_form,
        "sell_form": sell_form,
        **_ways_in(request, lease, works),
        **(_ways_out(lease, now) if is_holder and lease.is_live else {}),
        "sales": orders.sales_of_lease(lease.pk),
        "left": max(lease.ends_at - max(now, lease.starts_at), timedelta(0)),
        "wait": max(lease.starts_at - now, timedelta(0)),
        "now": now,
    }
    # The part that is read again and again does not hold the forms: a page with other forms is loaded whole.
    context["seen"] = "".join(
        str(int(bool(context[name]))) for name in ("can_run", "can_end", "can_give_notice", "sales")
    )
    sent = {"run": run_form, "notice": notice_form}.get(act or "", sell_form)
    response = page(request, "market/lease.html", context, fragment="live", form=sent)
    if request.GET.get("seen", context["seen"]) != context["seen"]:
        response.headers["HX-Refresh"] = "true"
    return response


def _ways_in(request: HttpRequest, lease: Lease, works: list[Work]) -> dict[str, Any]:
    """The addresses of the lease, and the programs that can be started in it."""
    language = get_language() or "en"
    running = next((work for work in works if work.state in Work.OPEN), None)
    host = addresses.host_name_of(request)
    return {
        "open_work": running,
        "ways": [
            {
                "key": serving.key_of(entry),
                "name": entry["name"] or serving.key_of(entry),
                "path": access.path_of(lease.pk, entry["name"] or serving.key_of(entry)),
                "url": access.address_of(lease.pk, serving.key_of(entry)),
            }
            for entry in (running.serves if running else ())
        ],
        "ssh": {"host": host, "port": settings.MARKET_SSH_PORT} if settings.MARKET_SSH_PORT else None,
        "traffic": selectors.traffic_of(lease.pk),
        "starters": [
            {
                "id": starter.id,
                "icon": starter.icon,
                "name": starter.name(language),
                "about": starter.about(language),
            }
            for starter in starters.all_starters()
            if starter.work_on(lease.node) is not None
        ],
    }


def _ways_out(lease: Lease, now: datetime) -> dict[str, Any]:
    """The refund of an end now, and what the present bids pay for the hours that can be sold."""
    start = max(lease.starts_at, now.replace(minute=0, second=0, microsecond=0) + HOUR)
    return {
        "refund_micros": cancellation.refund_micros(lease, now=now),
        "sale": marketdata.sale(lease.product, gpus=lease.gpus, start=start, end=lease.ends_at),
        "sale_hours": lease.gpus * max(0, (lease.ends_at - start) // HOUR),
    }


def _log(work: Work) -> str:
    """The end of the newest output."""
    text, _after = selectors.read_log(work, after=max(0, work.log_bytes - LOG_CHARS_SHOWN))
    return text[-LOG_CHARS_SHOWN:]


def _sell_back(
    request: HttpRequest, lease: Lease, form: SellBackForm, data: dict[str, Any], now: datetime
) -> Order | None:
    """Offer what is left of a lease for its holder; None if the form now shows all that is wrong with it."""
    namespace_id = lease.holder.namespace_id
    assert namespace_id is not None
    asked = OrderRequest(
        client_order_id=data["client_order_id"],
        product=lease.product.slug,
        side=Order.Side.SELL,
        gpus=data["gpus"],
        start=data["start"],
        end=lease.ends_at,
        price_micros_per_gpu_hour=data["price"],
        lease_id=lease.pk,
    )
    add_problems(form, previews.problems_of_sell(product=lease.product, request=asked, source=lease, now=now))
    if form.errors:
        return None
    return trading.place_order(actor=actor_of(request), namespace_id=namespace_id, request=asked, now=now)


@require_POST
def act(request: HttpRequest, lease_id: int) -> HttpResponse:
    """Stop what runs, or end the lease now."""
    actor, now = actor_of(request), database_now()
    if request.POST.get("act") == "stop":
        services.stop_work(actor=actor, lease_id=lease_id, now=now)
    else:
        try:
            services.end_early(actor=actor, lease_id=lease_id, now=now)
        except Conflict as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("The lease is ending. Unused minutes are refunded."))
    return HttpResponseRedirect(f"/market/leases/{lease_id}")
