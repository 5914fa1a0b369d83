"""The names that a backup may hold: none leads out of the folder in which a restore writes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bazaar.backups.errors import Damaged
from foundation import hex_digits
from hub import gitstore

# Besides the database's key material, only where it is encrypted: a file, and a folder of files.
SECRETS = ("secret_key", "ssh")
STORAGE_KEY = re.compile(hex_digits.pattern(32))


def require_paths(paths: Iterable[str]) -> None:
    """Raises Damaged at the first path that leads out of its folder, or has no place in a hub."""
    for path in paths:
        parts = path.split("/")
        if not all(map(_is_plain, parts)) or not _has_place(parts):
            raise Damaged(f"It holds a file of the name {path[:200]!r}, which no backup of a hub has.")


def require_refs(refs: Iterable[str]) -> None:
    """Raises Damaged at the first name that git does not take for a ref."""
    for ref in refs:
        if not (ref.startswith("refs/") and gitstore.is_ref_name(ref)):
            raise Damaged(f"It holds a ref of the name {ref[:200]!r}, which git does not take.")


def _is_plain(part: str) -> bool:
    return part not in {"", ".", ".."} and "\\" not in part and "\0" not in part


def _has_place(parts: list[str]) -> bool:
    """True unless the second part, which chooses the folder, is no repository's key and no secret's name."""
    if parts[0] == "git":
        return parts == ["git", "refs.json"] or (len(parts) > 2 and bool(STORAGE_KEY.fullmatch(parts[1])))
    if parts[0] == "secrets":
        return len(parts) in {2, 3} and parts[1] in SECRETS
    return True
