"""The refs that hold the commits of pull requests: `refs/pr/1`."""

from __future__ import annotations

import re

PREFIX = "refs/pr/"
_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})")


def pull_request_ref(number: int) -> str:
    return f"{PREFIX}{number}"


def pull_request_number(ref: str) -> int | None:
    """The number in the ref of a pull request; None for every other text."""
    found = _REF.fullmatch(ref)
    return int(found[1]) if found else None
