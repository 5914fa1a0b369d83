"""Facts of other rooms that concern large objects."""

from __future__ import annotations

from datetime import datetime

from django.dispatch import receiver

from hub.accounts.principals import Principal
from hub.lfs import chunked
from hub.repos import quotas
from hub.repos.locking import LockedRepository
from hub.xet.models import XetFile
from hub.xet.signals import files_registered


@receiver(files_registered)
def keep_as_objects(
    *,
    files: list[XetFile],
    repository: LockedRepository,
    actor: Principal,
    now: datetime,
    **_: object,
) -> None:
    """Within the transaction that registers the files: the object and its chunks appear together."""
    proposer = quotas.proposer_of(actor, repository)
    chunked.record_files(repository=repository, files=files, now=now, proposer=proposer)
