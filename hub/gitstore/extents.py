"""The number of files and folders of a tree when it is expanded.

A tree object refers to other trees by id, so ten small objects, each of which refers ten times to the next,
expand to ten thousand million files. Listing or comparing such a tree never ends. Counting is cheap, because
each tree object is read once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.gitstore import names
from hub.gitstore.paths import PATH_BYTES_MAX, SEGMENTS_MAX

# The bits of a mode that say what an entry is, and those of a folder.
_TYPE, _FOLDER = 0o170000, 0o040000
# The paths of a tree may have so many bytes for each entry that the limit allows.
PATH_BYTES_EACH = 256

# The content of a tree object by its id; None where there is no such tree.
ReadTree = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Extent:
    """A tree written out: its files and folders, the bytes of all their paths, its deepest and longest path.

    `depth` counts the names in the deepest path; `longest` is in bytes.
    """

    entries: int = 0
    path_bytes: int = 0
    depth: int = 0
    longest: int = 0

    def is_within(self, entries_max: int) -> bool:
        """True if listing it costs no more than listing that many ordinary files."""
        return (
            self.entries <= entries_max
            and self.path_bytes <= entries_max * PATH_BYTES_EACH
            and self.depth <= SEGMENTS_MAX
            and self.longest <= PATH_BYTES_MAX
        )


class TooLarge(Exception):
    """A tree is beyond the limits."""


class ExtentReader:
    """Measures trees, and reads each tree object once for all of them."""

    def __init__(self, read: ReadTree, entries_max: int) -> None:
        self._read, self.entries_max = read, entries_max
        self._known: dict[bytes, Extent] = {}

    def extent_of(self, tree: bytes, depth: int = 1) -> Extent:
        """The extent of a tree, by its id (20 bytes). One that is missing counts as empty.

        Raises: TooLarge, as soon as it or a tree in it is beyond the limits.
        """
        if (known := self._known.get(tree)) is not None:
            return known
        if depth > SEGMENTS_MAX:
            raise TooLarge
        entries = path_bytes = deepest = longest = 0
        for mode, name, oid in names.entries_in(self._read(tree) or b""):
            size = len(name)
            entries += 1
            path_bytes += size
            deepest, longest = max(deepest, 1), max(longest, size)
            # The other bits do not matter: `40755` is a folder for those who read trees.
            if int(mode, 8) & _TYPE == _FOLDER:
                below = self.extent_of(oid, depth + 1)
                entries += below.entries
                path_bytes += below.path_bytes + below.entries * (size + 1)
                deepest = max(deepest, below.depth + 1)
                longest = max(longest, below.longest + size + 1)
        found = self._known[tree] = Extent(entries, path_bytes, deepest, longest)
        if not found.is_within(self.entries_max):
            raise TooLarge
        return found
