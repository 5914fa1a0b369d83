"""The community's calls through the unmodified client, newest and old."""

from __future__ import annotations

import hashlib
import random

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, DiscussionComment, HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from huggingface_hub.hf_api import RepoFile

from tests.servers import clients
from tests.servers.live import LiveBazaar, LiveUser, unique


def add(path: str, text: str) -> CommitOperationAdd:
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=text.encode())


def call(bazaar: LiveBazaar, user: LiveUser, method: str, path: str, body: object = None) -> httpx.Response:
    """Send a request for which the client has no function: liking, following, asking for access."""
    headers = {"Authorization": f"Bearer {user.token}"}
    return httpx.request(method, bazaar.url + path, headers=headers, json=body)


class TestDiscussions:
    def test_live_from_question_to_answer(self, alice: HfApi, bob: HfApi, repo_id: str) -> None:
        opened = bob.create_discussion(repo_id, "How large is it?", description="I **wonder**.")
        first = opened.events[0]
        assert isinstance(first, DiscussionComment)
        assert (opened.num, opened.status, first.content) == (1, "open", "I **wonder**.")
        assert first.rendered == "<p>I <strong>wonder</strong>.</p>\n"

        answer = alice.comment_discussion(repo_id, 1, comment="72B")
        edited = alice.edit_discussion_comment(repo_id, 1, answer.id, new_content="7B")
        renamed = bob.rename_discussion(repo_id, 1, new_title="How small is it?")
        closed = bob.change_discussion_status(repo_id, 1, new_status="closed", comment="Thanks")
        with pytest.warns(UserWarning, match="irreversible"):
            hidden = alice.hide_discussion_comment(repo_id, 1, answer.id)
        assert (edited.edited, edited.number_of_edits, edited.edit_history[0]["raw"]) == (True, 1, "72B")
        assert (renamed.old_title, renamed.new_title) == ("How large is it?", "How small is it?")
        assert hidden.hidden

        seen = alice.get_discussion_details(repo_id, 1)
        assert (seen.title, seen.status) == ("How small is it?", "closed")
        assert [event.type for event in seen.events] == [
            "comment",
            "comment",
            "title-change",
            "comment",
            "status-change",
        ]
        assert seen.events[1] == hidden
        assert seen.events[2] == renamed
        assert seen.events[4] == closed

    def test_are_listed_newest_first_and_filtered(self, alice: HfApi, bob: HfApi, repo_id: str) -> None:
        for number in range(3):
            bob.create_discussion(repo_id, f"Question {number}")
        alice.create_pull_request(repo_id, "A draft")
        alice.change_discussion_status(repo_id, 2, new_status="closed")

        def numbers(**query: str) -> list[int]:
            return [found.num for found in alice.get_repo_discussions(repo_id, **query)]

        assert numbers() == [4, 3, 2, 1]
        assert numbers(discussion_type="pull_request") == [4]
        assert numbers(discussion_type="discussion", discussion_status="open") == [3, 1]
        assert numbers(discussion_status="closed") == [2]
        assert numbers(author=bob.whoami()["name"]) == [3, 2, 1]

    def test_cannot_be_opened_where_they_are_disabled(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        settings = f"/api/models/{repo_id}/settings"
        call(live_bazaar, live_bazaar.alice, "PUT", settings, {"discussionsDisabled": True})
        with pytest.raises(HfHubHTTPError, match="disabled") as refused:
            bob.create_discussion(repo_id, "Hello there")
        assert refused.value.response.status_code == 403

    def test_are_changed_by_their_author_and_by_writers_only(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        alice.create_discussion(repo_id, "Mine")
        with pytest.raises(HfHubHTTPError) as refused:
            bob.rename_discussion(repo_id, 1, new_title="Yours")
        assert refused.value.response.status_code == 403
        carol = HfApi(endpoint=live_bazaar.url, token=live_bazaar.user(scopes="read").token)
        with pytest.raises(HfHubHTTPError) as refused:
            carol.comment_discussion(repo_id, 1, comment="by a token that only reads")
        assert refused.value.response.status_code == 403


class TestPullRequests:
    def test_go_from_draft_to_merged(self, alice: HfApi, bob: HfApi, repo_id: str) -> None:
        opened = bob.create_pull_request(repo_id, "Say hello", description="It is polite.")
        assert (opened.status, opened.git_reference) == ("draft", "refs/pr/1")
        assert (opened.target_branch, opened.conflicting_files) == ("refs/heads/main", [])
        with pytest.raises(HfHubHTTPError) as refused:
            alice.merge_pull_request(repo_id, 1)
        assert refused.value.response.status_code == 409

        bob.create_commit(
            repo_id, operations=[add("hello.txt", "hello\n")], commit_message="Hello", revision="refs/pr/1"
        )
        bob.change_discussion_status(repo_id, 1, new_status="open")
        with pytest.raises(HfHubHTTPError) as refused:
            bob.merge_pull_request(repo_id, 1)
        assert refused.value.response.status_code == 403

        alice.merge_pull_request(repo_id, 1, comment="Lovely")
        merged = alice.get_discussion_details(repo_id, 1)
        assert merged.status == "merged"
        assert merged.merge_commit_oid == alice.repo_info(repo_id).sha
        assert merged.diff is not None
        assert "+hello" in merged.diff
        assert "hello.txt" in alice.list_repo_files(repo_id)
        assert {"commit", "status-change"} <= {event.type for event in merged.events}

    def test_come_from_a_commit_of_somebody_who_only_reads(
        self, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        done = bob.create_commit(
            repo_id,
            operations=[add("new.txt", "new\n")],
            commit_message="Add new.txt",
            commit_description="Because.",
            create_pr=True,
        )
        assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
        seen = alice.get_discussion_details(repo_id, 1)
        assert (seen.title, seen.status) == ("Add new.txt", "open")
        assert "new.txt" not in alice.list_repo_files(repo_id)
        assert "new.txt" in alice.list_repo_files(repo_id, revision="refs/pr/1")
        refs = alice.list_repo_refs(repo_id, include_pull_requests=True)
        assert [ref.ref for ref in refs.pull_requests or []] == ["refs/pr/1"]

    def test_bring_large_files_of_somebody_who_only_reads(
        self, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        content = random.Random(7).randbytes(300_000)
        operation = CommitOperationAdd(path_in_repo="model.bin", path_or_fileobj=content)
        done = bob.create_commit(
            repo_id, operations=[operation], commit_message="Add weights", create_pr=True
        )
        assert done.pr_num is not None
        (found,) = alice.get_paths_info(repo_id, "model.bin", revision="refs/pr/1")
        assert isinstance(found, RepoFile)
        assert found.lfs is not None
        assert found.lfs.sha256 == hashlib.sha256(content).hexdigest()
        alice.merge_pull_request(repo_id, done.pr_num)
        assert alice.file_exists(repo_id, "model.bin")

    def test_name_the_files_in_conflict(self, alice: HfApi, bob: HfApi, repo_id: str) -> None:
        bob.create_commit(
            repo_id, operations=[add("a.txt", "bob\n")], commit_message="Bob says", create_pr=True
        )
        alice.create_commit(repo_id, operations=[add("a.txt", "alice\n")], commit_message="Alice says")
        assert alice.get_discussion_details(repo_id, 1).conflicting_files == ["a.txt"]
        with pytest.raises(HfHubHTTPError, match=r"a\.txt") as refused:
            alice.merge_pull_request(repo_id, 1)
        assert refused.value.response.status_code == 409


class TestCollections:
    def test_are_made_filled_sorted_and_deleted(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        dataset_id = f"{live_bazaar.alice.name}/{unique('data')}"
        alice.create_repo(dataset_id, repo_type="dataset")
        made = alice.create_collection(unique("Small models"), description="Those that fit.")
        again = alice.create_collection(made.title, exists_ok=True)
        assert again.slug == made.slug

        alice.add_collection_item(made.slug, repo_id, "model", note="The first")
        whole = alice.add_collection_item(made.slug, dataset_id, "dataset")
        assert [(item.item_type, item.item_id) for item in whole.items] == [
            ("model", repo_id),
            ("dataset", dataset_id),
        ]
        with pytest.raises(HfHubHTTPError) as refused:
            alice.add_collection_item(made.slug, repo_id, "model")
        assert refused.value.response.status_code == 409
        alice.add_collection_item(made.slug, repo_id, "model", exists_ok=True)
        with pytest.raises(HfHubHTTPError) as refused:
            bob.add_collection_item(made.slug, repo_id, "model")
        assert refused.value.response.status_code == 403

        first, second = whole.items
        alice.update_collection_item(made.slug, second.item_object_id, position=0, note="Now first")
        seen = bob.get_collection(made.slug)
        assert [(item.item_id, item.note) for item in seen.items] == [
            (dataset_id, "Now first"),
            (repo_id, "The first"),
        ]
        changed = alice.update_collection_metadata(
            made.slug, title="Tiny", description="Smaller", theme="green", private=True
        )
        assert (changed.title, changed.theme, changed.private) == ("Tiny", "green", True)
        assert changed.slug != made.slug
        with pytest.raises(HfHubHTTPError) as refused:
            bob.get_collection(made.slug)
        assert refused.value.response.status_code == 404
        alice.delete_collection_item(made.slug, first.item_object_id)
        assert [item.item_id for item in alice.get_collection(changed.slug).items] == [dataset_id]
        alice.delete_collection(changed.slug)
        alice.delete_collection(changed.slug, missing_ok=True)

    def test_are_listed_by_owner_and_by_item(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        made = alice.create_collection(unique("Mine"))
        hidden = alice.create_collection(unique("Hidden"), private=True)
        for slug in (made.slug, hidden.slug):
            alice.add_collection_item(slug, repo_id, "model")
        name = live_bazaar.alice.name
        found = list(bob.list_collections(owner=name, item=f"models/{repo_id}", limit=10))
        assert [collection.slug for collection in found] == [made.slug]
        assert [item.item_id for item in found[0].items] == [repo_id]
        own = {collection.slug for collection in alice.list_collections(owner=name, limit=100)}
        assert {made.slug, hidden.slug} <= own


class TestGatedRepositories:
    def test_are_asked_for_and_granted(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        name = live_bazaar.bob.name
        alice.update_repo_settings(repo_id, gated="manual")
        with pytest.raises(GatedRepoError):
            bob.auth_check(repo_id)
        asked = call(live_bazaar, live_bazaar.bob, "POST", f"/{repo_id}/ask-access", {"why": "to learn"})
        assert asked.json()["status"] == "pending"
        pending = alice.list_pending_access_requests(repo_id)
        assert [(found.username, found.fields) for found in pending] == [(name, {"why": "to learn"})]

        alice.accept_access_request(repo_id, user=name)
        bob.auth_check(repo_id)
        with pytest.raises(HfHubHTTPError) as refused:
            alice.accept_access_request(repo_id, user=name)
        assert refused.value.response.status_code == 409
        alice.reject_access_request(repo_id, user=name, rejection_reason="No longer")
        assert [found.username for found in alice.list_rejected_access_requests(repo_id)] == [name]
        with pytest.raises(GatedRepoError):
            bob.auth_check(repo_id)
        alice.cancel_access_request(repo_id, user=name)
        alice.accept_access_request(repo_id, user=name)
        assert [found.username for found in alice.list_accepted_access_requests(repo_id)] == [name]
        with pytest.raises(HfHubHTTPError) as refused:
            list(bob.list_accepted_access_requests(repo_id))
        assert refused.value.response.status_code == 403

    def test_let_people_in_who_have_not_asked(
        self, live_bazaar: LiveBazaar, alice: HfApi, repo_id: str
    ) -> None:
        carol = live_bazaar.user()
        with pytest.raises(HfHubHTTPError) as refused:
            alice.grant_access(repo_id, user=carol.name)
        assert refused.value.response.status_code == 400
        alice.update_repo_settings(repo_id, gated="manual")
        alice.grant_access(repo_id, user=carol.name)
        HfApi(endpoint=live_bazaar.url, token=carol.token).auth_check(repo_id)
        with pytest.raises(HfHubHTTPError):
            alice.grant_access(repo_id, user=carol.name)


class TestLikesAndPeople:
    def test_likes_are_given_listed_and_taken_back(
        self, live_bazaar: LiveBazaar, alice: HfApi, bob: HfApi, repo_id: str
    ) -> None:
        for _ in range(2):
            call(live_bazaar, live_bazaar.bob, "POST", f"/api/models/{repo_id}/like")
        assert [user.username for user in alice.list_repo_likers(repo_id)] == [live_bazaar.bob.name]
        assert repo_id in alice.list_liked_repos(live_bazaar.bob.name).models
        assert alice.model_info(repo_id).likes == 1
        bob.unlike(repo_id)
        assert list(alice.list_repo_likers(repo_id)) == []
        assert alice.model_info(repo_id).likes == 0

    def test_people_and_organizations_have_overviews_and_followers(
        self, live_bazaar: LiveBazaar, alice: HfApi, repo_id: str
    ) -> None:
        org = live_bazaar.org()
        carol = live_bazaar.user(orgs=[f"{org}:write"])
        name = live_bazaar.alice.name
        call(live_bazaar, carol, "POST", f"/api/users/{name}/follow")
        call(live_bazaar, carol, "POST", f"/api/organizations/{org}/follow")

        seen = HfApi(endpoint=live_bazaar.url, token=carol.token).get_user_overview(name)
        assert seen.is_following
        assert (seen.num_models or 0) >= 1
        assert carol.name in [user.username for user in alice.list_user_followers(name)]
        assert [user.username for user in alice.list_user_following(carol.name)] == [name]
        assert [found.name for found in alice.get_user_overview(carol.name).orgs] == [org]

        overview = alice.get_organization_overview(org)
        assert (overview.num_users, overview.num_followers) == (1, 1)
        assert [user.username for user in alice.list_organization_members(org)] == [carol.name]
        assert [user.username for user in alice.list_organization_followers(org)] == [carol.name]
        with pytest.raises(HfHubHTTPError) as refused:
            alice.get_user_overview("nobody-of-this-name")
        assert refused.value.response.status_code == 404


OLD_CLIENT = """
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
model = MODEL
name = api.whoami()["name"]
repo_id = f"{name}/{model}"
api.create_repo(repo_id)
api.create_discussion(repo_id, "Hello there")
api.comment_discussion(repo_id, 1, comment="Hi")
api.change_discussion_status(repo_id, 1, new_status="closed")
operations = [CommitOperationAdd("a.txt", b"a\\n")]
done = api.create_commit(repo_id, operations=operations, commit_message="Add it", create_pr=True)
api.merge_pull_request(repo_id, done.pr_num)
assert "a.txt" in api.list_repo_files(repo_id)
operations = [CommitOperationAdd("a.bin", bytes(range(256)) * 99)]
done = api.create_commit(repo_id, operations=operations, commit_message="Add more", create_pr=True)
api.merge_pull_request(repo_id, done.pr_num)
assert [found.status for found in api.get_repo_discussions(repo_id)] == ["merged", "merged", "closed"]
made = api.create_collection(MODEL, private=True)
made = api.add_collection_item(made.slug, repo_id, "model", note="x")
api.update_collection_item(made.slug, made.items[0].item_object_id, note="y")
assert [found.slug for found in api.list_collections(owner=name)] == [made.slug]
api.delete_collection(made.slug)
hook = api.create_webhook(url="https://example.org/", watched=[{"type": "user", "name": name}])
assert [found.id for found in api.list_webhooks()] == [hook.id]
api.delete_webhook(hook.id)
api.update_repo_settings(repo_id, gated="auto")
assert api.list_pending_access_requests(repo_id) == []
assert list(api.list_repo_likers(repo_id)) == []
assert api.get_user_overview(name).num_models == 1
print("done")
"""


OLD_PROPOSER = """
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
operations = [CommitOperationAdd("a.bin", bytes(range(256)) * 99)]
done = api.create_commit(REPO_ID, operations=operations, commit_message="Add it", create_pr=True)
assert "a.bin" in api.list_repo_files(REPO_ID, revision=done.pr_revision)
print("done")
"""


class TestTheOldClient:
    def test_proposes_large_files_to_repositories_of_others(
        self, live_bazaar: LiveBazaar, repo_id: str
    ) -> None:
        python = clients.old_huggingface_environment() / "bin" / "python"
        script = OLD_PROPOSER.replace("REPO_ID", repr(repo_id))
        done = clients.run_python(script, env=live_bazaar.client_env(live_bazaar.bob), python=python)
        assert "done" in done.out

    def test_discusses_merges_collects_and_hooks(self, live_bazaar: LiveBazaar) -> None:
        python = clients.old_huggingface_environment() / "bin" / "python"
        user = live_bazaar.user()
        script = OLD_CLIENT.replace("MODEL", repr(unique("model")))
        done = clients.run_python(script, env=live_bazaar.client_env(user), python=python)
        assert "done" in done.out
