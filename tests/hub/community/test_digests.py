"""Mails with unread notifications."""

from __future__ import annotations

import re
import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from hub.accounts.models import User, Visibility
from hub.accounts.principals import Principal
from hub.community import digests, jobs, notices
from hub.community.models import Notice, NoticeKind, NoticeSettings, Notification
from hub.community.services import discussions as threads
from hub.community.services import people
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


class Refusing(EmailBackend):
    """A mail server that refuses every mail."""

    def send_messages(self, _messages: object) -> int:
        raise smtplib.SMTPServerDisconnected


class RefusingAda(EmailBackend):
    """A mail server that refuses one address."""

    def send_messages(self, mails: Any) -> int:
        if mails[0].to == ["ada@example.org"]:
            raise smtplib.SMTPRecipientsRefused({"ada@example.org": (550, b"no such user")})
        return super().send_messages(mails)


@pytest.fixture(autouse=True)
def server(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    settings.PUBLIC_URL = "https://hub.example.org"


@pytest.fixture
def reader() -> User:
    """A user who gets a mail a day, with one unread notice."""
    user = make.user("ada")
    user.email = "ada@example.org"
    user.save()
    NoticeSettings.objects.create(user=user, digest=NoticeSettings.Digest.DAILY)
    tell(user, "one")
    return user


def tell(user: User, key: str) -> None:
    notices.tell(
        users=[user],
        kind=NoticeKind.ACCESS_ASKED,
        key=key,
        message="%(user)s requested access to %(repository)s.",
        params={"user": "bob", "repository": "ada/<b>thing</b>"},
        address="/ada/thing/settings",
        now=NOW,
    )


class TestMails:
    def test_tell_what_is_unread_once_and_at_most_once_a_day(self, reader: User) -> None:
        assert jobs.mail_digests(now=NOW) == 1
        [sent] = mail.outbox
        assert (sent.to, sent.subject) == (["ada@example.org"], "[Model Bazaar] 1 new notification")
        assert "bob requested access to ada/<b>thing</b>." in sent.body
        assert f"https://hub.example.org/notifications/{Notice.objects.get().pk}/open" in sent.body
        tell(reader, "two")
        assert jobs.mail_digests(now=NOW + timedelta(hours=23)) == 0
        assert jobs.mail_digests(now=NOW + timedelta(hours=24)) == 1
        assert str(mail.outbox[1].body).count("requested access") == 1
        assert jobs.mail_digests(now=NOW + timedelta(hours=48)) == 0

    def test_come_hourly_if_that_is_chosen(self, reader: User) -> None:
        people.change_notice_settings(
            actor=Principal(user=reader), wanted=NoticeKind.values, digest=NoticeSettings.Digest.HOURLY
        )
        assert jobs.mail_digests(now=NOW) == 1
        tell(reader, "two")
        assert jobs.mail_digests(now=NOW + timedelta(minutes=59)) == 0
        assert jobs.mail_digests(now=NOW + timedelta(minutes=60)) == 1

    def test_are_in_the_language_of_the_user(self, reader: User) -> None:
        User.objects.update(language="zh-hans")
        jobs.mail_digests(now=NOW)
        [sent] = mail.outbox
        assert "条新通知" in sent.subject
        assert "申请" in str(sent.body)

    def test_tell_of_discussions_until_they_are_hidden(self, reader: User) -> None:
        bob = make.actor("bob")
        repository = make.repository(bob, "thing")
        thread = threads.open_discussion(
            actor=bob, repository=repository, title="Look at this", text="@ada", now=NOW
        )
        jobs.notify(event_id=thread.events.get().pk, now=NOW)
        repository.visibility = Visibility.PRIVATE
        repository.save()
        jobs.mail_digests(now=NOW)
        assert "Look at this" not in str(mail.outbox[0].body)
        repository.visibility = Visibility.PUBLIC
        repository.save()
        jobs.mail_digests(now=NOW + timedelta(days=1))
        assert "Look at this (mentioned)" in str(mail.outbox[1].body)
        assert Notification.objects.get().is_mailed

    def test_are_not_sent_without_a_server_an_address_or_something_unread(
        self, reader: User, settings: Any
    ) -> None:
        settings.EMAIL_HOST = ""
        assert jobs.mail_digests(now=NOW) == 0
        settings.EMAIL_HOST = "mail.example.org"
        User.objects.update(email="")
        assert jobs.mail_digests(now=NOW) == 0
        User.objects.update(email="ada@example.org")
        Notice.objects.update(is_read=True)
        assert jobs.mail_digests(now=NOW) == 0
        assert mail.outbox == []
        assert NoticeSettings.objects.get().tried_at is None

    def test_are_sent_by_the_next_run_if_the_server_was_away(self, reader: User, settings: Any) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.Refusing"
        assert jobs.mail_digests(now=NOW) == 0
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert jobs.mail_digests(now=NOW + timedelta(minutes=5)) == 1

    @pytest.mark.parametrize("address", ["ada@example.org", f"ada@{'ä' * 60}.org"])
    def test_reach_others_while_an_address_is_refused(
        self, reader: User, settings: Any, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.RefusingAda"
        monkeypatch.setattr(digests, "USERS_MAX", 1)
        User.objects.filter(pk=reader.pk).update(email=address)
        bob = make.user("bob")
        User.objects.filter(pk=bob.pk).update(email="bob@example.org")
        NoticeSettings.objects.create(user=bob, digest=NoticeSettings.Digest.DAILY)
        tell(bob, "one")
        assert jobs.mail_digests(now=NOW) == 0
        assert jobs.mail_digests(now=NOW + timedelta(minutes=5)) == 1
        assert [sent.to for sent in mail.outbox] == [["bob@example.org"]]
        assert digests.due(now=NOW + timedelta(days=1), user_id=reader.pk) == [reader.pk]

    def test_come_a_day_later_if_the_process_was_killed_while_it_sent(
        self, reader: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(
                "django.core.mail.EmailMessage.send", lambda _self: (_ for _ in ()).throw(SystemExit)
            )
            with pytest.raises(SystemExit):
                jobs.mail_digests(now=NOW)
        assert jobs.mail_digests(now=NOW + timedelta(minutes=5)) == 0
        assert jobs.mail_digests(now=NOW + timedelta(days=1)) == 1


class TestTheLinkThatEndsThem:
    def link(self) -> str:
        jobs.mail_digests(now=NOW)
        [sent] = mail.outbox
        found = re.search(r"https://hub\.example\.org(/notifications/unsubscribe/\S+)", str(sent.body))
        assert found is not None
        assert sent.extra_headers["List-Unsubscribe"] == f"<https://hub.example.org{found[1]}>"
        return found[1]

    def test_asks_first_and_needs_no_account(self, reader: User) -> None:
        link, visitor = self.link(), Client(enforce_csrf_checks=True)
        assert "Stop emails" in visitor.get(link).content.decode()
        assert NoticeSettings.objects.get().digest == "daily"
        # As a mail program does by RFC 8058: without a cookie, and without a token against forgery.
        assert visitor.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
        assert NoticeSettings.objects.get().digest == "never"

    def test_is_signed(self, reader: User) -> None:
        link = self.link()
        other = link.replace("unsubscribe/", "unsubscribe/x")
        assert Client().post(other).status_code == 404
        assert Client().get("/notifications/unsubscribe/1").status_code == 404
        assert NoticeSettings.objects.get().digest == "daily"
        assert digests.reader_of(link.rpartition("/")[2]) == reader.pk


class TestOldNotices:
    def test_are_deleted_after_ninety_days(self, reader: User) -> None:
        assert jobs.prune_notices(now=NOW + timedelta(days=90)) == 0
        assert jobs.prune_notices(now=NOW + timedelta(days=91)) == 1
