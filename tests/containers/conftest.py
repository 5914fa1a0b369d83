from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers import engine as engines
from tests.containers.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """buildah and podman, with the image of the bazaar."""
    with engines.engine() as made:
        engines.make_base(made)
        engines.build_image(made)
        yield made
