"""Import contracts hold every module: one that is new has no way past them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import HOUSES, ROOT

CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def contracts(kind: str) -> list[dict[str, Any]]:
    return [contract for contract in CONFIGURATION["contracts"] if contract["type"] == kind]


def floors_of(house: str) -> dict[str, Any]:
    (floors,) = [found for found in contracts("layers") if found.get("containers") == [house]]
    return floors


def modules_of(house: Path) -> set[str]:
    packages = {path.parent.name for path in house.glob("*/__init__.py")}
    return packages | {path.stem for path in house.glob("*.py") if path.stem != "__init__"}


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

    def test_have_one_exception_and_it_is_of_bazaar(self) -> None:
        ignored = {house: floors_of(house).get("ignore_imports", []) for house in HOUSES}
        assert {house: found for house, found in ignored.items() if found} == {
            "bazaar": ["bazaar.celery -> bazaar.server.processes"]
        }


class TestDialects:
    def test_are_all_independent(self) -> None:
        """The contract names each package of `hub/api/`: a new one cannot be left out."""
        (contract,) = contracts("independence")
        packages = {f"hub.api.{path.parent.name}" for path in (ROOT / "hub/api").glob("*/__init__.py")}
        assert set(contract["modules"]) == packages


class TestInterfaces:
    @pytest.mark.parametrize("house", ["hub", "compute_market"])
    def test_are_the_only_way_into_a_house(self, house: str) -> None:
        """The rule holds for every importer, also for a house that does not exist yet."""
        (contract,) = [found for found in contracts("protected") if found["protected_modules"] == [house]]
        assert contract["allowed_importers"] == [house, "bazaar"]
        assert contract["ignore_imports"] == [f"** -> {house}.interface"]
