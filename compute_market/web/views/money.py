"""Portfolio and statements, and money in by an operator."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.translation import gettext as _

from compute_market.clock import database_now
from compute_market.ledger import selectors, services
from compute_market.matching import selectors as orders
from compute_market.matching.models import Order
from compute_market.web.forms import MoneyForm
from compute_market.web.requests import actor_of, page, submit, traders, trading_as

LINES_SHOWN = 40
ORDERS_SHOWN = 12


def portfolio(request: HttpRequest) -> HttpResponse:
    """Balance, holds, live orders and the last movements of one namespace."""
    namespace = trading_as(request)
    actor = actor_of(request)
    is_operator = actor.user is not None and actor.user.is_staff
    form = MoneyForm(request.POST if request.method == "POST" else None, initial={"key": uuid4().hex})
    moved = submit(
        request,
        form,
        lambda data: services.deposit(
            actor=actor,
            namespace_id=namespace.pk,
            amount_micros=data["amount"],
            key=data["key"],
            now=database_now(),
        ),
    )
    if moved is not None:
        messages.success(request, _("The deposit is booked."))
        return HttpResponseRedirect(f"/market/portfolio?as={namespace.name}")
    main, bond = selectors.balances(actor=actor, namespace_id=namespace.pk)
    lines, following = _lines(request)
    live = orders.orders(actor=actor).filter(account__namespace=namespace, state__in=Order.LIVE)
    context = {
        "namespace": namespace,
        "namespaces": traders(request),
        "main": main,
        "bond": bond,
        "lines": lines,
        "next": following,
        "orders": live[:ORDERS_SHOWN],
        "form": form if is_operator else None,
    }
    return page(request, "market/portfolio.html", context, form=form)


def _lines(request: HttpRequest) -> tuple[list[selectors.StatementLine], int | None]:
    namespace = trading_as(request)
    [balance, _bond] = selectors.balances(actor=actor_of(request), namespace_id=namespace.pk)
    if not (balance.balance_micros or balance.held_micros) and not _has_account(request):
        return [], None
    account = selectors.get_account(actor=actor_of(request), namespace_id=namespace.pk)
    before = request.GET.get("before", "")
    return selectors.statement(
        account=account, before=int(before) if before.isdecimal() else None, limit=LINES_SHOWN
    )


def _has_account(request: HttpRequest) -> bool:
    from compute_market.ledger.models import Account

    return Account.objects.filter(namespace=trading_as(request), kind=Account.Kind.MAIN).exists()


def statement(request: HttpRequest) -> StreamingHttpResponse:
    """The whole statement as CSV."""
    namespace = trading_as(request)
    account = selectors.get_account(actor=actor_of(request), namespace_id=namespace.pk)
    response = StreamingHttpResponse(selectors.statement_csv(account=account), content_type="text/csv")
    response["Content-Disposition"] = f'attachment; filename="statement-{namespace.name}.csv"'
    return response
