from __future__ import annotations

import pytest

from hub.revisions.attributes import ignored, matches, parse_attributes

RULES = parse_attributes(
    """
# comment
*.bin filter=lfs diff=lfs merge=lfs -text
*.tar.* filter=lfs
saved_model/**/* filter=lfs
/root.dat filter=lfs
data/*.csv filter=lfs
*tfevents* filter=lfs
small.bin -filter
*.[Pp]ng filter=lfs
"""
)


class TestMatches:
    @pytest.mark.parametrize(
        "path",
        [
            "a.bin",
            "x/y/a.bin",
            "a.tar.gz",
            "saved_model/a/b",
            "saved_model/a",
            "root.dat",
            "data/a.csv",
            "events.tfevents.1",
            "x/A.Png",
        ],
    )
    def test_gives_to_lfs_what_a_pattern_names(self, path: str) -> None:
        assert matches(RULES, path)

    @pytest.mark.parametrize(
        "path", ["a.bins", "x/root.dat", "data/x/a.csv", "saved_models/a", "small.bin", "x/small.bin"]
    )
    def test_leaves_the_rest_to_git(self, path: str) -> None:
        assert not matches(RULES, path)


class TestIgnored:
    TEXT = "*.log\n!keep.log\nbuild/\n/top\n# no\ndocs/*.tmp\n"

    @pytest.mark.parametrize(
        "path", ["a.log", "x/a.log", "build/x", "x/build/y/z", "top", "top/x", "docs/a.tmp"]
    )
    def test_leaves_out_what_a_line_names(self, path: str) -> None:
        assert ignored(self.TEXT, path)

    @pytest.mark.parametrize("path", ["keep.log", "build", "x/top", "docs/x/a.tmp", "# no"])
    def test_keeps_the_rest(self, path: str) -> None:
        assert not ignored(self.TEXT, path)
