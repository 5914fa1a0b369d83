"""The ledger in the operator's pages is read, and never edited."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory

from compute_market.ledger import postings
from compute_market.ledger.admin import in_credits, owner_of
from compute_market.ledger.models import Account, Reservation, Transfer
from tests.factories.market import CREDIT, NOON, namespace_of, trader

pytestmark = pytest.mark.django_db
MODELS = (Account, Reservation, Transfer)


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser's browser: what is forbidden to it is forbidden to all."""
    user = trader().user
    assert user is not None
    user.is_staff = user.is_superuser = True
    user.save()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_added_changed_or_deleted(
    staff: Client, rf: RequestFactory, model: type[Account | Reservation | Transfer]
) -> None:
    pages = admin.site._registry[model]
    request = rf.get("/")
    assert not pages.has_add_permission(request)
    assert not pages.has_change_permission(request)
    assert not pages.has_delete_permission(request)
    assert staff.get(f"/admin/ledger/{model._meta.model_name}/add/").status_code == 403


def test_lists_name_owners_and_amounts_in_credits(staff: Client) -> None:
    buyer = trader("alice", funds=1_250)
    account = postings.lock_account(namespace_id=namespace_of(buyer), now=NOON)
    postings.reserve(
        account=account,
        amount_micros=CREDIT // 4,
        cause="order/1",
        now=NOON,
        expires_at=NOON + timedelta(days=1),
    )
    postings.shard_account_ids(shard=3, now=NOON)
    accounts = staff.get("/admin/ledger/account/").content.decode()
    for text in ("alice", "1,250.00", "0.25", "-1,250.00", "of shard 3"):
        assert text in accounts, text
    reservations = staff.get("/admin/ledger/reservation/").content.decode()
    assert "alice" in reservations
    assert "0.25" in reservations
    transfers = staff.get("/admin/ledger/transfer/?q=alice").content.decode()
    assert "1,250.00" in transfers


class TestInCredits:
    @pytest.mark.parametrize(
        ("micros", "text"),
        [
            (0, "0.00"),
            (1, "0.000001"),
            (1_250_000, "1.25"),
            (-1_250_000, "-1.25"),
            (1_000_000_000, "1,000.00"),
            (None, ""),
        ],
    )
    def test_are_as_people_read_them(self, micros: int | None, text: str) -> None:
        row = Reservation()
        row.amount_micros = micros  # type: ignore[assignment] # as of a column that may be null
        assert in_credits("amount_micros")(row) == text


def test_an_account_without_a_namespace_is_named_by_its_purpose() -> None:
    escrow, _ = postings.shard_account_ids(shard=2, now=NOON)
    assert owner_of("")(Account.objects.get(pk=escrow)) == f"escrow account {escrow} of shard 2"
    account = postings.open_account(kind="main", namespace_id=namespace_of(trader("bob")), now=NOON)
    assert owner_of("account")(Reservation(account=account)) == "bob"
