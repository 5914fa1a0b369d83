"""Refs, and the index of what repositories hold at the head of their default branch.

The rows of refs are the authority; git's files are a copy (ADR 0208). Of the index git is the truth.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from hub.repos.models import Kind, Repository

# Longer than any name: git's limit is in bytes (`hub.gitstore.paths.REF_BYTES_MAX`).
REF_CHARS_MAX = 1000


class Ref(models.Model):
    """One ref of one repository. `hub.revisions.refs` reads them, `hub.revisions.moves` writes them."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="refs", db_index=False)
    name = models.CharField(max_length=REF_CHARS_MAX, help_text="The full name: refs/heads/main.")
    held_sha = models.CharField(max_length=40, help_text="The object it names: a commit or annotated tag.")
    commit_sha = models.CharField(max_length=40, help_text="The commit that it leads to.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "name"], name="ref_once"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.repository_id} at {self.held_sha[:8]}"


class RepositoryFacts(models.Model):
    """The facts of one repository's files at `commit_sha`; `manage.py reindex` can compute them anew.

    Small columns come first: a database reads past the large ones only when asked for them.
    """

    repository = models.OneToOneField(
        Repository, on_delete=models.CASCADE, related_name="facts", primary_key=True
    )
    commit_sha = models.CharField(max_length=40)
    pipeline_tag = models.CharField(max_length=200, blank=True)
    library_name = models.CharField(max_length=200, blank=True)
    parameters_total = models.BigIntegerField(
        null=True, blank=True, help_text="Of safetensors, else of GGUF."
    )
    used_storage_bytes = models.BigIntegerField(default=0, help_text="Of the files at the head.")
    files_total = models.IntegerField(default=0)
    indexed_at = models.DateTimeField(db_default=Now())
    tags = models.JSONField(default=list, help_text="The tags as the wire writes them, in order.")
    safetensors = models.JSONField(null=True, blank=True, help_text="{parameters: {dtype: n}, total}")
    gguf = models.JSONField(null=True, blank=True)
    transformers_info = models.JSONField(null=True, blank=True)
    card_errors = models.JSONField(default=list, help_text="Sentences about what is wrong with the card.")
    config = models.JSONField(null=True, blank=True, help_text="config.json and the tokens, trimmed.")
    card_data = models.JSONField(null=True, blank=True, help_text="The card's metadata; null without.")
    text = models.TextField(blank=True, help_text="The card's words without markup, cut.")
    headers = models.JSONField(
        default=dict, help_text="Blob oid → what its header said, so that it is read once."
    )
    siblings = models.JSONField(
        null=True,
        blank=True,
        help_text="[path, size, blob oid, sha256 or null, pointer size or null] each; null: too many.",
    )

    class Meta:
        indexes = (
            models.Index(
                fields=["parameters_total"],
                name="facts_by_parameters",
                condition=models.Q(parameters_total__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.repository_id} at {self.commit_sha[:8]}"


class RepositoryTag(models.Model):
    """One tag of one repository, as the wire writes it (`license:mit`), with what it speaks of."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="tags", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices, help_text="The repository's.")
    type = models.CharField(max_length=24)
    value = models.CharField(max_length=255)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "value"], name="repository_tag_once"),)
        indexes = (
            # Filters: all repositories of a kind with a tag; facets read type from the same index.
            models.Index(fields=["kind", "value", "repository", "type"], name="repository_tag_filter"),
        )

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.value}"
