"""Notices of low balances. Balances change thousands of times a second, so a sweep compares them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_noop

from compute_market.amounts import credits_of
from compute_market.ledger.models import BalanceAlert
from hub.interface import NamespaceNotice, NoticeKind, tell_namespaces

BATCH = 500
LOW = gettext_noop("The balance of %(account)s is low: %(available)s credits are available.")


def tell_low_balances(*, now: datetime) -> int:
    """Notify the people of accounts with less than their threshold, once a shortage; returns how many.

    A shortage that ends before a run sees it is not told.
    """
    available = F("account__balance_micros") - F("account__held_micros")
    with transaction.atomic(durable=True):
        BalanceAlert.objects.filter(
            pk__in=BalanceAlert.objects.alias(available=available)
            .filter(is_low=True, available__gte=F("threshold_micros"))
            .values("pk")
        ).update(is_low=False)
        short = list(
            BalanceAlert.objects.select_for_update(of=("self",))
            .alias(available=available)
            .filter(is_low=False, available__lt=F("threshold_micros"))
            .select_related("account__namespace")
            .order_by("pk")[:BATCH]
        )
        tell_namespaces([_notice_of(alert, now) for alert in short], now=now)
        BalanceAlert.objects.filter(pk__in=[alert.pk for alert in short]).update(is_low=True)
    return len(short)


def _notice_of(alert: BalanceAlert, now: datetime) -> NamespaceNotice:
    account = alert.account
    assert account.namespace is not None
    return NamespaceNotice(
        namespace_id=account.namespace.pk,
        kind=NoticeKind.LOW_BALANCE,
        key=f"balance/{account.pk}/{now.timestamp():.0f}",
        message=LOW,
        params={"account": account.namespace.name, "available": credits_of(account.available_micros)},
        address=f"/market/portfolio?as={account.namespace.name}",
    )
