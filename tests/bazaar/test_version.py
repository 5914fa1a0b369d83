"""One version for the code, its packages, the API's description and the changelog."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings

from bazaar import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("changelog", str(ROOT / "script/changelog"))
    spec = importlib.util.spec_from_loader("changelog", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    # Reading it must not write byte code beside the scripts.
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


class TestVersion:
    def test_is_printed_by_the_command(self) -> None:
        # A test runs the command itself, with fixed words.
        told = subprocess.run(
            [sys.executable, "-m", "bazaar", "--version"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout == f"model-bazaar {__version__}\n"

    def test_is_the_same_in_each_package(self) -> None:
        projects = [
            tomllib.loads(path.read_text())["project"] for path in ROOT.glob("packages/*/pyproject.toml")
        ]
        assert projects
        assert {project["version"] for project in projects} == {__version__}

    def test_is_read_by_setuptools_and_the_description(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        assert "version" in project["project"]["dynamic"]
        assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bazaar.__version__"}
        assert settings.SPECTACULAR_SETTINGS["VERSION"] == __version__

    def test_is_the_newest_of_the_changelog(self) -> None:
        found = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
        assert found
        assert found[1] == __version__


class TestChangelog:
    def test_gathers_fragments_by_section(self, script: ModuleType) -> None:
        fragments = {"b.hub.md": "Two\nlines.\n", "a.market.md": "- One.\n- More.\n", "c.md": "Inside.\n"}
        gathered = script.gather(
            "# Changelog\n\n## 1.0 (2026-01-01)\n\nOld.\n", fragments, "1.1", "2026-02-03"
        )
        assert gathered == (
            "# Changelog\n\n## 1.1 (2026-02-03)\n\n### Hub and clients\n\n- Two\n  lines.\n\n"
            "### Market\n\n- One.\n- More.\n\n### Development\n\n- Inside.\n\n## 1.0 (2026-01-01)\n\nOld.\n"
        )

    def test_adds_to_a_version_that_is_there(self, script: ModuleType) -> None:
        before = (
            "# Changelog\n\n## 1.1 (2026-02-03)\n\nAbout it.\n\n### Market\n\n- One.\n\n## 1.0 (2026-01-01)\n"
        )
        gathered = script.gather(before, {"a.market.md": "Two."}, "1.1", "2026-02-04")
        assert gathered == before.replace("- One.\n", "- One.\n- Two.\n")

    def test_refuses_a_section_that_there_is_not(self, script: ModuleType) -> None:
        with pytest.raises(SystemExit, match=r"a\.kitchen\.md names no section.* hub market .*deprecated"):
            script.gather("# Changelog\n", {"a.kitchen.md": "One."}, "1.1", "2026-02-03")

    def test_names_what_is_deprecated(self, script: ModuleType) -> None:
        gathered = script.gather("# Changelog\n", {"a.deprecated.md": "`old` is."}, "1.1", "2026-02-03")
        assert "### Deprecated\n\n- `old` is.\n" in gathered

    def test_fragments_name_sections_that_there_are(self, script: ModuleType) -> None:
        names = [path.stem.partition(".")[2] for path in (ROOT / "changes").glob("*.md")]
        assert set(names) <= set(script.SECTIONS)
