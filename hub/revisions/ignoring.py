"""The files that a `.gitignore` text leaves out, read as git reads it (gitignore(5), git's dir.c)."""

from __future__ import annotations

from hub.gitstore import wildmatch
from hub.gitstore.paths import path_bytes
from hub.gitstore.wildmatch import PATTERN_STEPS, Budget, Pattern
from hub.revisions.attributes import BOM, PARSE_STEPS_PER_BYTE

NAME = ".gitignore"
TEXT_BYTES_MAX = 1 << 20


class Ignoring:
    """A compiled `.gitignore` text. Work is counted in the request's budget."""

    def __init__(self, text: str, budget: Budget) -> None:
        """A text of more than 1 MiB says nothing. Raises: TooManyPatterns."""
        data = text.encode("utf-8", "surrogatepass")
        self._budget = budget
        self._patterns: list[Pattern] = []
        if len(data) <= TEXT_BYTES_MAX:
            budget.spend(PARSE_STEPS_PER_BYTE * len(data))
            self._patterns = _patterns(data)
        self._width = sum(pattern.width for pattern in self._patterns)
        self._folders: dict[bytes, bool] = {}

    def leaves_out(self, path: str) -> bool:
        """True if a file is left out, by itself or with one of its folders.

        As in git, files in a folder that is left out cannot be included again. Raises: InvalidPath,
        TooManyPatterns.
        """
        if not self._patterns:
            return False
        encoded = path_bytes(path)
        parent = encoded[: max(0, encoded.rfind(b"/"))]
        if parent not in self._folders:
            self._folders[parent] = self._leaves_out_folder(parent)
        return self._folders[parent] or self._verdict(encoded, is_folder=False)

    def _leaves_out_folder(self, folder: bytes) -> bool:
        parts = folder.split(b"/") if folder else []
        return any(
            self._verdict(b"/".join(parts[: count + 1]), is_folder=True) for count in range(len(parts))
        )

    def _verdict(self, path: bytes, *, is_folder: bool) -> bool:
        """The last pattern that matches decides."""
        self._budget.spend(len(self._patterns) * PATTERN_STEPS + self._width * len(path))
        for pattern in reversed(self._patterns):
            if (is_folder or not pattern.only_folders) and pattern.matches(path):
                return not pattern.is_negated
        return False


def _patterns(data: bytes) -> list[Pattern]:
    found = []
    for line in data.removeprefix(BOM).split(b"\n"):
        text = _without_trailing_spaces(line.removesuffix(b"\r").partition(b"\0")[0])
        if text and not text.startswith(b"#") and (pattern := wildmatch.parse(text)):
            found.append(pattern)
    return found


def _without_trailing_spaces(line: bytes) -> bytes:
    """Spaces at the end do not count, unless a backslash stands before them."""
    kept = line.rstrip(b" ")
    backslashes = len(kept) - len(kept.rstrip(b"\\"))
    return kept + b" " if backslashes % 2 and len(kept) < len(line) else kept
