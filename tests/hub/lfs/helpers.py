from __future__ import annotations

import hashlib
import io
from datetime import timedelta

from hub.accounts.principals import Principal
from hub.lfs import services
from hub.lfs.grants import Action, Grant
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from tests.factories.hub import NOW


def oid_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted(data: bytes) -> services.NamedObject:
    return services.NamedObject(oid_of(data), len(data))


def grant(repository: Repository, data: bytes, action: Action = Action.SEND, **fields: object) -> Grant:
    return Grant(
        action=action,
        repository_id=repository.pk,
        oid=oid_of(data),
        size_bytes=len(data),
        expires_at=int((NOW + timedelta(hours=1)).timestamp()),
        **{"user_id": repository.created_by_id} | fields,
    )


def send(repository: Repository, data: bytes) -> LfsObject:
    """Upload an object to a repository, as a writer with a signed address does."""
    return services.receive_object(grant=grant(repository, data), read=io.BytesIO(data).read, now=NOW)


def negotiate(
    actor: Principal, repository: Repository, *contents: bytes, **options: bool
) -> list[services.UploadAnswer]:
    return services.negotiate_upload(
        actor=actor,
        repository=repository,
        wanted=[wanted(data) for data in contents],
        in_parts=options.get("in_parts", False),
        always_in_parts=options.get("always_in_parts", False),
        now=NOW,
    )
