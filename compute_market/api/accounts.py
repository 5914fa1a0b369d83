"""Money: balances, statements; deposits, withdrawals and bonds (docs/market.md#money)."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api.answers import accounts as answers
from compute_market.api.base import MarketView, StrictInteger
from compute_market.ledger import policies, selectors, services
from compute_market.ledger.models import Account
from compute_market.matching.views import statements
from compute_market.matching.views.statements import NOTHING
from hub.interface import Principal

TAG = "accounts"


class MoneyBody(serializers.Serializer[Any]):
    account = serializers.CharField(max_length=96, help_text="A namespace.")
    amount_micros = StrictInteger(min_value=1)
    key = serializers.CharField(
        max_length=services.KEY_CHARS_MAX, help_text="The same key moves the money once."
    )


class Balance(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="balance",
        parameters=[OpenApiParameter("account", str)],
        responses={200: answers.BalancesAnswer},
    )
    def get(self, request: Request) -> Response:
        """The main account and the bond: balance, holds, and what is available."""
        namespace_id = self.namespace_id(request.query_params.get("account"))
        rows = selectors.balances(actor=self.actor, namespace_id=namespace_id)
        return Response(answers.BalancesAnswer(items=[answers.BalanceAnswer.of(row) for row in rows]))


class AccountQuery(serializers.Serializer[Any]):
    account = serializers.CharField(required=False, max_length=96, help_text="A namespace.")
    kind = serializers.ChoiceField(
        choices=[Account.Kind.MAIN.value, Account.Kind.BOND.value], default=Account.Kind.MAIN.value
    )


class Statement(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="statement",
        parameters=[AccountQuery, OpenApiParameter("before", int)],
        responses={200: answers.StatementAnswer},
    )
    def get(self, request: Request) -> Response:
        """Movements, newest first; the next page is `before=<next>`."""
        account = self.account(request)
        lines, following = selectors.statement(account=account, before=self.number(request, "before"))
        concerning = statements.concerning(lines, account_id=account.pk)
        items = [answers.StatementLine.of(line, concerning.get(line.cause, NOTHING)) for line in lines]
        return Response(answers.StatementAnswer(items=items, next=following))

    def account(self, request: Request) -> Account:
        given = {name: value for name, value in request.query_params.items() if name != "before"}
        query = self.read(given, AccountQuery)
        namespace_id = self.namespace_id(query.get("account"))
        return selectors.get_account(actor=self.actor, namespace_id=namespace_id, kind=query["kind"])


class StatementCsv(Statement):
    @extend_schema(
        tags=[TAG],
        operation_id="statement_csv",
        parameters=[AccountQuery],
        responses={(200, "text/csv"): str},
    )
    def get(self, request: Request) -> Any:
        """The whole statement, oldest first, with the balance after each movement, its order and lease."""
        lines = statements.statement_csv(account=self.account(request))
        answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="statement.csv"'
        return answer


class Money(MarketView):
    """One way of moving money; which one, the address says."""

    right = staticmethod(policies.require_operator)
    service: Any = None

    @staticmethod
    def account_right(actor: Principal, namespace_id: int) -> None:
        """The permission that a call needs for the account named in its body; calls of operators need none
        here.
        """

    @extend_schema(tags=[TAG], request=MoneyBody, responses={201: answers.TransferAnswer})
    def post(self, request: Request) -> Response:
        namespace_id, body = self.read_for_account(request, MoneyBody, self.account_right)
        transfer = type(self).service(
            actor=self.actor,
            namespace_id=namespace_id,
            amount_micros=body["amount_micros"],
            key=body["key"],
            now=self.now(),
        )
        return Response(answers.TransferAnswer.of(transfer), status=201)


class Deposit(Money):
    service = staticmethod(services.deposit)


class Withdraw(Money):
    service = staticmethod(services.withdraw)


class PostBond(Money):
    right = staticmethod(policies.require_trade_scope)
    account_right = staticmethod(policies.require_spend)
    service = staticmethod(services.post_bond)


class ReleaseBond(Money):
    service = staticmethod(services.release_bond)


urlpatterns = [
    path("balance", Balance.as_view()),
    path("statement", Statement.as_view()),
    path("statement.csv", StatementCsv.as_view()),
    path("deposits", Deposit.as_view()),
    path("withdrawals", Withdraw.as_view()),
    path("bonds", PostBond.as_view()),
    path("bonds/release", ReleaseBond.as_view()),
]
