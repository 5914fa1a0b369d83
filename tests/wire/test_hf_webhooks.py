"""Webhooks: made with the client, delivered by a real worker to a real receiver, on both databases."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.servers.live import LiveBazaar
from tests.servers.receiver import Receiver, receiving


@pytest.fixture
def worker(live_bazaar: LiveBazaar) -> Iterator[None]:
    with live_bazaar.worker():
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


class TestWebhooks:
    def test_are_made_changed_and_deleted(self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi) -> None:
        made = alice.create_webhook(
            url="https://example.org/hook",
            watched=[{"type": "user", "name": live_bazaar.alice.name}],
            domains=["repo"],
            secret="s3cret",
        )
        assert (made.domains, made.secret, made.disabled) == (["repo"], "s3cret", False)
        assert made.id in [found.id for found in alice.list_webhooks()]
        changed = alice.update_webhook(made.id, url="https://example.org/other", secret="other")
        assert [item.name for item in changed.watched] == [live_bazaar.alice.name]
        assert (changed.url, changed.secret) == ("https://example.org/other", "other")
        assert alice.disable_webhook(made.id).disabled
        assert not alice.enable_webhook(made.id).disabled
        with pytest.raises(HfHubHTTPError):
            bob.get_webhook(made.id)
        alice.delete_webhook(made.id)
        with pytest.raises(HfHubHTTPError):
            alice.get_webhook(made.id)

    @pytest.mark.usefixtures("worker")
    def test_are_called_signed_about_what_happens(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, receiver: Receiver, repo_id: str
    ) -> None:
        hook = alice.create_webhook(
            url=receiver.url, watched=[{"type": "model", "name": repo_id}], secret="s3cret"
        )
        alice.create_commit(
            repo_id, operations=[CommitOperationAdd("a.txt", b"a\n")], commit_message="Add a.txt"
        )
        committed = receiver.next_where("update", "repo.content")
        assert committed.body["repo"]["name"] == repo_id
        assert committed.body["repo"]["headSha"] == alice.repo_info(repo_id).sha
        assert committed.body["updatedRefs"][0]["newSha"] == committed.body["repo"]["headSha"]
        assert committed.body["webhook"] == {"id": hook.id, "version": 3}
        assert committed.headers["X-Webhook-Secret"] == "s3cret"
        signed = committed.headers["X-Webhook-Timestamp"].encode() + b"." + committed.raw
        expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
        assert committed.headers["X-Webhook-Signature"] == f"sha256={expected}"

        bob.create_discussion(repo_id, "Hello there", description="A question")
        opened = receiver.next_where("create", "discussion").body
        assert (opened["discussion"]["num"], opened["comment"]["content"]) == (1, "A question")
        bob.comment_discussion(repo_id, 1, comment="More")
        assert receiver.next_where("create", "discussion.comment").body["comment"]["content"] == "More"
        moved = f"{repo_id}-moved"
        alice.move_repo(repo_id, moved)
        assert receiver.next_where("move", "repo").body["movedTo"]["name"] == moved

        log = httpx.get(
            f"{live_bazaar.url}/api/settings/webhooks/{hook.id}/deliveries",
            headers={"Authorization": f"Bearer {live_bazaar.alice.token}"},
        )
        assert {row["status"] for row in log.json()[1:]} == {"delivered"}
        alice.delete_webhook(hook.id)

    @pytest.mark.usefixtures("worker")
    def test_payloads_are_what_the_clients_parser_takes(
        self, live_bazaar: LiveBazaar, alice: HfApi, receiver: Receiver, repo_id: str
    ) -> None:
        hook = alice.create_webhook(url=receiver.url, watched=[{"type": "model", "name": repo_id}])
        alice.create_pull_request(repo_id, "A draft")
        payload = receiver.next_where("create", "discussion").raw.decode()
        pytest.importorskip("pydantic")
        from huggingface_hub import WebhookPayload

        parsed = WebhookPayload.model_validate_json(payload)
        assert parsed.discussion is not None
        assert (parsed.discussion.status, parsed.repo.name) == ("draft", repo_id)
        alice.delete_webhook(hook.id)
