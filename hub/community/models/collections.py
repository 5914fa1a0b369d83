"""Collections: lists of repositories and of other things, kept by a user or an organization."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from hub.accounts.models import Namespace, User
from hub.community.models.keys import KEY_CHARS, new_key
from hub.repos.models import Repository

COLLECTION_TITLE_CHARS_MAX = 59
COLLECTION_DESCRIPTION_CHARS_MAX = 150
NOTE_CHARS_MAX = 500
ITEMS_MAX = 1_000


class Theme(models.TextChoices):
    ORANGE = "orange", _("orange")
    BLUE = "blue", _("blue")
    GREEN = "green", _("green")
    PURPLE = "purple", _("purple")
    PINK = "pink", _("pink")
    INDIGO = "indigo", _("indigo")


class Collection(models.Model):
    """One titled list. Its address is `owner/title-slug-key`; only the key counts."""

    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="collections")
    key = models.CharField(max_length=KEY_CHARS, unique=True, default=new_key)
    title = models.CharField(max_length=COLLECTION_TITLE_CHARS_MAX)
    description = models.CharField(max_length=COLLECTION_DESCRIPTION_CHARS_MAX, blank=True)
    is_private = models.BooleanField(default=False)
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.ORANGE)
    position = models.IntegerField(default=0, help_text="Among the owner's collections, lowest first.")
    upvotes = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["namespace", "title"], name="collection_title_once_a_namespace"),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def slug(self) -> str:
        words = slugify(self.title) or "collection"
        return f"{self.namespace.name}/{words}-{self.key}"


class ItemType(models.TextChoices):
    MODEL = "model", _("model")
    DATASET = "dataset", _("dataset")
    SPACE = "space", _("space")
    COLLECTION = "collection", _("collection")
    PAPER = "paper", _("paper")


class CollectionItem(models.Model):
    """One entry of a collection: a repository, another collection, or a paper by its arXiv id."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=KEY_CHARS, unique=True, default=new_key)
    type = models.CharField(max_length=10, choices=ItemType.choices)
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, related_name="collection_items", null=True, blank=True
    )
    linked = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="linked_from", null=True, blank=True
    )
    paper = models.CharField(max_length=20, blank=True)
    note = models.CharField(max_length=NOTE_CHARS_MAX, blank=True)
    position = models.IntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["collection", "repository"], name="collection_item_repository_once"
            ),
            models.UniqueConstraint(fields=["collection", "linked"], name="collection_item_linked_once"),
            models.UniqueConstraint(
                fields=["collection", "paper"], name="collection_item_paper_once", condition=~Q(paper="")
            ),
        )
        indexes = (models.Index(fields=["collection", "position"], name="collection_item_order"),)

    def __str__(self) -> str:
        return f"{self.type} {self.key}"


class CollectionUpvote(models.Model):
    """One user's vote for a collection. `Collection.upvotes` counts these rows."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="upvote_rows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="collection_upvotes")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["collection", "user"], name="collection_upvote_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} for {self.collection_id}"
