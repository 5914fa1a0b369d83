"""Users for the tests of Hugging Face's client; tests of other clients have users of their own."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi

from tests.servers.live import LiveBazaar, unique


@pytest.fixture
def alice(live_bazaar: LiveBazaar) -> HfApi:
    return HfApi(endpoint=live_bazaar.url, token=live_bazaar.alice.token)


@pytest.fixture
def bob(live_bazaar: LiveBazaar) -> HfApi:
    return HfApi(endpoint=live_bazaar.url, token=live_bazaar.bob.token)


@pytest.fixture
def repo_id(live_bazaar: LiveBazaar, alice: HfApi) -> str:
    """A public model of alice's."""
    made = f"{live_bazaar.alice.name}/{unique('model')}"
    alice.create_repo(made)
    return made
