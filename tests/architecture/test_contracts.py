"""Import contracts hold every module: one that is new has no way past them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import HOUSES, ROOT

# Folders of Python that are no part of the server.
NO_HOUSES = {"tests", "packages", "script"}
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def contracts(kind: str) -> list[dict[str, Any]]:
    return [contract for contract in CONFIGURATION["contracts"] if contract["type"] == kind]


def floors_of(house: str) -> dict[str, Any]:
    (floors,) = [found for found in contracts("layers") if found.get("containers") == [house]]
    return floors


def modules_of(house: Path) -> set[str]:
    packages = {path.parent.name for path in house.glob("*/__init__.py")}
    return packages | {path.stem for path in house.glob("*.py") if path.stem != "__init__"}


def files() -> list[str]:
    """Paths of the files of Python that git knows, and of those that are new."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")


def houses_in(paths: Iterable[str]) -> set[str]:
    """The folders of the root with modules; a folder is a package also without `__init__.py`."""
    return {path.partition("/")[0] for path in paths if "/" in path} - NO_HOUSES


class TestHouses:
    def test_are_all_packages_of_the_root(self) -> None:
        """The contracts hold only what they read: a package that is no house would be under none of them."""
        assert houses_in(files()) == set(HOUSES)

    def test_are_installed_measured_and_typed(self) -> None:
        tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
        installed = {name.rstrip("*") for name in tool["setuptools"]["packages"]["find"]["include"]}
        assert installed == set(HOUSES)
        assert set(HOUSES) <= set(tool["coverage"]["run"]["source"])
        assert set(HOUSES) <= set(tool["mypy"]["files"])

    @pytest.mark.parametrize("new", ["relay/__init__.py", "relay/ledger.py", "relay/deep/copying.py"])
    def test_are_seen_when_they_are_new(self, new: str) -> None:
        assert houses_in([*files(), new]) == {*HOUSES, "relay"}


class TestFloors:
    def test_are_those_of_all_houses(self) -> None:
        assert set(CONFIGURATION["root_packages"]) == set(HOUSES)

    @pytest.mark.parametrize("house", HOUSES)
    def test_hold_each_module_of_a_house_once(self, house: str) -> None:
        floors = floors_of(house)
        placed = [name for layer in floors["layers"] for name in re.findall(r"\w+", layer)]
        assert sorted(placed) == sorted(modules_of(ROOT / house))
        assert floors["exhaustive"]
        assert "exhaustive_ignores" not in floors

    def test_have_one_exception_and_it_is_the_roofs(self) -> None:
        ignored = {house: floors_of(house).get("ignore_imports", []) for house in HOUSES}
        assert {house: found for house, found in ignored.items() if found} == {
            "bazaar": ["bazaar.celery -> bazaar.server.processes"]
        }


class TestInterfaces:
    @pytest.mark.parametrize("house", ["hub", "compute_market"])
    def test_are_the_only_way_into_a_house(self, house: str) -> None:
        """The rule holds for every importer that import-linter reads: `TestHouses` sees that it reads all."""
        (contract,) = [found for found in contracts("protected") if found["protected_modules"] == [house]]
        assert contract["allowed_importers"] == [house, "bazaar"]
        assert contract["ignore_imports"] == [f"** -> {house}.interface"]
