"""Webhooks: who wants to be called about what, and each call."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from hub.accounts.models import User
from hub.community.models.keys import KEY_CHARS, new_key

URL_CHARS_MAX = 1000


class Domain(models.TextChoices):
    """The kind of fact."""

    REPO = "repo", _("repositories")
    DISCUSSION = "discussion", _("discussions")


class WatchedType(models.TextChoices):
    MODEL = "model", _("model")
    DATASET = "dataset", _("dataset")
    SPACE = "space", _("space")
    USER = "user", _("user")
    ORG = "org", _("organization")


class Webhook(models.Model):
    """An address that its owner wants called. The secret is kept as it is: every call carries it."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="webhooks")
    key = models.CharField(max_length=KEY_CHARS, unique=True, default=new_key)
    url = models.URLField(max_length=URL_CHARS_MAX)
    secret = models.CharField(max_length=256, blank=True)
    domains = models.JSONField(default=list, help_text="Some of repo, discussion.")
    is_disabled = models.BooleanField(default=False)
    disabled_reason = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="First of the failures in a row.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.url


class WebhookWatch(models.Model):
    """One name that a webhook watches; it need not exist (yet)."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="watched")
    type = models.CharField(max_length=7, choices=WatchedType.choices)
    name = models.CharField(max_length=193)
    key = models.CharField(max_length=193, help_text="The name in lower case.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["webhook", "type", "key"], name="webhook_watch_once"),)
        indexes = (models.Index(fields=["type", "key"], name="webhook_watch_by_name"),)

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> DeliveryQuerySet:
        return self.filter(status=Delivery.Status.WAITING)


class Delivery(models.Model):
    """One call of a webhook: the queue's row while it waits, the log's row afterwards."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    key = models.CharField(max_length=KEY_CHARS, unique=True, default=new_key)
    payload = models.JSONField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # While waiting: not before this moment. A worker that takes the row pushes it beyond the time a call can
    # take, so no other worker takes it meanwhile, and a worker's death only delays it.
    due_at = models.DateTimeField()
    claim = models.CharField(
        max_length=KEY_CHARS, blank=True, help_text="The token of the worker that calls."
    )
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_text = models.TextField(blank=True, help_text="The beginning of the answer.")
    error = models.CharField(max_length=300, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(status="waiting")),
            models.Index(fields=["webhook", "-id"], name="delivery_log"),
        )

    def __str__(self) -> str:
        return f"{self.key} to {self.webhook_id}: {self.status}"
