"""Portfolio and statements, and money in by an operator."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.translation import gettext as _

from compute_market.leases import selectors as leases
from compute_market.leases.states import LIVE, RUNNING
from compute_market.ledger import policies, selectors, services
from compute_market.ledger.models import Transfer
from compute_market.matching.models import Order
from compute_market.matching.views import selectors as orders
from compute_market.matching.views import statements
from compute_market.web import charts
from compute_market.web.forms import BalanceAlertForm, MoneyForm, amount_of
from compute_market.web.requests import actor_of, page, submit, traders, trading_as
from foundation.clock import database_now
from foundation.whole_numbers import whole_number
from hub.interface import Namespace, get_namespace, read_notices_of

LINES_SHOWN = 40
ORDERS_SHOWN = 12
LEASES_SHOWN = 12
LEASES_COUNTED = 1_000


def portfolio(request: HttpRequest) -> HttpResponse:
    """Balance, holds, live orders and the last movements of one namespace."""
    namespace = trading_as(request)
    actor = actor_of(request)
    address = f"/market/portfolio?as={namespace.name}"
    is_money = request.method == "POST" and request.POST.get("act") != "alert"
    if is_money:
        policies.require_operator(actor)
    alert_form = _alert_form(request, namespace, is_sent=request.method == "POST" and not is_money)
    if submit(request, alert_form, lambda data: _set_alert(request, namespace, data)):
        messages.success(request, _("Settings saved."))
        return HttpResponseRedirect(address)
    is_operator = actor.user is not None and actor.user.is_staff
    initial = {"account": namespace.name, "key": uuid4().hex}
    form = MoneyForm(request.POST if is_money else None, initial=initial)

    def book(data: dict[str, Any]) -> Transfer:
        move = services.deposit if data["way"] == MoneyForm.IN else services.withdraw
        return move(
            actor=actor,
            namespace_id=get_namespace(data["account"]).pk,
            amount_micros=data["amount"],
            key=data["key"],
            now=database_now(),
        )

    if submit(request, form, book) is not None:
        messages.success(request, _("Transfer recorded."))
        return HttpResponseRedirect(address)
    read_notices_of(actor=actor, address=address)
    main, bond = selectors.balances(actor=actor, namespace_id=namespace.pk)
    lines, following = _lines(request, namespace)
    live = orders.orders(actor=actor).filter(account__namespace=namespace, state__in=Order.LIVE)
    held = leases.leases(actor=actor).filter(holder__namespace=namespace, state__in=LIVE)
    context = {
        "namespace": namespace,
        "namespaces": traders(request),
        "main": main,
        "bond": bond,
        "lines": lines,
        "next": following,
        "orders": live[:ORDERS_SHOWN],
        "leases": held[:LEASES_SHOWN],
        "now": database_now(),
        "form": form if is_operator else None,
        "alert_form": alert_form,
        **_history(request, namespace),
        "running_micros": sum(
            lease.price_micros_per_minute for lease in held.filter(state__in=RUNNING)[:LEASES_COUNTED]
        )
        * 60,
    }
    return page(request, "market/portfolio.html", context, form=form if is_money else alert_form)


def _history(request: HttpRequest, namespace: Namespace) -> dict[str, Any]:
    """The spending of the last days as bars, and the profit of resales; empty before an account is opened."""
    account = selectors.find_account(actor=actor_of(request), namespace_id=namespace.pk)
    if account is None:
        return {"spent_bars": [], "resale_profit_micros": None}
    days = selectors.days_of(account, now=database_now())
    return {
        "spent_bars": charts.day_bars([(day.day, day.spent_micros) for day in days]),
        "resale_profit_micros": leases.resale_profit_micros(account_id=account.pk),
    }


def _alert_form(request: HttpRequest, namespace: Namespace, *, is_sent: bool) -> BalanceAlertForm:
    """The form for the threshold of a low balance, as it is set now or as it was sent."""
    threshold = selectors.alert_threshold(actor=actor_of(request), namespace_id=namespace.pk)
    initial = {"threshold": amount_of(threshold) if threshold else ""}
    return BalanceAlertForm(request.POST if is_sent else None, initial=initial, auto_id="alert_%s")


def _set_alert(request: HttpRequest, namespace: Namespace, data: dict[str, Any]) -> bool:
    services.set_balance_alert(
        actor=actor_of(request),
        namespace_id=namespace.pk,
        threshold_micros=data["threshold"],
        now=database_now(),
    )
    return True


def _lines(request: HttpRequest, namespace: Namespace) -> tuple[list[selectors.StatementLine], int | None]:
    """A page of the statement and where the next begins; empty where no account was opened yet."""
    account = selectors.find_account(actor=actor_of(request), namespace_id=namespace.pk)
    if account is None:
        return [], None
    return selectors.statement(
        account=account, before=whole_number(request.GET.get("before")), limit=LINES_SHOWN
    )


def statement(request: HttpRequest) -> StreamingHttpResponse:
    """The whole statement as CSV."""
    namespace = trading_as(request)
    account = selectors.get_account(actor=actor_of(request), namespace_id=namespace.pk)
    response = StreamingHttpResponse(statements.statement_csv(account=account), content_type="text/csv")
    response["Content-Disposition"] = f'attachment; filename="statement-{namespace.name}.csv"'
    return response
