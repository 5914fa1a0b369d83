"""The ways to store a text, and its longest length, by column: the data of `test_stored_texts.py`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import Client

from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.offers import services as offers
from compute_market.offers.models import Node, Provider
from foundation.errors import Refusal
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.models import Collection, Discussion
from hub.repos.models import AccessRequest, Repository
from tests.factories import exchange
from tests.factories import hub as make
from tests.factories.market import NOON


@dataclass
class World:
    """A user with one of everything that holds a text, and a market with a lease that is active."""

    user: User
    headers: dict[str, str]
    model: Repository
    gated: Repository
    thread: Discussion
    collection: Collection
    node: Node
    lease: Lease
    holder: Principal
    client: Client

    def send(self, method: str, path: str, body: dict[str, Any], **headers: str) -> Any:
        text = json.dumps(body)
        sent = {**self.headers, **headers}
        response = self.client.generic(method, path, text, "application/json", headers=sent)
        assert response.status_code < 500, (path, response.status_code)
        return response

    @property
    def thread_path(self) -> str:
        return f"/api/models/{self.model.full_name}/discussions/{self.thread.number}"

    @property
    def collection_path(self) -> str:
        return f"/api/collections/{self.collection.slug}"


Store = Callable[[World, str], object]


def profile(field: str) -> Store:
    return lambda w, text: w.send("PATCH", "/api/hub/v1/profile", {field: text})


def created(field: str) -> Store:
    """By the dialect whose bodies have a description and a branch."""
    return lambda w, text: w.send(
        "POST", "/api/v1/models", {"namespace": "ada", "name": "made", "license": "mit", field: text}
    )


def collected(field: str) -> Store:
    return lambda w, text: w.send("PATCH", w.collection_path, {field: text})


def item(w: World, **body: Any) -> None:
    w.send("POST", f"{w.collection_path}/items", {"item": {"type": "model", "id": "ada/model"}, **body})


def webhook(**changes: Any) -> Store:
    """A webhook with one field that is the text; `domains` and `watched` take lists of it."""

    def store(w: World, text: str) -> None:
        body = {"url": "https://example.org/", "watched": [{"type": "user", "name": "ada"}]}
        for field, value in changes.items():
            body[field] = json.loads(json.dumps(value).replace("TEXT", text))
        w.send("POST", "/api/settings/webhooks", body)

    return store


def edited(w: World, text: str) -> None:
    """Twice, because the text before an edit is what is kept."""
    key = w.thread.events.earliest("id").key
    for content in (text, "after it"):
        w.send("POST", f"{w.thread_path}/comment/{key}/edit", {"content": content})


def rejected(w: World, text: str) -> None:
    asker = make.user("rita")
    AccessRequest.objects.create(repository=w.gated, user=asker, requested_at=NOON)
    headers = make.bearer(User.objects.get(namespace__name="olga"))
    body = {"user": "rita", "status": "rejected", "rejectionReason": text}
    w.send("POST", "/api/models/olga/gated/user-access-request/handle", body, **headers)


def long_branch(w: World, text: str) -> None:
    w.send("POST", f"/api/models/ada/model/branch/{text}", {})
    line = json.dumps({"key": "header", "value": {"summary": "A change"}})
    file = json.dumps({"key": "file", "value": {"path": "b", "content": "Yg==", "encoding": "base64"}})
    w.client.post(
        f"/api/models/ada/model/commit/{text}?create_pr=1",
        f"{line}\n{file}\n",
        content_type="application/x-ndjson",
        headers=w.headers,
    )


def room(store: Callable[[World, str], object]) -> Store:
    """A use case of the market, called as its door calls it."""

    def run(w: World, text: str) -> None:
        with contextlib.suppress(Refusal):
            store(w, text)

    return run


def work(w: World, **fields: Any) -> Work:
    given: dict[str, Any] = {"command": ["true"], "runner": "fake", **fields}
    return leasing.run_work(actor=w.holder, lease_id=w.lease.pk, now=NOON, **given)


def enrolled(w: World, **fields: Any) -> None:
    provider = Provider.objects.get(pk=w.node.provider_id)
    name = fields.pop("name", "another")
    key = offers.issue_enrolment_key(
        actor=Principal(user=w.user), provider=provider, product=w.node.product, name=name, gpus=8, now=NOON
    )
    offers.enrol(**{"key": key, "instance": "here", "runners": ["fake"], "now": NOON, **fields})


def reported(w: World, *, devices: list[Any] | None = None, host: dict[str, str] | None = None) -> None:
    offers.report_hardware(
        node=w.node,
        method="declared",
        devices=devices if devices is not None else [],
        host=host or {},
        now=NOON,
    )


def other_devices(w: World, text: str) -> None:
    """As many as the node has, each with a name of its own: the reason names them all."""
    models_ = [f"{index}{text[:119]}" for index in range(w.node.gpus)]
    devices = [device(model=name)[0] | {"index": n, "uuid": name} for n, name in enumerate(models_)]
    reported(w, devices=devices)


def ended(w: World, text: str) -> None:
    found = work(w)
    leasing.report_work(node=w.node, token=found.token, state="failed", reason=text, now=NOON)


def logged(w: World, text: str) -> None:
    found = work(w)
    leasing.append_log(node=w.node, token=found.token, offset=0, text=text, now=NOON)


def ordered(w: World, text: str) -> None:
    exchange.buy(w.holder, exchange.product(), 1, 6, client_order_id=text)


def annotated(w: World, text: str) -> None:
    exchange.buy(w.holder, exchange.product(), 1, 6, client_note=text)


@dataclass(frozen=True)
class Row:
    """The way to store a text, and its longest length in characters. `example`: a short text."""

    store: Store
    chars_max: int
    example: str = "bounded-text"
    filling: str = "x"

    def of(self, chars: int) -> str:
        """A text of about so many characters, which is like the example."""
        return self.example + self.filling * max(0, chars - len(self.example))


def device(**changes: Any) -> list[Any]:
    return [{"index": 0, "model": "x", "memory_mb": 80_000, "driver": "x", "uuid": "x", **changes}]


STORED: dict[str, Row] = {
    "accounts.Namespace.name": Row(
        lambda w, text: w.send("POST", "/api/hub/v1/organizations", {"name": text}), 96
    ),
    "accounts.Namespace.full_name": Row(profile("full_name"), 120),
    "accounts.Namespace.details": Row(profile("details"), 2000),
    "accounts.Namespace.website": Row(profile("website"), 200, "https://example.org/"),
    "accounts.User.email": Row(
        lambda w, text: w.send(
            "POST",
            "/api/hub/v1/accounts",
            {"name": "newcomer", "password": "a good long phrase", "email": text},
        ),
        254,
        "me@example.org",
        "g",
    ),
    "accounts.AccessToken.name": Row(
        lambda w, text: w.send("POST", "/api/hub/v1/tokens", {"name": text, "scopes": ["read"]}), 80
    ),
    "accounts.SshKey.name": Row(
        lambda w, text: w.send("POST", "/api/hub/v1/ssh-keys", {"name": text, "text": SSH_KEY}), 80
    ),
    "accounts.SshKey.body": Row(
        lambda w, text: w.send("POST", "/api/hub/v1/ssh-keys", {"text": f"ssh-ed25519 {text}"}),
        16 * 1024,
        "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43,
        "A",
    ),
    "repos.Repository.name": Row(created("name"), 96),
    "repos.Repository.description": Row(created("description"), 2000),
    "repos.Repository.default_branch": Row(created("default_branch"), 200),
    "repos.AccessRequest.fields": Row(
        lambda w, text: w.send("POST", "/olga/gated/ask-access", {"why": text}), 20_100
    ),
    "repos.AccessRequest.reason": Row(rejected, 2000),
    "community.Collection.title": Row(collected("title"), 59),
    "community.Collection.description": Row(collected("description"), 150),
    "community.CollectionItem.note": Row(lambda w, text: item(w, note=text), 500),
    "community.CollectionItem.paper": Row(
        lambda w, text: item(w, item={"type": "paper", "id": text}), 20, "2401.00001", "0"
    ),
    "community.Discussion.title": Row(
        lambda w, text: w.send("POST", f"{w.thread_path}/title", {"title": text}), 200
    ),
    "community.Discussion.base_ref": Row(long_branch, 255),
    "community.DiscussionEvent.text": Row(
        lambda w, text: w.send("POST", f"{w.thread_path}/comment", {"comment": text}), 65_536
    ),
    "community.DiscussionEvent.data": Row(
        lambda w, text: w.send("POST", f"{w.thread_path}/title", {"title": text}), 500
    ),
    "community.PastText.text": Row(edited, 65_536),
    "community.Webhook.url": Row(webhook(url="TEXT"), 1000, "https://example.org/"),
    "community.Webhook.secret": Row(webhook(secret="TEXT"), 256),
    "community.Webhook.domains": Row(webhook(domains=["TEXT"]), 100, "repo"),
    "community.WebhookWatch.name": Row(webhook(watched=[{"type": "user", "name": "TEXT"}]), 193, "olga"),
    "audit.AuditEntry.request_id": Row(
        lambda w, text: w.send(
            "POST", "/api/hub/v1/tokens", {"name": "a", "scopes": ["read"]}, **{"X-Request-Id": text}
        ),
        200,
    ),
    "audit.AuditEntry.details": Row(
        lambda w, text: w.send("POST", "/api/hub/v1/tokens", {"name": text, "scopes": ["read"]}), 300
    ),
    "offers.EnrolmentKey.name": Row(room(lambda w, text: enrolled(w, name=text)), 80),
    "offers.Node.name": Row(room(lambda w, text: enrolled(w, name=text)), 80),
    "offers.Node.instance": Row(room(lambda w, text: enrolled(w, instance=text)), 64),
    "offers.Node.runners": Row(room(lambda w, text: enrolled(w, runners=[text] * 100)), 200, "docker"),
    "offers.HardwareReport.devices": Row(room(lambda w, text: reported(w, devices=device(driver=text))), 400),
    "offers.HardwareReport.host": Row(
        room(lambda w, text: reported(w, host={f"{n}{text}": text for n in range(100)})), 12_000
    ),
    "offers.HardwareReport.reason": Row(room(other_devices), 300, "zz"),
    "offers.Node.state_reason": Row(room(other_devices), 300, "zz"),
    "matching.Order.client_order_id": Row(room(ordered), 64),
    "matching.Command.client_order_id": Row(room(ordered), 64),
    "matching.Order.client_note": Row(room(annotated), 200),
    "leases.Work.command": Row(room(lambda w, text: work(w, command=["echo", text])), 64 * 1024 + 100),
    "leases.Work.environment": Row(
        room(lambda w, text: work(w, environment={f"NAME_{n}": text for n in range(100)})), 256 * 1024 + 1000
    ),
    "leases.Work.image": Row(room(lambda w, text: work(w, image=text)), 300),
    "leases.Work.serves": Row(
        room(lambda w, text: work(w, serves=[{"port": 8000, "name": text}])), 100, "a-port"
    ),
    "leases.Work.reason": Row(room(ended), 300),
    "leases.LogChunk.text": Row(room(logged), 64 * 1024),
}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ada@example.org"

# Columns whose text no caller chooses, or of which another row is the source, and what says how long it is.
OTHER_COLUMNS: dict[str, str] = {
    "a digest, a number, a key or a checksum that the hub or git makes": (
        "accounts.AccessToken.digest accounts.AccessToken.hint accounts.SshKey.fingerprint "
        "accounts.User.password repos.Repository.storage repos.Repository.head_sha repos.ProposedBytes.ref "
        "xet.Xorb.hash xet.Shard.digest xet.XetFile.hash xet.XetFile.sha256 xet.ChunkEntry.chunk "
        "lfs.LfsObject.oid lfs.LfsObject.blob_key lfs.LfsUpload.id lfs.LfsUpload.oid "
        "revisions.RepositoryFacts.commit_sha revisions.Ref.held_sha revisions.Ref.commit_sha "
        "downloads.WrittenBatch.key community.Collection.key "
        "community.CollectionItem.key community.Discussion.merge_base_sha "
        "community.Discussion.merge_commit_sha community.DiscussionEvent.key community.Webhook.key "
        "community.Delivery.key community.Delivery.claim offers.Node.agent_key_id offers.EnrolmentKey.digest "
        "matching.Cursor.holder matching.Command.fingerprint matching.RefusedOrder.fingerprint "
        "matching.Snapshot.state_hash audit.AuditEntry.digest audit.AuditHead.digest community.Notice.key"
    ),
    "the lower case of a name that has a row": (
        "accounts.Namespace.key accounts.NamespaceRedirect.key repos.Repository.key "
        "repos.Repository.full_name "
        "repos.RepositoryRedirect.namespace_key repos.RepositoryRedirect.key community.WebhookWatch.key"
    ),
    "one of a few words that the code knows": (
        "accounts.AccessToken.scopes accounts.SshKey.kind audit.AuditEntry.action offers.Product.slug "
        "offers.Product.vendor offers.Product.gpu offers.Product.form offers.Product.region "
        "offers.Product.tier offers.Product.interconnect offers.Product.fragments offers.Node.hardware "
        "leases.Work.runner matching.Order.reason matching.Outcome.reason matching.RefusedOrder.code "
        "matching.Outbox.topic community.Notice.message community.NoticeSettings.muted"
    ),
    "read from files of a repository, with the limits of `hub/revisions/facts` and `indexing.py`": (
        "revisions.RepositoryFacts.pipeline_tag revisions.RepositoryFacts.library_name "
        "revisions.RepositoryFacts.tags revisions.RepositoryFacts.safetensors revisions.RepositoryFacts.gguf "
        "revisions.RepositoryFacts.transformers_info revisions.RepositoryFacts.card_errors "
        "revisions.RepositoryFacts.config revisions.RepositoryFacts.card_data revisions.RepositoryFacts.text "
        "revisions.RepositoryFacts.headers revisions.RepositoryFacts.siblings revisions.RepositoryTag.type "
        "revisions.RepositoryTag.value"
    ),
    "as many entries as a xorb may have chunks (`test_budget.py` of the Xet store)": (
        "xet.Xorb.chunk_hashes xet.Xorb.stored_ends xet.Xorb.raw_ends"
    ),
    "a ref's name, which `gitstore.paths.is_ref_name` limits to 1,000 bytes": "revisions.Ref.name",
    "what the object store calls an upload": "lfs.LfsUpload.store_upload_id",
    "cut where it is written: an answer, an error or a sentence of ours": (
        "community.Delivery.response_text community.Delivery.error community.Webhook.disabled_reason "
        "audit.AuditEntry.actor audit.AuditEntry.subject leases.Lease.reason "
        "leases.LeaseEvent.reason"
    ),
    "made of texts that have a row": (
        "community.Delivery.payload ledger.AccountEvent.payload matching.Outbox.payload "
        "offers.DeviceClaim.identity community.Notice.address community.Notice.params "
        "matching.RefusedOrder.details matching.RefusedOrder.client_order_id"
    ),
    "numbers, and the ids of rows": (
        "ledger.Reservation.cause ledger.Transfer.cause offers.GpuHold.cause matching.Listing.told "
        "matching.Command.body matching.Snapshot.state"
    ),
}
