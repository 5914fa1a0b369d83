"""Answers of several calls."""

from __future__ import annotations

from hub.api.structs import Answer


class Success(Answer):
    success: bool


class Refused(Answer):
    """The body of every refusal. `X-Error-Code` names its reason."""

    error: str


class RepositoryName(Answer):
    """`type` is the kind."""

    name: str
    type: str
