"""Workflows, hooks and how-to pages name only commands and files that there are."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.sources import HOUSES, ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
GITHUB = sorted(path for path in (ROOT / ".github").rglob("*") if path.is_file())

COMMAND = re.compile(r"(?<![\w/.-])(script/\w+|\.ci/\w+)")
TESTS = re.compile(r"(?<![\w/])tests/[\w/.]+")
# A path in backquotes: it has a slash, or it is a file of the root with a known suffix.
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:md|toml|in|yml)|\.env\.example)`")
# `hub/api/NAME/` stands for a name that the reader chooses.
CHOSEN = re.compile(r"(?:^|/)NAME(?:/|$)")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(workflow: Any) -> Iterator[str]:
    for job in workflow["jobs"].values():
        yield from (step["run"] for step in job.get("steps", []) if "run" in step)


def is_program(command: str) -> bool:
    path = ROOT / command
    return path.is_file() and os.access(path, os.X_OK)


def hooks() -> dict[str, str]:
    config = loaded(ROOT / ".pre-commit-config.yaml")
    return {hook["id"]: hook["entry"] for repo in config["repos"] for hook in repo["hooks"]}


def named_paths(text: str) -> set[str]:
    prose = re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {path for path in PATH.findall(prose) if not CHOSEN.search(path)}


def exists(name: str) -> bool:
    return (ROOT / name).exists()


class TestWorkflows:
    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_run_only_commands_and_tests_that_there_are(self, path: Path) -> None:
        text = "\n".join(steps(loaded(path)))
        assert [command for command in COMMAND.findall(text) if not is_program(command)] == []
        assert [name for name in TESTS.findall(text) if not exists(name)] == []

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_bound_each_job_and_what_its_token_may(self, path: Path) -> None:
        workflow = loaded(path)
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job or "uses" in job, name

    def test_test_oldest_and_newest_python_with_both_databases(self) -> None:
        jobs = loaded(ROOT / ".github/workflows/checks.yml")["jobs"]
        assert "script/check" in [step.get("run") for step in jobs["lint"]["steps"]]
        sqlite = jobs["sqlite"]["strategy"]["matrix"]["include"]
        assert [entry["python"] for entry in sqlite] == ["3.11", "3.14"]
        assert [name for entry in sqlite for name in entry["tests"].split() if not exists(name)] == []
        assert jobs["postgresql"]["strategy"]["matrix"] == {
            "python": ["3.11", "3.14"],
            "postgresql": ["14", "17"],
        }

    def test_release_by_tags_after_the_checks(self) -> None:
        workflow = loaded(ROOT / ".github/workflows/release.yml")
        # YAML 1.1 reads the key `on` as true.
        assert workflow[True] == {"push": {"tags": ["v*"]}}
        assert workflow["jobs"]["checks"]["uses"] == "./.github/workflows/checks.yml"
        assert "workflow_call" in loaded(ROOT / ".github/workflows/checks.yml")[True]
        assert {job.get("needs") for name, job in workflow["jobs"].items() if name != "checks"} == {"checks"}

    @pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
    def test_templates_name_only_commands_that_there_are(self, path: Path) -> None:
        text = path.read_text()
        if path.suffix == ".yml":
            assert isinstance(yaml.safe_load(text), dict)
        assert [command for command in COMMAND.findall(text) if not is_program(command)] == []


class TestHooks:
    def test_run_tools_of_the_development_environment(self) -> None:
        for entry in hooks().values():
            folder, _, tool = entry.split()[0].rpartition("/")
            assert folder == ".venv-dev/bin"
            assert (Path(sys.executable).parent / tool).exists(), tool

    def test_cover_the_checks_that_need_no_database(self) -> None:
        checks = re.findall(r"^check (.+)$", (ROOT / "script/check").read_text(), re.MULTILINE)
        tools = {words.split()[0] for words in checks} - {"python"}
        assert len(tools) > 3
        assert tools - {entry.split()[0].rpartition("/")[2] for entry in hooks().values()} == set()


class TestScripts:
    def test_in_python_are_checked_by_ruff(self) -> None:
        """Hooks find Python by the first line, ruff by the suffix: both must check the same files."""
        included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["extend-include"]
        in_python = [
            str(path.relative_to(ROOT))
            for path in sorted((ROOT / "script").iterdir())
            if path.is_file() and not path.suffix and "python" in path.read_text().partition("\n")[0]
        ]
        assert in_python
        assert in_python == sorted(included)


class TestHowTo:
    @pytest.mark.parametrize("path", HOW_TO, ids=lambda path: path.stem)
    def test_names_only_files_and_commands_that_there_are(self, path: Path) -> None:
        text = path.read_text()
        assert [name for name in sorted(named_paths(text)) if not exists(name)] == []
        assert [command for command in COMMAND.findall(text) if not is_program(command)] == []

    def test_is_linked_from_where_contributors_begin(self) -> None:
        contributing = (ROOT / "CONTRIBUTING.md").read_text()
        overview = (ROOT / "docs/how-to/README.md").read_text()
        pages = [path.name for path in HOW_TO if path.name != "README.md"]
        assert len(pages) > 3
        assert [page for page in pages if f"docs/how-to/{page}" not in contributing] == []
        assert [page for page in pages if f"({page})" not in overview] == []

    def test_pattern_finds_paths(self) -> None:
        text = "`hub/none.py` and `hub/api/NAME/urls.py`, `pyproject.toml` and `fingerprint()`"
        assert named_paths(text) == {"hub/none.py", "pyproject.toml"}
        assert not exists("hub/none.py")


class TestOrderFields:
    """The page about order fields names each file of its two examples, with its number of files."""

    PAGE = ROOT / "docs/how-to/add-an-order-field.md"
    # Options whose names in the command line differ from the field's.
    WORDS = {"client_note": ("client_note", '"--note"'), "self_trade": ("self_trade", '"--self-trade"')}

    def files_of(self, field: str, *folders: str) -> set[str]:
        """The files of the product that have the field; migrations count as their folder."""
        found = [
            path
            for folder in folders
            for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.html")]
            if any(word in path.read_text() for word in self.WORDS[field])
        ]
        return {
            f"{path.parent.relative_to(ROOT)}/" if path.parent.name == "migrations" else name
            for path in found
            if (name := str(path.relative_to(ROOT)))
        }

    @pytest.mark.parametrize("field", WORDS)
    def test_touch_only_files_that_the_page_names(self, field: str) -> None:
        found = self.files_of(field, *HOUSES, "packages")
        assert len(found) > 5
        assert found - named_paths(self.PAGE.read_text()) == set()

    def test_that_the_engine_does_not_know_touch_seven_modules(self) -> None:
        """`client_note` is one: five modules of the server, and two of the client for its option.

        The table of fields is the only documentation of it, in two languages.
        """
        server, client = self.files_of("client_note", *HOUSES), self.files_of("client_note", "packages")
        section = self.PAGE.read_text().partition("## A column that the engine does not know")[2]
        table = "\n".join(re.findall(r"^\| `.*", section.partition("\n`compute_market")[0], re.MULTILINE))
        documents = {
            str(path.relative_to(ROOT))
            for path in (ROOT / "docs").rglob("*.md")
            if "client_note" in path.read_text() and path != self.PAGE
        }
        assert server | documents == named_paths(table)
        assert (len(server), len(client), len(documents)) == (5, 2, 2)
