"""Notices for traders: fills and expiries, each once, whatever falls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compute_market.ledger import balance_alerts
from compute_market.ledger import services as money
from compute_market.ledger.errors import AmountInvalid, NotAMember
from compute_market.matching import jobs, notices
from compute_market.matching.intake import services
from compute_market.matching.models import NoticeCursor, Order
from compute_market.offers.models import Node
from hub.accounts.models import Namespace, Role
from hub.accounts.principals import Principal
from hub.community.models import Notice, NoticeSettings
from tests.factories.exchange import MIDNIGHT, buy, drain, rich, sell
from tests.factories.market import CREDIT, NOON, namespace_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Principal:
    """A trader who has signed in to the pages."""
    return visitor(rich())


def visitor(who: Principal) -> Principal:
    assert who.user is not None
    who.user.last_login = NOON
    who.user.save()
    return who


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("pk").values_list("kind", "key"))


class TestFills:
    def test_reach_people_once_and_not_programs(
        self, provider: Principal, person: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 4, 9)
        bought = buy(person, machine.product, 2, 9)
        buy(rich(), machine.product, 1, 9)
        drain()
        assert notices.tell_traders(now=NOON) == 1
        assert notices.tell_traders(now=NOON) == 0
        [notice] = Notice.objects.all()
        assert (notice.user, notice.address) == (person.user, f"/market/orders/{bought.pk}")
        assert notice.text == f"Order #{bought.pk} is filled: 2 GPUs of {machine.product.slug}."

    def test_reach_both_sides_and_begin_with_the_first_part(
        self, provider: Principal, person: Principal, machine: Node
    ) -> None:
        visitor(provider)
        offered = sell(provider, machine, 8, 9)
        first = buy(person, machine.product, 2, 9)
        drain()
        notices.tell_traders(now=NOON)
        assert told() == [
            ("fill", f"order/{first.pk}/filled"),
            ("fill", f"order/{offered.pk}/partially_filled"),
        ]
        assert "25% of 8 GPUs" in Notice.objects.latest("pk").text
        buy(person, machine.product, 2, 9)
        drain()
        notices.tell_traders(now=NOON)
        assert len(told()) == 3

    def test_of_an_order_that_takes_what_is_offered_tell_its_part(
        self, provider: Principal, person: Principal, machine: Node
    ) -> None:
        sell(provider, machine, 2, 9)
        ioc = Order.TimeInForce.IOC
        bought = buy(person, machine.product, 8, 9, time_in_force=ioc)
        drain()
        notices.tell_traders(now=NOON)
        assert told() == [("fill", f"order/{bought.pk}/cancelled")]
        assert Notice.objects.get().text == (
            f"Order #{bought.pk} is filled to 25% of 8 GPUs of {machine.product.slug}. The rest is cancelled."
        )
        buy(person, machine.product, 8, 9, time_in_force=ioc)
        drain()
        assert notices.tell_traders(now=NOON) == 0

    def test_reach_writers_of_an_organization(
        self, provider: Principal, person: Principal, machine: Node
    ) -> None:
        assert person.user is not None
        for name, role in (("writers", Role.WRITE), ("readers", Role.READ)):
            other = visitor(rich())
            organization = Namespace.objects.get(pk=namespace_of(other))
            organization.memberships.create(user=person.user, role=role)
            sell(provider, machine, 1, 9, hours=(0, 1) if name == "writers" else (1, 2))
            buy(other, machine.product, 1, 9, hours=(0, 1) if name == "writers" else (1, 2))
        drain()
        notices.tell_traders(now=NOON)
        assert Notice.objects.filter(user=person.user).count() == 1

    def test_do_not_reach_users_who_muted_them(
        self, provider: Principal, person: Principal, machine: Node
    ) -> None:
        assert person.user is not None
        NoticeSettings.objects.create(user=person.user, muted=["fill"])
        sell(provider, machine, 1, 9)
        buy(person, machine.product, 1, 9)
        drain()
        notices.tell_traders(now=NOON)
        assert told() == []

    def test_survive_a_sweep_that_is_killed(
        self, provider: Principal, person: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sell(provider, machine, 1, 9)
        drain()
        notices.tell_traders(now=NOON)
        bought = buy(person, machine.product, 1, 9)
        drain()
        with monkeypatch.context() as patch:
            # After the notices are written, before the cursor is.
            patch.setattr(NoticeCursor, "save", lambda _self: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                notices.tell_traders(now=NOON)
        assert told() == []
        notices.tell_traders(now=NOON)
        assert told() == [("fill", f"order/{bought.pk}/filled")]

    def test_are_read_in_spans(
        self, provider: Principal, person: Principal, machine: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notices, "SPAN", 1)
        sell(provider, machine, 8, 9)
        for _number in range(3):
            buy(person, machine.product, 1, 9)
        drain()
        assert notices.tell_traders(now=NOON) == 3


class TestExpiries:
    def test_reach_the_buyer_once(self, person: Principal, machine: Node) -> None:
        waiting = buy(person, machine.product, 1, 9)
        drain()
        jobs.expire_orders(now=MIDNIGHT + timedelta(hours=24))
        drain(now=MIDNIGHT + timedelta(hours=24))
        notices.tell_traders(now=NOON)
        notices.tell_traders(now=NOON)
        assert told() == [("expiry", f"order/{waiting.pk}/expired")]
        assert Notice.objects.get().text.endswith("has expired, 0% filled.")


class TestLowBalances:
    def set(self, who: Principal, threshold: int | None) -> None:
        money.set_balance_alert(
            actor=who,
            namespace_id=namespace_of(who),
            threshold_micros=None if threshold is None else threshold * CREDIT,
            now=NOON,
        )

    def test_give_one_notice_until_the_balance_is_up_again(self, provider: Principal, machine: Node) -> None:
        person = visitor(rich(1000))
        self.set(person, 900)
        assert balance_alerts.tell_low_balances(now=NOON) == 0
        waiting = buy(person, machine.product, 1, 9)  # holds 24 × 9 credits
        assert balance_alerts.tell_low_balances(now=NOON) == 1
        assert balance_alerts.tell_low_balances(now=NOON) == 0
        assert "credits are available" in Notice.objects.get().text
        services.cancel_order(actor=person, order_id=waiting.pk, now=NOON)
        drain()
        assert balance_alerts.tell_low_balances(now=NOON) == 0
        buy(person, machine.product, 1, 9)
        assert balance_alerts.tell_low_balances(now=NOON + timedelta(minutes=1)) == 1
        assert [kind for kind, _ in told()] == ["low_balance"] * 2

    def test_have_a_threshold_that_the_account_sets(self) -> None:
        person, other = visitor(rich(1000)), rich()
        self.set(person, 2000)
        self.set(person, None)
        assert balance_alerts.tell_low_balances(now=NOON) == 0
        with pytest.raises(AmountInvalid):
            self.set(person, -1)
        with pytest.raises(NotAMember):
            money.set_balance_alert(
                actor=other, namespace_id=namespace_of(person), threshold_micros=CREDIT, now=NOON
            )
