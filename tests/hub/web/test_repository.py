"""Repository pages: what they show, to whom, and at what cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from hub.accounts.models import User
from hub.community.models import Discussion
from hub.repos.models import Repository
from hub.revisions import last_commits
from tests.hub.web.conftest import PASSWORD, commit_files

pytestmark = pytest.mark.django_db
Make = Callable[..., Repository]

CARD = (
    "---\nlicense: mit\npipeline_tag: text-generation\nlanguage: zh\n---\n# Hello\n\n"
    "[docs](docs/a.md) $x^2$\n"
)


class TestTheCard:
    def test_shows_prose_facts_and_how_to_fetch(self, client: Client, make_repository: Make) -> None:
        make_repository(README__md=CARD)
        page = client.get("/ada/model").content.decode()
        assert "Hello" in page
        assert "<math" in page
        assert 'href="/ada/model/blob/main/docs/a.md"' in page
        assert "HF_ENDPOINT=http://testserver" in page
        assert "/models?tag=license%3Amit" in page or "/models?tag=license:mit" in page

    def test_stays_cheap(
        self, client: Client, make_repository: Make, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_repository(README__md=CARD)
        with django_assert_max_num_queries(8):
            answer = client.get("/ada/model")
        assert len(answer.content) < 120_000

    def test_of_a_private_repository_looks_like_none(
        self, client: Client, signed_in: Client, make_repository: Make
    ) -> None:
        repository = make_repository(README__md=CARD)
        Repository.objects.filter(pk=repository.pk).update(visibility="private")
        assert signed_in.get("/ada/model").status_code == 200
        hidden, absent = client.get("/ada/model"), client.get("/ada/nothing")
        assert hidden.status_code == absent.status_code == 404
        assert "Hello" not in hidden.content.decode()

    def test_leads_from_the_old_name_to_the_new(self, signed_in: Client, make_repository: Make) -> None:
        make_repository(README__md=CARD)
        answer = signed_in.post("/ada/model/settings", {"act": "move", "to": "ada/renamed"})
        assert answer["Location"] == "/ada/renamed/settings"
        moved = signed_in.get("/ada/model/tree/main")
        assert (moved.status_code, moved["Location"]) == (301, "/ada/renamed/tree/main")


class TestFiles:
    def test_lists_a_folder_with_last_commits(
        self, client: Client, make_repository: Make, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_repository(README__md=CARD)
        with django_assert_max_num_queries(6):
            page = client.get("/ada/model/tree/main").content.decode()
        assert "README.md" in page
        assert "initial commit" in page

    def test_lists_a_folder_whose_last_commits_are_not_known(
        self, client: Client, make_repository: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where nothing has touched it in the last 20,000 commits."""
        make_repository(README__md=CARD)
        monkeypatch.setattr(last_commits, "of_paths", lambda *_: {})
        for path in ("tree/main", "blob/main/README.md"):
            page = client.get(f"/ada/model/{path}")
            assert page.status_code == 200
            assert "README.md" in page.content.decode()

    @pytest.mark.parametrize(
        ("path", "text", "shown"),
        [
            ("a.py", "def f(): pass\n", '<span class="k">def</span>'),
            ("a.csv", "name,score\nx,1\n", "<th>score</th>"),
            ("a.jsonl", '{"问": "答"}\n', "<th>问</th>"),
            ("a.ipynb", '{"cells": [{"cell_type": "markdown", "source": "# Note"}]}', "Note"),
            ("带空格 #1.txt", "hello\n", "hello"),
        ],
    )
    def test_shows_a_file_by_what_it_is(
        self, client: Client, make_repository: Make, ada: User, path: str, text: str, shown: str
    ) -> None:
        from urllib.parse import quote

        commit_files(make_repository(), {path: text}, ada)
        assert shown in client.get(f"/ada/model/blob/main/{quote(path)}").content.decode()

    def test_shows_history_and_what_a_commit_changed(
        self, client: Client, make_repository: Make, ada: User
    ) -> None:
        repository = make_repository()
        oid = commit_files(repository, {"a.txt": "one\n"}, ada, title="Say one")
        assert "Say one" in client.get("/ada/model/commits/main").content.decode()
        assert "+one" in client.get(f"/ada/model/commit/{oid}").content.decode()

    def test_of_a_gated_repository_stay_closed(
        self, client: Client, make_repository: Make, bob: User
    ) -> None:
        repository = make_repository(secret__txt="the secret\n")
        Repository.objects.filter(pk=repository.pk).update(gating="manual")
        client.force_login(bob)
        assert client.get("/ada/model/tree/main")["Location"] == "/ada/model"
        assert client.get("/ada/model/blob/main/secret.txt")["Location"] == "/ada/model"
        assert client.post("/ada/model/access").status_code == 302
        page = client.get("/ada/model").content.decode()
        assert "Your request for access is waiting" in page
        assert "Request access" not in page

    def test_of_a_gated_card_shows_no_images_that_cannot_be_had(
        self, client: Client, signed_in: Client, make_repository: Make, bob: User
    ) -> None:
        repository = make_repository(README__md="# Card\n\n![A picture](pic.png)\n")
        Repository.objects.filter(pk=repository.pk).update(gating="manual")
        client.force_login(bob)
        page = client.get("/ada/model").content.decode()
        assert "Fill in this form to get the files." in page
        assert "pic.png" not in page
        assert "pic.png" in signed_in.get("/ada/model").content.decode()


