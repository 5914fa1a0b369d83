"""Discussions and pull requests: one numbering, one list of events each."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hub.accounts.models import User
from hub.community.models.keys import KEY_CHARS, new_key
from hub.repos.models import Repository
from hub.revisions.pull_refs import pull_request_ref

TITLE_CHARS_MIN = 3
TITLE_CHARS_MAX = 200
TEXT_CHARS_MAX = 65_536
BASE_REF_CHARS_MAX = 255


class Status(models.TextChoices):
    """Drafts and merges are of pull requests only."""

    OPEN = "open", pgettext_lazy("discussion", "open")
    CLOSED = "closed", _("closed")
    DRAFT = "draft", _("draft")
    MERGED = "merged", _("merged")


# Allowed transitions; `merged` is final.
NEXT: dict[str, frozenset[str]] = {
    Status.DRAFT: frozenset({Status.OPEN, Status.CLOSED}),
    Status.OPEN: frozenset({Status.CLOSED, Status.MERGED}),
    Status.CLOSED: frozenset({Status.OPEN}),
    Status.MERGED: frozenset(),
}


class DiscussionQuerySet(models.QuerySet["Discussion"]):
    def with_people(self) -> DiscussionQuerySet:
        return self.select_related("author__namespace", "repository__namespace")

    def unfinished(self) -> DiscussionQuerySet:
        """Open discussions, and pull requests that are open or still drafts."""
        return self.filter(status__in=[Status.OPEN, Status.DRAFT])


class Discussion(models.Model):
    """One thread about a repository; a pull request is one whose commits lie on `refs/pr/{number}`."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="discussions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=TITLE_CHARS_MAX)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="discussions")
    is_pull_request = models.BooleanField(default=False)
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    base_ref = models.CharField(
        max_length=BASE_REF_CHARS_MAX, blank=True, help_text="Full name of the branch to merge into."
    )
    # Set when merged, because nothing can be computed from refs that have moved on.
    merge_base_sha = models.CharField(max_length=40, blank=True)
    merge_commit_sha = models.CharField(max_length=40, blank=True)
    comment_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = DiscussionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "number"], name="discussion_number_once"),
            models.CheckConstraint(
                condition=Q(is_pull_request=True) | Q(status__in=[Status.OPEN, Status.CLOSED]),
                name="discussion_is_open_or_closed",
            ),
            models.CheckConstraint(
                condition=Q(is_pull_request=True) ^ Q(base_ref=""), name="pull_request_has_base_ref"
            ),
        )
        indexes = (models.Index(fields=["repository", "-created_at", "-id"], name="discussion_by_creation"),)

    def __str__(self) -> str:
        return f"#{self.number} {self.title}"

    @property
    def ref(self) -> str:
        return pull_request_ref(self.number) if self.is_pull_request else ""

    @property
    def is_finished(self) -> bool:
        return self.status in {Status.CLOSED, Status.MERGED}


class EventType(models.TextChoices):
    COMMENT = "comment", _("comment")
    STATUS_CHANGE = "status-change", _("change of status")
    TITLE_CHANGE = "title-change", _("change of title")
    COMMIT = "commit", _("commit")


class DiscussionEvent(models.Model):
    """One thing that happened in a discussion, oldest first by id.

    `data` holds what its type needs: `{status}`, `{from, to}` or `{subject, oid}`; comments use `text`.
    """

    discussion = models.ForeignKey(Discussion, on_delete=models.CASCADE, related_name="events")
    key = models.CharField(max_length=KEY_CHARS, unique=True, default=new_key)
    type = models.CharField(max_length=13, choices=EventType.choices)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    text = models.TextField(blank=True)
    is_hidden = models.BooleanField(default=False, help_text="Its text is gone for everybody, for good.")
    data = models.JSONField(default=dict, blank=True)
    needs_notice = models.BooleanField(default=True, help_text="Nobody has been told of it yet.")
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = (
            models.Index(fields=["discussion", "id"], name="discussion_event_order"),
            models.Index(fields=["id"], name="discussion_event_untold", condition=Q(needs_notice=True)),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.key}"


class PastText(models.Model):
    """The text of a comment before an edit."""

    event = models.ForeignKey(DiscussionEvent, on_delete=models.CASCADE, related_name="past_texts")
    text = models.TextField()
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    written_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.event_id} before {self.pk}"
