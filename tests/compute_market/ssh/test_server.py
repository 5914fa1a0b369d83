"""Logins to a lease: the keys that are accepted, and refusals that reveal nothing."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute_market.leases import jobs
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease
from compute_market.ssh import server
from foundation.clock import database_now, floor_minute
from hub.accounts import services as accounts
from hub.accounts.models import SshKey
from hub.interface import Principal, User
from tests.factories import market

pytestmark = pytest.mark.django_db

KEYS = [
    f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{body} laptop"
    for body in (
        "HxkhXJW1GWGnxbFS2y8v1rJGdgBbQGZlHhGBJZ3gTzY",
        "MFGzVnZ1kXzXb0c0RkUuJ8sS1oCqWq0pT0lq5m0bVzW",
    )
]
UNKNOWN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.fixture
def holder() -> Principal:
    return market.trader(funds=100)


@pytest.fixture
def lease(holder: Principal) -> Lease:
    """A lease in which something runs."""
    now = database_now()
    made = market.lease(market.node(now=now), holder=holder, start=floor_minute(now))
    jobs.start_leases(now=now)
    made.refresh_from_db()
    assert made.token is not None
    leasing.take_up(node=made.node, lease_id=made.pk, token=made.token, now=now)
    market.run(made, holder, "train", now=now)
    return made


def key_of(owner: Principal, text: str = KEYS[0]) -> str:
    return accounts.add_ssh_key(actor=owner, text=text).fingerprint


def work_for(fingerprint: str, lease: int) -> list[str]:
    """The statements that a refused login sent to the database."""
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert not server.allowed(fingerprint, lease)
    return [query["sql"].partition(" WHERE ")[0] for query in asked]


class TestALogin:
    def test_is_the_holders(self, holder: Principal, lease: Lease) -> None:
        key = key_of(holder)
        assert server.allowed(key, lease.pk)
        assert server.holds(key, lease.pk)

    def test_gives_a_stranger_no_sign_of_what_there_is(self, lease: Lease) -> None:
        """Another's lease costs the same questions as none at all, and no write, which would take time."""
        stranger = key_of(market.trader(), KEYS[1])
        foreign = work_for(stranger, lease.pk)
        assert foreign == work_for(stranger, 2**62)
        assert work_for(UNKNOWN, lease.pk) == work_for(UNKNOWN, 2**62)
        assert all(sql.startswith("SELECT") for sql in [*foreign, *work_for(UNKNOWN, lease.pk)])

    def test_with_a_key_that_is_only_offered_leaves_no_trace(self, holder: Principal, lease: Lease) -> None:
        key = key_of(holder)
        assert server.allowed(key, lease.pk)
        assert SshKey.objects.get().last_used_at is None
        server.note_use(key)
        assert SshKey.objects.get().last_used_at is not None

    @pytest.mark.parametrize("how", ["closed", "deleted", "key removed", "lease sold"])
    def test_ends_with_the_right_to_it(self, holder: Principal, lease: Lease, how: str) -> None:
        key = key_of(holder)
        assert holder.user is not None
        if how == "closed":
            User.objects.filter(pk=holder.user.pk).update(is_active=False)
        elif how == "deleted":
            # A deleted account has no key left. (Its ledger protects the row itself.)
            SshKey.objects.filter(user=holder.user).delete()
        elif how == "key removed":
            accounts.remove_ssh_key(actor=holder, key_id=SshKey.objects.get().pk)
        else:
            other = market.lease(market.node(now=database_now()), start=floor_minute(database_now()))
            Lease.objects.filter(pk=lease.pk).update(holder=other.holder)
        assert not server.allowed(key, lease.pk)
        assert not server.holds(key, lease.pk)

    def test_outlives_what_runs(self, holder: Principal, lease: Lease) -> None:
        """Between two works the connection stays, for the next one."""
        key = key_of(holder)
        lease.works.all().delete()
        assert not server.allowed(key, lease.pk)
        assert server.holds(key, lease.pk)
