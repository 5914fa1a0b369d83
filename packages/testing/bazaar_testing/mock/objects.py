"""The repository of an LFS or Xet request, found by its token or by its object: the address does
not name it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from django.utils import timezone

from foundation.errors import Refusal
from hub.lfs import grants
from hub.lfs.models import LfsLink
from hub.repos.models import Repository
from hub.xet import tokens
from hub.xet.models import XetFileLink

LFS = re.compile(r"(?:/(?:hf|csg|ms))?/lfs/objects/(?P<oid>[0-9a-f]{64})")
DATA = re.compile(r"/xet/data/(?P<xorb>[0-9a-f]{64})")


def owners(path: str, query: str, headers: dict[str, str]) -> frozenset[str]:
    """Names of the repositories, empty for other requests.

    A signed LFS address and a Xet token are for one repository. A part of a xorb belongs to every
    repository that has a file in it: its address is the same for all of them.
    """
    if found := LFS.match(path):
        return _of_grant(parse_qs(query).get("grant", [""])[0], found["oid"])
    if found := DATA.match(path):
        return _of_xorb(found["xorb"])
    if path.startswith("/xet/"):
        return _of_token(headers.get("authorization", "").rpartition(" ")[2])
    return frozenset()


def _of_grant(text: str, oid: str) -> frozenset[str]:
    for action in grants.Action:
        try:
            grant = grants.read(text, action=action, oid=oid, now=timezone.now())
        except Refusal:
            continue
        found = Repository.objects.filter(pk=grant.repository_id)
        return frozenset(found.values_list("full_name", flat=True))
    return frozenset()


def _of_token(text: str) -> frozenset[str]:
    try:
        return frozenset({tokens.read_token(text, now=timezone.now()).repository.full_name})
    except Refusal:
        return frozenset()


def _of_xorb(xorb: str) -> frozenset[str]:
    name = "repository__full_name"
    brought = XetFileLink.objects.filter(file__terms__xorb=xorb).values_list(name, flat=True)
    linked = LfsLink.objects.filter(object__xet_file__terms__xorb=xorb).values_list(name, flat=True)
    return frozenset([*brought, *linked])
