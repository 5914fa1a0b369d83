"""Rules for names of namespaces and repositories, and the names that the hub reserves for itself."""

from __future__ import annotations

import re

from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?", re.ASCII)

# First segments of addresses that the mount table uses (a test walks the urlconf), and names that
# would mislead people.
RESERVED_NAMES = frozenset(
    """
    _mock about abuse account accounts admin administrator agent agents all anonymous api app apps
    archive assets auth avatars blob blog bucket buckets code codes collections community compute contact
    csg dashboard dataset datasets doc docs download downloads error explore favicon.ico feed files
    git healthz help hf home hub internal jobs join kernel kernels leases legal lfs login logout market mcp
    mcps mcpservers me media metrics model models modelscope ms new none notifications null oauth
    openapi organization organizations orgs owner password payouts preferences pricing privacy
    providers raw readyz resolve robots.txt root search security settings sign-in sign-up signin
    signup skill skills space spaces staff stars static status status-page studio studios support
    system tasks team terms token tokens trending undefined upload uploads user users v1 v2 webhooks
    well-known www xet
    """.split()
)
# Second segments that a route of a wire takes, so that `/api/models/gpt2/tree/…` stays unambiguous.
RESERVED_REPOSITORY_NAMES = frozenset(
    """
    resolve tree blob raw follow refs commit commits discussions settings revision preupload paths-info
    branch tag like likers auth-check xet-read-token xet-write-token lfs-files super-squash
    duplicate user-access-request treesize compare parquet croissant leaderboard
    safetensors-metadata
    """.split()
)


class NameRefused(Invalid):
    code = "name_refused"
    message = _("The name “{name}” can't be used: {reason}")


def require_name(name: str) -> str:
    """Return the name if its spelling is allowed; the rule is the Hugging Face client's.

    Raises: NameRefused.
    """
    if not NAME.fullmatch(name) or "--" in name or ".." in name or name.lower().endswith((".git", ".lock")):
        raise NameRefused(
            name=name[:100],
            reason=_(
                "a name has 1 to 96 letters, digits, “-”, “_” and “.”, does not begin or end with "
                "“-” or “.”, holds no “--” or “..”, and does not end in “.git”."
            ),
        )
    return name


def require_namespace_name(name: str) -> str:
    """Raises: NameRefused, also for names that the hub keeps for itself."""
    require_name(name)
    if name.lower() in RESERVED_NAMES:
        raise NameRefused(name=name, reason=_("this name is reserved."))
    return name


def require_repository_name(name: str) -> str:
    """Raises: NameRefused, also for names that a route of a wire takes."""
    require_name(name)
    if name.lower() in RESERVED_REPOSITORY_NAMES:
        raise NameRefused(name=name, reason=_("this name is reserved."))
    return name
