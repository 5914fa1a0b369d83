"""The rights of each caller by route: the data that `test_matrix.py` compares every route of the hub with.

**To add a route**: put a line `METHOD pattern[?query] class` into REPOSITORY_ROUTES (its address names a
repository), MARKET_ROUTES or OTHER_ROUTES. The pattern is the one of the urlconf, without a mount of
Hugging Face's wire (`hf/`, `csg/`, `ms/`), a kind's prefix (`datasets/`, …) or the number of the Xet store.
Choose the class by what the route gives or does; if it asks for rights only after its body was read, put
a body that is well formed into BODIES.

Verdicts:

    yes    the rights suffice; whatever follows (a redirect, a wrong body, a conflict) is no matter of rights
    no     refused, and that the thing exists may be known (401, 403, a page that leads to the sign-in)
    barred any refusal, also of the body
    any    not compared
    gone   the very answer (status, headers, body) that a name gets which never existed
"""

from __future__ import annotations

from tests.security.matrix.bodies import BODIES, TOLD_OF_THE_GATE
from tests.security.matrix.callers import CALLERS, SAME_AS, STATES
from tests.security.matrix.market_routes import (
    BAD_BODIES,
    BAD_FIELDS,
    BODY_DECIDES,
    ELSEWHERE,
    MARKET_BODIES,
    MARKET_CALLERS,
    MARKET_EXPECTED,
    MARKET_ROUTES,
    MARKET_SESSIONS,
    NAMING,
    PORT_PAGE,
)
from tests.security.matrix.other_routes import OTHER_ROUTES, STUBS
from tests.security.matrix.repository_routes import REPOSITORY_ROUTES
from tests.security.matrix.verdicts import EXPECTED, OTHER

__all__ = [
    "BAD_BODIES",
    "BAD_FIELDS",
    "BODIES",
    "BODY_DECIDES",
    "CALLERS",
    "ELSEWHERE",
    "EXPECTED",
    "MARKET_BODIES",
    "MARKET_CALLERS",
    "MARKET_EXPECTED",
    "MARKET_ROUTES",
    "MARKET_SESSIONS",
    "NAMING",
    "OTHER",
    "OTHER_ROUTES",
    "PORT_PAGE",
    "REPOSITORY_ROUTES",
    "SAME_AS",
    "STATES",
    "STUBS",
    "TOLD_OF_THE_GATE",
]
