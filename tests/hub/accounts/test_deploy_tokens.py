"""Making tokens with a cap."""

import pytest

from foundation.errors import Denied, Invalid
from hub.accounts import services
from hub.accounts.models import AccessToken
from hub.accounts.principals import SYSTEM, Principal
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scopes", "cap"),
    [
        (["deploy"], None),
        (["deploy"], 0),
        (["deploy"], services.SPEND_CAP_MAX_MICROS + 1),
        (["trade"], 5),
        (["trade", "deploy"], 5),
        (["write"], 5),
    ],
)
def test_a_cap_belongs_to_tokens_that_deploy_and_do_not_trade(scopes: list[str], cap: int | None) -> None:
    with pytest.raises(Invalid):
        services.create_token(actor=make.actor(), name="t", scopes=scopes, spend_cap_micros=cap)


def test_a_token_with_a_cap_makes_no_second_one() -> None:
    user = make.user()
    capped, _ = services.create_token(
        actor=Principal(user=user), name="t", scopes=["write", "deploy"], spend_cap_micros=5
    )
    with pytest.raises(Denied):
        services.create_token(
            actor=Principal(user=user, token=capped), name="u", scopes=["deploy"], spend_cap_micros=5
        )


def test_the_operator_gives_no_token_that_would_have_no_cap() -> None:
    user = make.user()
    with pytest.raises(Invalid):
        services.ensure_token(actor=SYSTEM, user=user, secret="x" * 20, scopes=["deploy"])
    assert not AccessToken.objects.filter(user=user).exists()


def test_trade_includes_deploy() -> None:
    user = make.user()
    token, _ = services.create_token(actor=Principal(user=user), name="t", scopes=["trade"])
    assert Principal(user=user, token=token).has_scope("deploy")
