from __future__ import annotations

import base64
import json

import pytest
from django.test import Client

from hub.repos.models import Repository
from hub.revisions import selectors, services
from hub.revisions.operations import AddBlob
from hub.revisions.services import NewCommit
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


def made_by_webui(file_name: str, limit: int = 50) -> str:
    """As text-generation-webui's download-model.py makes it from the last entry that it has."""
    inner = base64.b64encode(json.dumps({"file_name": file_name}).encode()) + b":%d" % limit
    return base64.b64encode(inner).decode()


@pytest.fixture
def repo() -> Repository:
    alice = make.actor("alice")
    made = make.repository(alice, "many", files={f"f{number:03}": b"x" for number in range(120)})
    blob = selectors.git_of(made).write_blob(b"x")
    operations = [AddBlob(path=path, blob=blob, size=1) for path in ("f050-/below", "f050-/other", "sub/a")]
    services.commit(
        actor=alice,
        repository=made,
        revision="main",
        request=NewCommit(operations=operations, title="folders"),
        now=make.NOW,
    )
    return made


def paths(client: Client, repo: Repository, **query: str) -> list[str]:
    answer = client.get(f"/api/models/{repo.full_name}/tree/main", query)
    assert answer.status_code == 200, answer.content
    return [row["path"] for row in answer.json()]


class TestRead:
    @pytest.mark.parametrize("recursive", ["false", "true"])
    def test_webuis_own_cursor_leads_through_all_entries_once_and_ends(
        self, client: Client, repo: Repository, recursive: str
    ) -> None:
        whole = paths(client, repo, recursive=recursive)
        seen = paths(client, repo, recursive=recursive, limit="50")
        for _ in range(10):
            page = paths(client, repo, recursive=recursive, cursor=made_by_webui(seen[-1]))
            if not page:
                break
            seen += page
        assert seen == whole

    def test_a_file_that_is_gone_leaves_its_place(self, client: Client, repo: Repository) -> None:
        assert paths(client, repo, cursor=made_by_webui("f1170gone", 2)) == ["f118", "f119"]
        assert paths(client, repo, cursor=made_by_webui("zzz")) == []

    @pytest.mark.parametrize(
        "cursor",
        [
            "nonsense",
            "-1",
            "²",
            "Zm9v",
            base64.b64encode(b"bm8ganNvbg==:50").decode(),
            base64.b64encode(base64.b64encode(b'{"other": 1}') + b":50").decode(),
            base64.b64encode(base64.b64encode(b'{"file_name": 1}') + b":50").decode(),
            base64.b64encode(base64.b64encode(b'["file_name"]') + b":50").decode(),
            made_by_webui("f001").replace("=", "") + "!",
            "A" * 10_000,
        ],
    )
    def test_any_other_is_refused(self, client: Client, repo: Repository, cursor: str) -> None:
        answer = client.get(f"/api/models/{repo.full_name}/tree/main", {"cursor": cursor})
        assert answer.status_code == 400

    def test_an_own_cursor_of_any_length_ends_the_list(self, client: Client, repo: Repository) -> None:
        assert paths(client, repo, cursor="9" * 5_000) == []
