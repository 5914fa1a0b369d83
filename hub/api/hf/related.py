"""Properties of an info object that speak of other repositories: made for a whole page at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hub.accounts.principals import Principal
from hub.api.hf.answers import info as answers
from hub.revisions import lineage

MEMBERS = ("baseModels", "childrenModelCount", "spaces")


def add(
    rows: Sequence[answers.RepositoryInfo],
    fields: Collection[str],
    *,
    actor: Principal,
    tags: Sequence[list[str]],
) -> None:
    """Add baseModels, childrenModelCount and spaces to each row, as requested."""
    ids = [row.id for row in rows]
    if "baseModels" in fields:
        for row, its_tags in zip(rows, tags, strict=True):
            if found := lineage.base_models(its_tags):
                models = [answers.ModelId(id=repo_id) for repo_id in found.repo_ids]
                row.base_models = answers.BaseModels(relation=found.relation, models=models)
    if "childrenModelCount" in fields:
        counts = lineage.children_counts(actor=actor, repo_ids=ids)
        for row in rows:
            row.children_model_count = counts[row.id]
    if "spaces" in fields:
        spaces = lineage.spaces_using(actor=actor, repo_ids=ids)
        for row in rows:
            row.spaces = spaces[row.id]
