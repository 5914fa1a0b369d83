"""Comments and collections, changed on their pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community import notices
from hub.community.models import Collection, Discussion, Notice, NoticeKind
from hub.community.services import discussions
from hub.repos.models import Repository
from tests.clock import moment

pytestmark = pytest.mark.django_db
Make = Callable[..., Repository]


@pytest.fixture
def thread(ada: User, make_repository: Make) -> Discussion:
    return discussions.open_discussion(
        actor=Principal(user=ada),
        repository=make_repository(),
        title="A question",
        text="Does it rnu?\n\nHere",
        now=moment(),
    )


class TestEditingAComment:
    def test_changes_the_words_and_keeps_the_old_ones(self, signed_in: Client, thread: Discussion) -> None:
        key = thread.events.get().key
        base = f"/ada/model/discussions/{thread.number}"
        assert "Does it rnu?" in signed_in.get(f"{base}/edit/{key}").content.decode()
        answer = signed_in.post(f"{base}/edit/{key}", {"text": "Does it run?\n\nHere"})
        assert answer["Location"] == f"{base}#{key}"
        page = signed_in.get(base).content.decode()
        assert "Does it run?" in page
        assert f'href="{base}/history/{key}"' in page
        history = signed_in.get(f"{base}/history/{key}").content.decode()
        assert history.index("Does it run?") < history.index("<p>Does it rnu?</p>")
        assert '<tr class="del">' in history

    def test_is_its_authors_alone(self, client: Client, bob: User, thread: Discussion) -> None:
        key = thread.events.get().key
        client.force_login(bob)
        assert client.get(f"/ada/model/discussions/{thread.number}/edit/{key}").status_code == 403
        assert client.get(f"/ada/model/discussions/{thread.number}/history/{key}").status_code == 200
        assert client.get(f"/ada/model/discussions/{thread.number}/history/nothing").status_code == 404

    def test_of_a_hidden_one_shows_nothing(self, signed_in: Client, ada: User, thread: Discussion) -> None:
        key = thread.events.get().key
        base = f"/ada/model/discussions/{thread.number}"
        signed_in.post(f"{base}/edit/{key}", {"text": "Nicer"})
        discussions.hide_comment(actor=Principal(user=ada), discussion=thread, key=key, now=moment())
        history = signed_in.get(f"{base}/history/{key}").content.decode()
        assert "rnu" not in history
        assert "Nicer" not in history
        assert signed_in.post(f"{base}/edit/{key}", {"text": "Again"}).status_code == 422


class TestEditingACollection:
    @pytest.fixture
    def address(self, signed_in: Client, make_repository: Make) -> str:
        made = signed_in.post("/collections/new", {"owner": "ada", "title": "Small models"})["Location"]
        for name in ("one", "two"):
            make_repository(name)
            slug = made.removeprefix("/collections/")
            signed_in.post(f"/ada/{name}/collect/add", {"collection": slug})
        return str(made)

    def test_writes_notes_and_changes_the_order(self, signed_in: Client, address: str) -> None:
        first, second = Collection.objects.get().items.order_by("position")
        note = {"act": "note", "key": second.key, "note": "The best of them"}
        assert signed_in.post(f"{address}/edit", note)["Location"] == f"{address}/edit"
        signed_in.post(f"{address}/edit", {"act": "up", "key": second.key})
        page = signed_in.get(address).content.decode()
        assert page.index("ada/two") < page.index("The best of them") < page.index("ada/one")
        signed_in.post(f"{address}/edit", {"act": "down", "key": second.key})
        page = signed_in.get(address).content.decode()
        assert page.index("ada/one") < page.index("ada/two")
        assert first.key in signed_in.get(f"{address}/edit").content.decode()

    def test_changes_the_title_and_its_address(self, signed_in: Client, address: str) -> None:
        answer = signed_in.post(f"{address}/edit", {"act": "settings", "title": "Tiny", "is_private": "on"})
        assert "/tiny-" in answer["Location"]
        assert Client().get(answer["Location"]).status_code == 404

    def test_deletes_it(self, signed_in: Client, address: str) -> None:
        answer = signed_in.post(f"{address}/edit", {"act": "delete"})
        assert answer["Location"] == "/ada?tab=collections"
        assert not Collection.objects.exists()

    def test_is_closed_to_others(self, client: Client, bob: User, address: str) -> None:
        client.force_login(bob)
        assert client.get(f"{address}/edit").status_code == 403
        assert client.post(f"{address}/edit", {"act": "delete"}).status_code == 403


class TestNotifications:
    def test_of_a_discussion_are_read_by_reading_it_and_say_why_they_came(
        self, signed_in: Client, bob: User, thread: Discussion
    ) -> None:
        discussions.comment(actor=Principal(user=bob), discussion=thread, text="It does", now=moment())
        notices.notify(event=thread.events.latest("pk"), now=moment())
        listed = signed_in.get("/notifications").content.decode()
        assert thread.title in listed
        # Ada owns the repository, has opened the discussion, and has never pressed "Watch".
        assert "participating" in listed
        assert 'data-count="1"' in signed_in.get("/notifications/count").content.decode()
        signed_in.get(f"/ada/model/discussions/{thread.number}")
        assert "data-count" not in signed_in.get("/notifications/count").content.decode()

    def test_of_an_owner_do_not_say_that_the_owner_watches(
        self, signed_in: Client, bob: User, make_repository: Make
    ) -> None:
        made = discussions.open_discussion(
            actor=Principal(user=bob), repository=make_repository(), title="Hello", text="", now=moment()
        )
        notices.notify(event=made.events.get(), now=moment())
        listed = signed_in.get("/notifications").content.decode()
        assert "you own it" in listed
        assert "watching" not in listed

    def test_of_a_request_for_access_reach_owner_and_requester_and_are_read_by_following_them(
        self, signed_in: Client, bob: User, make_repository: Make
    ) -> None:
        repository = make_repository()
        Repository.objects.filter(pk=repository.pk).update(gating="manual")
        guest = Client()
        guest.force_login(bob)
        guest.post("/ada/model/access")
        assert 'data-count="1"' in signed_in.get("/notifications/count").content.decode()
        listed = signed_in.get("/notifications", headers={"Accept-Language": "zh-CN"}).content.decode()
        assert "bob 申请访问 ada/model。" in listed
        [link] = re.findall(r'href="(/notifications/\d+/open)"', listed)
        assert guest.get(link).status_code == 404
        assert signed_in.get(link)["Location"] == "/ada/model/settings"
        assert "data-count" not in signed_in.get("/notifications/count").content.decode()
        request = repository.access_requests.get()
        signed_in.post(f"/ada/model/settings/requests/{request.pk}", {"accept": "1"})
        assert (
            "Your request for access to ada/model was accepted."
            in guest.get("/notifications").content.decode()
        )
        guest.post("/notifications", {"read": "1"})
        assert "data-count" not in guest.get("/notifications/count").content.decode()

    def test_are_all_reached_by_pages(
        self, signed_in: Client, ada: User, bob: User, thread: Discussion
    ) -> None:
        for number in range(90):
            notices.tell(
                users=[ada],
                kind=NoticeKind.FILL,
                key=f"order/{number}/filled",
                message="Number %(number)s.",
                params={"number": number},
                address="/market",
                now=moment(),
            )
        discussions.comment(actor=Principal(user=bob), discussion=thread, text="It does", now=moment())
        notices.notify(event=thread.events.latest("pk"), now=moment())
        pages = [signed_in.get(f"/notifications?page={number}").content.decode() for number in (1, 2, 3)]
        listed = [text for page in pages for text in re.findall(r"Number \d+\.", page)]
        assert len(listed) == len(set(listed)) == 90
        assert [page.count(thread.title) for page in pages] == [1, 0, 0]
        assert "3 of 3" in pages[2]


class TestNotificationSettings:
    def test_switch_kinds_off_and_on(self, signed_in: Client, ada: User, settings: Any) -> None:
        page = signed_in.get("/notifications/settings").content.decode()
        assert page.count("checked") == len(NoticeKind)
        assert "digest" not in page
        wanted = [kind for kind in NoticeKind.values if kind != NoticeKind.FILL]
        assert signed_in.post("/notifications/settings", {"wanted": wanted}).status_code == 302
        page = signed_in.get("/notifications/settings").content.decode()
        assert page.count("checked") == len(NoticeKind) - 1
        assert signed_in.post("/notifications/settings", {"wanted": ["weather"]}).status_code == 422

    def test_offer_mail_where_there_is_a_server_and_remember_the_language(
        self, signed_in: Client, ada: User, settings: Any
    ) -> None:
        settings.EMAIL_HOST = "mail.example.org"
        form = {"wanted": NoticeKind.values, "digest": "hourly"}
        signed_in.post("/notifications/settings", form, headers={"Accept-Language": "zh-CN"})
        ada.refresh_from_db()
        chosen = ada.notice_settings
        assert (chosen.digest, chosen.muted, ada.language) == ("hourly", [], "zh-hans")
        signed_in.post("/preferences", {"language": "en", "next": "/"})
        ada.refresh_from_db()
        assert ada.language == "en"

    def test_notices_are_read_by_opening_the_page_they_are_about(
        self, signed_in: Client, ada: User, bob: User, make_repository: Make
    ) -> None:
        repository = make_repository()
        for user, address in ((ada, "/ada/model/settings"), (bob, "/ada/model")):
            notices.tell(
                users=[user],
                kind=NoticeKind.ACCESS_ASKED,
                key="x",
                message="x",
                params={},
                address=address,
                now=moment(),
            )
        assert repository.full_name == "ada/model"
        signed_in.get("/ada/model/settings")
        assert list(Notice.objects.filter(is_read=False).values_list("user", flat=True)) == [bob.pk]
        guest = Client()
        guest.force_login(bob)
        guest.get("/ada/model")
        assert not Notice.objects.filter(is_read=False).exists()


class TestTheWordsOfAThread:
    def test_are_in_the_readers_language(self, signed_in: Client, thread: Discussion) -> None:
        address = f"/ada/model/discussions/{thread.number}"
        signed_in.post(address, {"act": "close", "text": ""})
        chinese = signed_in.get(address, headers={"Accept-Language": "zh-CN"}).content.decode()
        assert '<span class="badge closed">已关闭</span>' in chinese
