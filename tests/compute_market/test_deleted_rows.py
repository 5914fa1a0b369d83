"""Rows that a use case of the market locks, and that somebody deleted since they were read."""

from __future__ import annotations

import pytest

from compute_market.offers import services as supply
from compute_market.offers.models import Provider
from foundation.errors import Conflict
from tests.factories import market
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_provider_that_is_gone_gets_no_enrolment_key() -> None:
    owner = market.trader()
    product = market.product()
    provider = Provider.objects.create(namespace_id=market.namespace_of(owner), created_at=NOON)
    Provider.objects.filter(pk=provider.pk).delete()
    with pytest.raises(Conflict, match="been deleted in the meantime"):
        supply.issue_enrolment_key(
            actor=owner, provider=provider, product=product, name="n", gpus=product.lot, now=NOON
        )
