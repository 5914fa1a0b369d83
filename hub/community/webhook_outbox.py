"""The outbox of webhooks: it matches a fact with the webhooks that watch it, and writes the calls to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from foundation import addresses
from foundation.held_rows import kept_keys
from foundation.hex_digits import row_id
from hub.accounts.models import Namespace, name_key
from hub.accounts.principals import Principal
from hub.community import tasks
from hub.community.models import Delivery, Discussion, DiscussionEvent, Domain, Webhook, WebhookWatch
from hub.repos import policies as repos
from hub.repos.kinds import PLURAL_OF, path_of
from hub.repos.models import Repository

PAYLOAD_VERSION = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a repository, in the words of the payload."""

    repository: Repository
    action: str
    scope: str
    domain: Domain = Domain.REPO
    more: Mapping[str, Any] = field(default_factory=dict)
    # Names under which it is watched besides its present ones: the one before a move.
    old_ids: Sequence[str] = ()


def tell(fact: Fact, *, now: datetime) -> list[Delivery]:
    """Step: queue one call for every webhook that watches this and whose owner may know of it."""
    repository = fact.repository
    deliveries = []
    for webhook in _watching(fact):
        if repository.is_private and not repos.can_see(Principal(user=webhook.owner), repository):
            continue
        payload = {
            "event": {"action": fact.action, "scope": fact.scope},
            "repo": _repository(repository),
            **fact.more,
            "webhook": {"id": webhook.key, "version": PAYLOAD_VERSION},
        }
        deliveries.append(Delivery(webhook=webhook, payload=payload, due_at=now, created_at=now))
    Delivery.objects.bulk_create(deliveries)
    for _ in range(min(len(deliveries), settings.WEBHOOK_CALLS_AT_ONCE)):
        tasks.enqueue(tasks.deliver_due)
    return deliveries


def _watching(fact: Fact) -> list[Webhook]:
    repository = fact.repository
    ids = [repository.full_name, *fact.old_ids]
    owners = {name_key(repo_id.partition("/")[0]) for repo_id in ids}
    watches = WebhookWatch.objects.filter(
        Q(type=repository.kind, key__in=[name_key(repo_id) for repo_id in ids])
        | Q(type__in=["user", "org"], key__in=owners)
    )
    watching = set(watches.values_list("webhook_id", flat=True))
    if not watching:
        return []
    # They must not be deleted before the transaction that adds their deliveries ends. A transaction may lock
    # a discussion before this or after it, so two facts must not wait for each other here.
    kept = kept_keys(Webhook.objects.filter(pk__in=watching))
    found = (
        Webhook.objects.filter(pk__in=kept, is_disabled=False, owner__is_active=True)
        .select_related("owner__namespace")
        .order_by("pk")
    )
    return [webhook for webhook in found if fact.domain in webhook.domains]


def web_path(repository: Repository) -> str:
    return path_of(repository.kind, repository.full_name)


def _repository(repository: Repository) -> dict[str, Any]:
    return {
        "type": repository.kind,
        "name": repository.full_name,
        "id": row_id(repository.pk),
        "private": repository.is_private,
        "url": {
            "web": f"{addresses.base()}/{web_path(repository)}",
            "api": f"{addresses.base()}/api/{PLURAL_OF[repository.kind]}/{repository.full_name}",
        },
        "owner": owner_of(repository.namespace),
        "headSha": repository.head_sha or None,
        "tags": [],
    }


def owner_of(namespace: Namespace) -> dict[str, str]:
    return {"id": row_id(namespace.pk)}


def discussion_payload(discussion: Discussion) -> dict[str, Any]:
    """The `discussion` part of a payload."""
    where = f"{addresses.base()}/{web_path(discussion.repository)}/discussions/{discussion.number}"
    payload: dict[str, Any] = {
        "id": row_id(discussion.pk),
        "title": discussion.title,
        "url": {
            "web": where,
            "api": (
                f"{addresses.base()}/api/{PLURAL_OF[discussion.repository.kind]}/{discussion.repository.full_name}"
                f"/discussions/{discussion.number}"
            ),
        },
        "author": {"id": row_id(discussion.author_id or 0)},
        "num": discussion.number,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
    }
    if discussion.is_pull_request:
        payload["changes"] = {
            "base": discussion.base_ref,
            **({"mergeCommitId": discussion.merge_commit_sha} if discussion.merge_commit_sha else {}),
        }
    return payload


def comment_payload(event: DiscussionEvent) -> dict[str, Any]:
    """The `comment` part of a payload."""
    discussion = event.discussion
    page = f"{web_path(discussion.repository)}/discussions/{discussion.number}"
    where = f"{addresses.base()}/{page}#{event.key}"
    payload: dict[str, Any] = {
        "id": event.key,
        "author": {"id": row_id(event.author_id or 0)},
        "hidden": event.is_hidden,
        "url": {"web": where},
    }
    if not event.is_hidden:
        payload["content"] = event.text
    return payload
