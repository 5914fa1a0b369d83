"""`.gitattributes` and `.gitignore` against git's own reading of them."""

from __future__ import annotations

import os
import random
import re
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from hub import gitstore
from hub.gitstore import InvalidPath
from hub.gitstore.wildmatch import Budget, TooManyPatterns
from hub.revisions.attributes import AttributesAt, filter_of, is_lfs_by, parse
from hub.revisions.ignoring import Ignoring
from tests.clock import BEGUN

RULES = parse(
    b"""
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
PARTS = ["a", "b", "ab", "ba", "data", "a.bin", "b.dat", "model", "Model", "x y", "é", "[a]", "a-b", "1"]
PIECES = [
    "*", "**", "?", "/", "/**/", "**/", "/**", "\\", "[", "]", "!", "-", "^", "\\/", "\\*",
    "[ab]", "[!ab]", "[^a-c]", "[]a]", "[a-]", "[[:alpha:]]", "[[:space:]]", "[[:nope:]]", "[\\]a]", "[z-a]",
    *PARTS,
]  # fmt: skip
STATES = [
    "filter=lfs",
    "-filter",
    "!filter",
    "filter",
    "filter=x",
    "lfs",
    "-lfs",
    "!lfs",
    "big",
    "text",
    "-a-",
]


def is_lfs(path: str) -> bool:
    return is_lfs_by(RULES, path, Budget())


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
        assert is_lfs(path)

    @pytest.mark.parametrize(
        "path", ["a.bins", "x/root.dat", "data/x/a.csv", "saved_models/a", "small.bin", "x/small.bin"]
    )
    def test_leaves_the_rest_to_git(self, path: str) -> None:
        assert not is_lfs(path)


class TestIgnoring:
    TEXT = "*.log\n!keep.log\nbuild/\n/top\n# no\ndocs/*.tmp\n"

    def ignored(self, path: str) -> bool:
        return Ignoring(self.TEXT, Budget()).leaves_out(path)

    @pytest.mark.parametrize(
        "path", ["a.log", "x/a.log", "build/x", "x/build/y/z", "top", "top/x", "docs/a.tmp", "build/keep.log"]
    )
    def test_leaves_out_what_a_line_names(self, path: str) -> None:
        assert self.ignored(path)

    @pytest.mark.parametrize("path", ["keep.log", "build", "x/top", "docs/x/a.tmp", "# no"])
    def test_keeps_the_rest(self, path: str) -> None:
        assert not self.ignored(path)


def random_pattern(chance: random.Random) -> str:
    """Pieces at random, or a path in which some characters have become wildcards."""
    if chance.random() < 0.6:
        path = "/".join(chance.choices(PARTS, k=chance.randrange(1, 4)))
        wild = [chance.choice("*?") if chance.random() < 0.15 else letter for letter in path]
        return chance.choice(["", "", "*", "/", "**/"]) + "".join(wild) + chance.choice(["", "", "*", "/**"])
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 6)))


def random_line(chance: random.Random) -> str:
    states = " ".join(chance.choice(STATES) for _ in range(chance.randrange(1, 4)))
    form = chance.random()
    if form < 0.1:
        return f"[attr]{chance.choice(['lfs', 'big', 'binary', '-x'])} {states}"
    pattern = random_pattern(chance)
    if form < 0.25:
        pattern = '"' + pattern.replace("\\", "\\\\") + '"'
    elif form < 0.3:
        pattern = chance.choice(
            ['"\\303\\251"', '"x\\040y"', '"a', '"a\\q"', '"\\101.bin" x', "# a", "[attr] lfs"]
        )
    elif form < 0.32:
        return pattern + " " + "x" * chance.choice([2030, 2048, 2060]) + " " + states
    return pattern + chance.choice([" ", "\t", "  ", " \r\t"]) + states


def random_text(chance: random.Random, line: object) -> bytes:
    assert callable(line)
    text = "".join(line(chance) + chance.choice(["\n", "\n", "\r\n"]) for _ in range(chance.randrange(1, 7)))
    return (b"\xef\xbb\xbf" if chance.random() < 0.15 else b"") + text.encode()


def random_paths(chance: random.Random, count: int) -> list[str]:
    return sorted({"/".join(chance.choices(PARTS, k=chance.randrange(1, 5))) for _ in range(count)})


def git(folder: Path, *words: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *words], input=given, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


# `x**/y`, `x**`: git before 2.53 reads the stars as crossing folders, against its own manual.
DIFFERS_BETWEEN_VERSIONS = re.compile(rb'[^/\s"*]\*\*+(?:[/\s"]|\\{1,2}/|\Z)')


class TestAgainstGit:
    """Many generated files, each compared with what `git check-attr` and `git check-ignore` say."""

    SEED = int(os.environ.get("BAZAAR_FUZZ_SEED", "1"))

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        git(tmp_path, "init", "-q")
        return tmp_path

    def test_reads_attributes_as_git_does(self, folder: Path) -> None:
        chance = random.Random(self.SEED)
        for _ in range(250):
            files = {"": random_text(chance, random_line)}
            for name in chance.sample(["a", "data", "a/b"], k=chance.randrange(0, 3)):
                files[name] = random_text(chance, random_line)
            if any(DIFFERS_BETWEEN_VERSIONS.search(data) for data in files.values()):
                continue
            for name, data in files.items():
                (folder / name).mkdir(parents=True, exist_ok=True)
                (folder / name / ".gitattributes").write_bytes(data)
            paths = random_paths(chance, 40)
            said = git(
                folder, "check-attr", "-z", "--stdin", "filter", given="\0".join(paths).encode() + b"\0"
            )
            expected = said.split(b"\0")[2::3]
            parsed = [
                (name.encode(), parse(files[name], is_root=not name))
                for name in sorted(files, key=len, reverse=True)
            ]
            for path, value in zip(paths, expected, strict=True):
                on_the_way = [
                    (name, attributes)
                    for name, attributes in parsed
                    if not name or path.encode().startswith(name + b"/")
                ]
                found = filter_of(path.encode(), on_the_way, Budget())
                words = {True: b"set", False: b"unset", None: b"unspecified"}
                ours = words[found] if found is None or isinstance(found, bool) else found
                assert ours == value, (self.SEED, path, files)
            for name in files:
                (folder / name / ".gitattributes").unlink()

    def test_reads_ignored_files_as_git_does(self, folder: Path) -> None:
        chance = random.Random(self.SEED)

        def line(chance: random.Random) -> str:
            start, end = chance.choice(["", "", "!", "#", "\\#"]), chance.choice(["", "/", " ", "\\ ", "\t"])
            return start + random_pattern(chance) + end

        for _ in range(250):
            data = random_text(chance, line)
            if DIFFERS_BETWEEN_VERSIONS.search(re.sub(rb"(?m)^!", b"", data)):
                continue
            (folder / ".gitignore").write_bytes(data)
            paths = random_paths(chance, 40)
            said = git(
                folder,
                *("check-ignore", "--no-index", "-z", "--stdin"),
                given="\0".join(paths).encode() + b"\0",
            )
            ignoring = Ignoring(data.decode(), Budget())
            ours = [path for path in paths if ignoring.leaves_out(path)]
            assert ours == said.decode().split("\0")[:-1], (self.SEED, data)


class TestAttributesAt:
    @pytest.fixture
    def at(self, settings: Settings, tmp_path: Path) -> Callable[[dict[str, bytes]], AttributesAt]:
        settings.GIT_ROOT = tmp_path

        def attributes(files: dict[str, bytes]) -> AttributesAt:
            key, who, when = uuid.uuid4().hex, gitstore.Author("a", "a@example.org"), BEGUN
            base = gitstore.create_repository(
                key, default_branch="main", files={}, message="m", author=who, at=when
            )
            repo = gitstore.open_repository(key)
            changes = {path: (repo.write_blob(data), 0o100644) for path, data in files.items()}
            tree = repo.write_tree(base, changes)
            oid = repo.write_commit(tree=tree, parents=[base], message="m", author=who, at=when)
            return AttributesAt(repo, oid)

        return attributes

    def test_reads_the_files_of_all_folders_on_the_way(self, at: Callable[..., AttributesAt]) -> None:
        attributes = at(
            {
                ".gitattributes": b"*.dat filter=lfs\n[attr]big filter=lfs\n",
                "plain/.gitattributes": b"*.dat -filter\n*.q big\n",
                "plain/large/.gitattributes": b"/a.dat filter=lfs\n",
            }
        )
        paths = ["a.dat", "x/a.dat", "plain/a.dat", "plain/large/a.dat", "plain/large/x/a.dat", "plain/x/a.q"]
        assert [path for path in paths if attributes.is_lfs(path)] == [
            *("a.dat", "x/a.dat", "plain/large/a.dat", "plain/x/a.q"),
        ]

    def test_passes_over_a_file_that_is_too_large(self, at: Callable[..., AttributesAt]) -> None:
        assert not at({".gitattributes": b"*.dat filter=lfs\n" + b"#" * (1 << 20)}).is_lfs("a.dat")

    def test_refuses_more_work_than_its_budget(self, at: Callable[..., AttributesAt]) -> None:
        attributes = at({".gitattributes": b"*a*a*a*b filter=lfs\n" * 20_000})
        with pytest.raises(TooManyPatterns):
            for number in range(1000):
                attributes.is_lfs(f"{number}/" + "a" * 200)

    def test_refuses_a_path_that_no_tree_holds(self, at: Callable[..., AttributesAt]) -> None:
        with pytest.raises(InvalidPath):
            at({}).is_lfs("a/" * 3000)
