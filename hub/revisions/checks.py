"""Checks of refs in `manage.py doctor`."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.checks import CheckMessage, Error, Info, register
from django.core.checks import Warning as Caution
from django.db import DatabaseError

from hub.repos.models import Repository
from hub.revisions import ref_copies

# The repositories that changed last; `manage.py refs compare` looks at all.
COMPARED_MAX = 100


@register("doctor", deploy=True)
def refs_are_in_the_database(**_options: object) -> Iterable[CheckMessage]:
    try:
        left = ref_copies.count_without_rows()
    except DatabaseError:
        return []  # there are no tables yet; another check says so
    if not left:
        return []
    hint = "They get them at first use and by a periodic task; `manage.py refs fill` does it at once."
    return [Info(f"{left} repositories have no rows of their refs yet.", hint=hint, id="bazaar.I213")]


@register("doctor", deploy=True)
def refs_agree(**_options: object) -> Iterable[CheckMessage]:
    """Compare rows, git's files and objects of the repositories that changed last."""
    found: list[CheckMessage] = []
    try:
        latest = list(
            Repository.objects.live().exclude(refs_version=0).order_by("-updated_at")[:COMPARED_MAX]
        )
    except DatabaseError:
        return []
    for repository in latest:
        try:
            differences = list(ref_copies.differences(repository))
        except FileNotFoundError:
            continue  # `manage.py reindex` names it
        for difference in differences:
            kind = Error if difference.is_damaged else Caution
            number = "E214" if difference.is_damaged else "W214"
            text = f"{repository.kind} {repository.full_name}, {difference}"
            hint = (
                f"`manage.py refs compare` looks at all repositories; --repo {repository.full_name} at one."
            )
            found.append(kind(text, hint=hint, id=f"bazaar.{number}"))
    return found
