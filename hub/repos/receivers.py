"""Facts from below that the repository record follows, in the transaction that makes them true."""

from __future__ import annotations

from django.dispatch import receiver

from hub.accounts.models import Namespace
from hub.accounts.signals import namespace_renamed
from hub.repos import services


@receiver(namespace_renamed)
def follow_namespace_rename(*, namespace: Namespace, **_: object) -> None:
    services.follow_namespace_rename(namespace=namespace)
