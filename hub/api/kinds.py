"""The plurals by which addresses of the Hugging Face API name kinds of repositories."""

from __future__ import annotations

from hub.repos.models import Kind

PLURALS = {
    "models": Kind.MODEL,
    "datasets": Kind.DATASET,
    "spaces": Kind.SPACE,
    "kernels": Kind.KERNEL,
    "codes": Kind.CODE,
    "mcps": Kind.MCP,
    "skills": Kind.SKILL,
}
PLURAL_OF = {kind: plural for plural, kind in PLURALS.items()}
