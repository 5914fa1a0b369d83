"""Addresses and small pieces that only the hub's pages need."""

from __future__ import annotations

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hub.accounts.services.tokens import GIVEN_TOKEN_NAME
from hub.community.models.discussions import Status
from hub.repos import kinds
from hub.repos.models import Repository
from hub.web import links

register = template.Library()

SCOPES: dict[str, str | Promise] = {
    "read": pgettext_lazy("scope", "read"),
    "write": pgettext_lazy("scope", "write"),
    "trade": pgettext_lazy("scope", "trade"),
    "deploy": pgettext_lazy("scope", "deploy"),
}
RELATIONS: dict[str, str | Promise] = {
    "adapter": pgettext_lazy("relation of models", "adapter"),
    "merge": pgettext_lazy("relation of models", "merge"),
    "quantized": pgettext_lazy("relation of models", "quantization"),
    "finetune": pgettext_lazy("relation of models", "fine-tune"),
}


@register.filter
def address(repository: Repository) -> str:
    return links.repository_path(repository)


@register.simple_tag
def at(repository: Repository, page: str, revision: str, path: str = "") -> str:
    """`{% at repository "blob" revision entry.path %}`"""
    return links.at(repository, page, revision, path)


@register.filter
def plural(kind: str) -> str:
    return kinds.PLURAL_OF[kind]


@register.filter
def basename(path: str) -> str:
    return path.rpartition("/")[2]


@register.filter
def short(oid: str) -> str:
    return oid[:8]


@register.filter
def scope(word: str) -> str:
    """The scope of an access token, in the reader's language."""
    return str(SCOPES.get(word, word))


@register.filter
def relation(word: str) -> str:
    """The relation of a model to its base, in the reader's language."""
    return str(RELATIONS.get(word, word))


@register.filter
def status(word: str) -> str:
    """The status of a discussion, in the reader's language."""
    return str(Status(word).label) if word in Status.values else word


@register.filter
def token_name(name: str) -> str:
    """A token's name; the one that the hub gives is said in the reader's language."""
    return str(_("given by an administrator")) if name == GIVEN_TOKEN_NAME else name
