"""Addresses and small pieces that only the hub's pages need."""

from __future__ import annotations

from django import template

from hub.repos import kinds
from hub.repos.models import Repository
from hub.web import links

register = template.Library()


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
