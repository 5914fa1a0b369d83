"""Checks of the Xet store in `manage.py doctor`."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.checks import CheckMessage, Error, register
from django.db import DatabaseError

from hub.xet.models import XetFileLink, Xorb

NAMED_MAX = 20


@register("doctor", deploy=True)
def no_xorb_is_damaged(**_options: object) -> Iterable[CheckMessage]:
    """Name the xorbs whose bytes are no longer what was verified, and the repositories that need them."""
    try:
        damaged = list(
            Xorb.objects.filter(state=Xorb.State.DAMAGED).values_list("pk", flat=True)[: NAMED_MAX + 1]
        )
    except DatabaseError:
        # There are no tables yet; another check says so.
        return []
    return [
        Error(
            f"Xorb {name} is damaged. Repositories that need it: {', '.join(_repositories(name)) or 'none'}.",
            hint=(
                "Put its file back from a backup and run `manage.py scrub --all`, or upload the files again"
                " from a machine with an empty Xet cache: sound bytes take the place of damaged ones."
            ),
            id="hub.xet.E001",
        )
        for name in damaged[:NAMED_MAX]
    ]


def _repositories(name: str) -> list[str]:
    links = XetFileLink.objects.filter(file__terms__xorb=name).select_related("repository")
    return sorted({link.repository.full_name for link in links[:NAMED_MAX]})
