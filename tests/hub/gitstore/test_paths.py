from __future__ import annotations

import pytest

from hub.gitstore import InvalidPath, InvalidRefName
from hub.gitstore.errors import TooManyFolders
from hub.gitstore.paths import require_path, require_ref_name
from hub.gitstore.trees import FOLDERS_MAX, plan


class TestRequirePath:
    @pytest.mark.parametrize(
        "path",
        [
            "a",
            "a/b.txt",
            "名前 #1%.txt",
            "a b/c?d&e",
            "..a",
            "a..",
            ".gitignore",
            "x/.gitattributes",
            "git~",
            "é" * 120,
            "a\\b",
            "folder/..\\..\\file",
        ],
    )
    def test_lets_ordinary_and_odd_names_through(self, path: str) -> None:
        assert require_path(path) == path

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "./a",
            "a/./b",
            "../a",
            "a/../../b",
            "a\\.git\\config",
            "x\\.GIT",
            "..\\a",
            ".git",
            ".git/config",
            "a/.git/hooks/x",
            ".GIT/config",
            "a/.Git",
            "git~1/config",
            ".git /x",
            ".git./x",
            ".g\u200cit/config",
            ".git:stream/x",
            "a\0b",
            "a\nb",
            "\x7f",
            "a" * 256,
            "é" * 128,
            "x/" * 2100 + "x",
            "x/" * 256 + "x",
            "\ud800",
        ],
    )
    def test_refuses_what_climbs_hides_or_cannot_be_checked_out(self, path: str) -> None:
        with pytest.raises(InvalidPath):
            require_path(path)


class TestRequireRefName:
    @pytest.mark.parametrize("name", ["main", "feature/x", "v1.0", "a-b_c", "名前", "1"])
    def test_lets_git_names_through(self, name: str) -> None:
        assert require_ref_name(name, what="branch") == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "HEAD",
            "@",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a.lock",
            "a.lock/b",
            ".a",
            "a/.b",
            "a.",
            "a/",
            "/a",
            "a//b",
            "a@{1}",
            "-a",
            "refs/heads/x",
            "0" * 40,
            "a" * 300,
            "a\x7f",
        ],
    )
    def test_refuses_what_git_refuses(self, name: str) -> None:
        with pytest.raises(InvalidRefName):
            require_ref_name(name, what="branch")


class TestPlan:
    def test_refuses_a_short_body_that_names_very_many_folders(self) -> None:
        deep = "/".join("d" * 200)
        with pytest.raises(TooManyFolders):
            plan({f"{number}/{deep}/f": ("0" * 40, 0o100644) for number in range(60)})

    def test_counts_a_folder_once(self) -> None:
        files = {f"folder/{number}": ("0" * 40, 0o100644) for number in range(FOLDERS_MAX + 10)}
        assert len(plan(files).below["folder"].below) == FOLDERS_MAX + 10
