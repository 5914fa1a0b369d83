"""While a backup holds collections, nothing that a row names loses its bytes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from hub.blobstore import get_store
from hub.lfs import jobs as lfs
from hub.lfs.models import LfsObject
from hub.repos import holds
from hub.repos import jobs as repos
from hub.repos.models import CollectionHold, Repository
from hub.revisions import jobs as revisions
from hub.xet import jobs as xet
from tests.factories import hub as factories
from tests.factories.hub import NOW
from tests.hub.lfs.helpers import send

pytestmark = pytest.mark.django_db

MUCH_LATER = NOW + timedelta(days=400)


class TestHold:
    def test_lasts_until_its_end_and_only_grows(self) -> None:
        holds.hold(until=NOW)
        holds.hold(until=NOW - timedelta(hours=1))
        assert holds.is_held(NOW - timedelta(seconds=1))
        assert not holds.is_held(NOW)
        assert CollectionHold.objects.count() == 1

    def test_is_seen_by_the_transaction_that_deletes(self) -> None:
        with transaction.atomic():
            assert not holds.lock(NOW)
        holds.hold(until=MUCH_LATER)
        with transaction.atomic():
            assert holds.lock(NOW)


class TestCollections:
    def test_wait(self) -> None:
        repository = factories.repository(factories.actor())
        stored = send(repository, b"never committed")
        Repository.objects.filter(pk=repository.pk).update(deleted_at=NOW)
        holds.hold(until=MUCH_LATER + timedelta(minutes=1))
        assert lfs.collect(now=MUCH_LATER) == {}
        assert xet.collect(now=MUCH_LATER) == {}
        assert repos.purge_deleted(now=MUCH_LATER) == 0
        assert repos.drop_stray_folders(now=MUCH_LATER) == 0
        assert revisions.tidy(now=NOW) == 0
        assert get_store().exists(stored.blob_key)
        assert LfsObject.objects.exists()
        # Afterwards everything takes its course.
        after = MUCH_LATER + timedelta(minutes=2)
        assert repos.purge_deleted(now=after) == 1
        assert lfs.collect(now=after)["objects"] == 1
        assert not get_store().exists(stored.blob_key)

    def test_that_began_before_the_hold_delete_nothing_more(self) -> None:
        send(factories.repository(factories.actor()), b"never committed")
        lfs.drop_unpushed(before=MUCH_LATER)
        holds.hold(until=MUCH_LATER + timedelta(minutes=1))
        assert lfs.drop_unlinked(before=MUCH_LATER, now=MUCH_LATER) == 0
        assert LfsObject.objects.exists()
