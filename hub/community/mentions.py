"""Finding the people that a text calls by `@name`."""

from __future__ import annotations

import re

from hub.accounts.models import User, name_key

MENTIONS_MAX = 50
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`", re.DOTALL)
_MENTION = re.compile(r"(?<![\w@/.-])@([A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?)", re.ASCII)


def names_in(text: str) -> list[str]:
    """Mentioned names in lower case, each once, in order; none from code, none of e-mail addresses."""
    found = (name_key(match[1]) for match in _MENTION.finditer(_CODE.sub(" ", text)))
    return list(dict.fromkeys(found))[:MENTIONS_MAX]


def users_in(text: str) -> list[User]:
    """Those of the mentioned who exist."""
    names = names_in(text)
    if not names:
        return []
    return list(User.objects.filter(namespace__key__in=names, is_active=True).select_related("namespace"))
