"""The command `manage.py deposit`: an amount in credits, moved once for a key."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from compute_market.ledger.models import Account, Transfer
from tests.factories.market import CREDIT, trader

pytestmark = pytest.mark.django_db


def deposit(namespace: str, amount: str, **options: str) -> str:
    output = StringIO()
    call_command("deposit", namespace, amount, stdout=output, **options)
    return output.getvalue()


def balance() -> int:
    return Account.objects.get(kind="main").balance_micros


@pytest.fixture
def name() -> str:
    user = trader().user
    assert user is not None
    return user.name


def test_credits_a_namespace_to_the_micro(name: str) -> None:
    said = deposit(name, "12.500001")
    assert balance() == 12_500_001
    assert said == f"{name}: 12.500001 credits, transfer {Transfer.objects.get().pk}.\n"


def test_moves_the_money_of_a_key_once_and_without_a_key_each_time(name: str) -> None:
    for _ in range(2):
        deposit(name, "1", key="wire-1")
    assert balance() == CREDIT
    for _ in range(2):
        deposit(name, "1")
    assert balance() == 3 * CREDIT
    with pytest.raises(CommandError, match="wire-1"):
        deposit(name, "2", key="wire-1")


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("x", "x is not a number of credits"),
        ("NaN", "NaN is not a number of credits"),
        ("Infinity", "Infinity is not a number of credits"),
        ("0.0000001", "six decimal places"),
        ("0", "from 1 to"),
        ("-1", "from 1 to"),
    ],
)
def test_refuses_what_is_no_amount(name: str, amount: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        deposit(name, amount)
    assert not Transfer.objects.exists()


def test_refuses_a_key_that_is_too_long(name: str) -> None:
    deposit(name, "1", key="k" * 64)
    with pytest.raises(CommandError, match="at most 64 characters"):
        deposit(name, "1", key="k" * 65)
    assert balance() == CREDIT


def test_refuses_a_namespace_that_is_not_there() -> None:
    with pytest.raises(CommandError):
        deposit("nobody", "1")
    assert not Account.objects.exists()
