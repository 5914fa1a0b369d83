"""Likes, follows, watches and notifications."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hub.accounts.models import Namespace, User
from hub.community.models.discussions import Discussion, DiscussionEvent
from hub.repos.models import Repository


class Like(models.Model):
    """One user likes one repository. `Repository.likes` counts these rows."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="like_rows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "user"], name="like_once"),)
        indexes = (models.Index(fields=["user", "-id"], name="like_by_user"),)

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.repository_id}"


class Follow(models.Model):
    """One user follows another, or an organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="follows")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="follows")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "namespace"], name="follow_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.namespace_id}"


class Watch(models.Model):
    """One user wants notifications of discussions in a repository, or in all repositories of a namespace."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="watches")
    namespace = models.ForeignKey(
        Namespace, on_delete=models.CASCADE, related_name="watches", null=True, blank=True
    )
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, related_name="watches", null=True, blank=True
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(namespace=None) ^ Q(repository=None), name="watch_has_one_target"
            ),
            models.UniqueConstraint(fields=["user", "namespace"], name="watch_namespace_once"),
            models.UniqueConstraint(fields=["user", "repository"], name="watch_repository_once"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.namespace_id or self.repository_id}"


class NoticeKind(models.TextChoices):
    """The kinds of notifications, each with a switch in the settings. The market's kinds are listed here too,
    because the settings show all of them on one page.
    """

    ACCESS_ASKED = "access_asked", _("Someone requests access to one of my repositories")
    ACCESS_DECIDED = "access_decided", _("My request for access is decided")
    MENTION = "mention", _("Someone mentions me")
    DISCUSSION = "discussion", _("There is activity in discussions I own, watch or take part in")
    FILL = "fill", _("One of my orders is filled")
    EXPIRY = "expiry", _("One of my orders expires")
    LEASE_START = "lease_start", _("A lease starts, or cannot be started")
    LEASE_END = "lease_end", _("A lease ends")
    PREEMPTION = "preemption", _("A provider reclaims the GPUs of a lease")
    LOSS = "loss", _("A lease is lost because its node failed")
    LOW_BALANCE = "low_balance", _("My balance is low")


class NoticeSettings(models.Model):
    """A user's choice of notifications and mails. A user without a row gets all notifications and no mails.

    `tried_at` is when a mail was last attempted: it keeps mails at least one period apart.
    """

    class Digest(models.TextChoices):
        NEVER = "never", _("never")
        HOURLY = "hourly", _("at most once an hour")
        DAILY = "daily", _("at most once a day")

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="notice_settings"
    )
    muted = models.JSONField(default=list, help_text="The kinds that the user does not want.")
    digest = models.CharField(max_length=6, choices=Digest.choices, default=Digest.NEVER)
    tried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "notice settings"
        indexes = (
            models.Index(
                fields=["tried_at"], name="digest_wanted", condition=Q(digest__in=["hourly", "daily"])
            ),
        )

    def __str__(self) -> str:
        return f"notice settings of user {self.user_id}"


class Notification(models.Model):
    """A notification of one user about one discussion; it becomes unread again when something new happens
    there.
    """

    class Reason(models.TextChoices):
        """The reason that it was sent; the first that fits is kept."""

        MENTION = "mention", _("mentioned")
        PARTICIPATION = "participation", _("participating")
        WATCH = "watch", _("watching")
        OWNER = "owner", _("you own it")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    discussion = models.ForeignKey(Discussion, on_delete=models.CASCADE, related_name="notifications")
    event = models.ForeignKey(DiscussionEvent, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=13, choices=Reason.choices)
    is_read = models.BooleanField(default=False)
    is_mailed = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "discussion"], name="notification_once"),)
        indexes = (models.Index(fields=["user", "is_read", "-updated_at"], name="notification_by_user"),)

    def __str__(self) -> str:
        return f"{self.user_id} on {self.discussion_id}: {self.reason}"


class Notice(models.Model):
    """A notification of one user about something that is no discussion: a request for access, a lease.

    `message` is the English sentence, which is translated when it is shown, and `params` fill it.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, blank=True, db_default="", choices=NoticeKind.choices)
    key = models.CharField(max_length=120, help_text="What it is about; a user gets one notice of it.")
    message = models.CharField(max_length=300)
    params = models.JSONField(default=dict)
    address = models.CharField(max_length=300, help_text="The page that it leads to.")
    is_read = models.BooleanField(default=False)
    is_mailed = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="notice_once"),)
        indexes = (models.Index(fields=["user", "is_read", "-created_at"], name="notice_by_user"),)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.key}"

    @property
    def text(self) -> str:
        """The sentence in the reader's language."""
        return str(gettext(self.message) % self.params)
