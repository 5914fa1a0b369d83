"""Random calls over every route of the urlconf and every operation of the OpenAPI description.

`script/fuzz` makes a hundred thousand.
"""

from __future__ import annotations

import os

import pytest

from tests.fuzz import run, world

CALLS = int(os.environ.get("BAZAAR_FUZZ_CALLS", "5000"))


@pytest.mark.django_db
@pytest.mark.timeout(3600)
def test_no_call_crashes_a_view() -> None:
    first_seed = int(os.environ.get("BAZAAR_FUZZ_SEED") or run.fresh_seed())
    report = run.run(world.build(), first_seed=first_seed, count=CALLS)
    print(f"seeds from {first_seed}: {dict(sorted(report.statuses.items()))}")  # noqa: T201
    assert not report.failures, f"seeds from {first_seed}\n" + "\n\n".join(report.failures)
    # The calls reach views: most statuses that a view can give have been seen.
    assert {200, 400, 401, 403, 404, 405, 422} <= report.statuses.keys()