class TestEditing:
    def test_makes_a_repository_with_a_card(self, signed_in: Client) -> None:
        form = {"kind": "dataset", "owner": "ada", "name": "words", "license": "mit", "visibility": "public"}
        answer = signed_in.post("/new", form)
        assert answer["Location"] == "/datasets/ada/words/upload/main?new=1"
        assert "mit" in signed_in.get("/datasets/ada/words").content.decode()

    def test_uploads_without_scripts(self, signed_in: Client, make_repository: Make) -> None:
        make_repository()
        file = SimpleUploadedFile("notes.txt", b"from a form")
        answer = signed_in.post("/ada/model/upload/main", {"files": [file], "message": "Add notes"})
        assert answer["Location"] == "/ada/model/tree/main"
        assert "from a form" in signed_in.get("/ada/model/blob/main/notes.txt").content.decode()

    def test_commits_an_edit_and_refuses_one_on_an_old_parent(
        self, signed_in: Client, make_repository: Make, ada: User
    ) -> None:
        repository = make_repository(a__txt="one\n")
        old = repository.head_sha
        commit_files(repository, {"a.txt": "two\n"}, ada)
        form = {"path": "a.txt", "content": "three\n", "message": "", "parent": old}
        assert signed_in.post("/ada/model/edit/main/a.txt", form).status_code == 422
        form["parent"] = repository.head_sha
        assert signed_in.post("/ada/model/edit/main/a.txt", form).status_code == 302

    def test_of_somebody_elses_becomes_a_pull_request(
        self, client: Client, make_repository: Make, bob: User
    ) -> None:
        make_repository(a__txt="one\n")
        client.force_login(bob)
        form = {"path": "a.txt", "content": "better\n", "message": "Better words"}
        answer = client.post("/ada/model/edit/main/a.txt", form)
        assert answer["Location"] == "/ada/model/discussions/1"
        assert Discussion.objects.get().is_pull_request


class TestCommunity:
    def test_discusses_proposes_and_merges(self, signed_in: Client, make_repository: Make) -> None:
        make_repository(a__txt="one\n")
        signed_in.post("/ada/model/discussions/new", {"title": "A question", "text": "**Why?**"})
        signed_in.post("/ada/model/discussions/1", {"text": "Because.", "act": "close"})
        form = {"path": "a.txt", "content": "two\n", "message": "Say two", "as_pull_request": "on"}
        signed_in.post("/ada/model/edit/main/a.txt", form)
        page = signed_in.get("/ada/model/discussions/2").content.decode()
        assert "Can be merged" in page
        assert "+two" in page
        signed_in.post("/ada/model/discussions/2", {"act": "merge"})
        assert "two" in signed_in.get("/ada/model/blob/main/a.txt").content.decode()
        assert Discussion.objects.get(number=1).status == "closed"

    def test_likes_and_watches(self, signed_in: Client, make_repository: Make) -> None:
        repository = make_repository()
        signed_in.post("/ada/model/like", {"on": "1"})
        signed_in.post("/ada/model/watch", {"on": "1"})
        repository.refresh_from_db()
        assert repository.likes == 1
        assert "Watching" in signed_in.get("/ada/model").content.decode()

    def test_remembers_a_like_over_the_sign_in(
        self, client: Client, make_repository: Make, bob: User
    ) -> None:
        repository, other = make_repository(), make_repository("other")
        answer = client.post(
            "/ada/model/like", {"on": "1"}, headers={"Referer": "http://testserver/ada/model"}
        )
        sign_in = {"name": "bob", "password": PASSWORD, "next": "/ada/model"}
        assert answer["Location"].startswith("/login?next=")
        client.post("/login", sign_in)
        client.get("/ada/other")
        page = client.get("/ada/model").content.decode()
        assert "You like ada/model." in page
        for one, likes in ((repository, 1), (other, 0)):
            one.refresh_from_db()
            assert one.likes == likes

    def test_takes_licenses_that_look_like_one(self, signed_in: Client) -> None:
        form = {"kind": "model", "owner": "ada", "name": "licensed", "visibility": "public"}
        refused = signed_in.post("/new", {**form, "license": "not a licence!!"})
        assert refused.status_code == 422
        assert "such as apache-2.0" in refused.content.decode()
        assert signed_in.post("/new", {**form, "license": "Apache-2.0"}).status_code == 302


class TestSettings:
    def test_are_for_admins(self, client: Client, make_repository: Make, bob: User) -> None:
        make_repository()
        client.force_login(bob)
        assert client.get("/ada/model/settings").status_code == 403

    def test_delete_only_with_the_id_typed_again(self, signed_in: Client, make_repository: Make) -> None:
        make_repository()
        wrong = signed_in.post("/ada/model/settings", {"act": "delete", "confirmation": "ada/other"})
        assert wrong.status_code == 422
        right = signed_in.post("/ada/model/settings", {"act": "delete", "confirmation": "ada/model"})
        assert right["Location"] == "/ada"
        assert signed_in.get("/ada/model").status_code == 404
