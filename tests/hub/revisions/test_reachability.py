"""Large objects that no commit names any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.lfs.models import LfsLink, LfsObject
from hub.revisions import reachability
from tests.factories import hub as make
from tests.factories import ref_rows

pytestmark = pytest.mark.django_db


def test_links_of_a_damaged_repository_stay_and_others_are_let_go() -> None:
    ada = make.actor("ada")
    damaged, whole = make.repository(ada, "damaged"), make.repository(ada, "whole")
    stored = LfsObject.objects.create(oid="ab" * 32, size_bytes=1)
    for repository in (damaged, whole):
        LfsLink.objects.create(repository=repository, object=stored, pushed_at=make.NOW)
    ref_rows.damage_tree(damaged, damaged.head_sha)
    later = make.NOW + timedelta(days=365)
    assert [repository for repository, _ in reachability.unreachable(now=later)] == [whole]
    assert reachability.drop_unreachable(now=later) == 1
    assert LfsLink.objects.get().repository == damaged
