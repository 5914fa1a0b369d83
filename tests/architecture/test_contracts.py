"""Import contracts hold every module: one that is new has no way past them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import HOUSES, ROOT

# Modules below bazaar that may know Django REST framework and htmx: doors, and what doors share.
KNOW_DRF = {
    *("hub.api", "hub.web", "compute_market.api", "compute_market.web"),
    *("foundation.answers", "foundation.described", "foundation.inputs"),
}
# Modules below bazaar that are no doors and not pure: rooms, and users of settings or parts of Django.
KNOW_DJANGO = {
    f"{house}.{name}"
    for house, names in {
        "foundation": """addresses bodies cache callers clock converters credentials database errors held_rows
            pages paging rate_limits redis_connection statuses stored_texts temporary_files uploads""",
        "hub": """accounts audit blobstore catalogue community converters downloads gitstore interface lfs
            markup operating progress repos revisions search xet""",
        "compute_market": """demo event_channel interface leases ledger matching offers read_snapshot ssh""",
    }.items()
    for name in names.split()
}
# Parts of rooms that are pure while their room is not.
PURE_PARTS = {"hub.xet.codec", "compute_market.matching.engine"}
# Packages of the hub and the market that are no rooms: adapters, doors, and data to begin with.
NO_ROOMS = {
    *("hub.blobstore", "hub.catalogue", "hub.gitstore", "hub.markup"),
    *("compute_market.demo", "compute_market.runners", "compute_market.ssh", "compute_market.tunnels"),
}
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


def all_below_bazaar() -> set[str]:
    return {f"{house}.{name}" for house in HOUSES if house != "bazaar" for name in modules_of(ROOT / house)}


def rooms() -> set[str]:
    packages = [
        path.parent for house in ("hub", "compute_market") for path in (ROOT / house).glob("*/__init__.py")
    ]
    return {f"{path.parent.name}.{path.name}" for path in packages} - KNOW_DRF - NO_ROOMS


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

    def test_have_one_exception_and_it_is_of_bazaar(self) -> None:
        ignored = {house: floors_of(house).get("ignore_imports", []) for house in HOUSES}
        assert {house: found for house, found in ignored.items() if found} == {
            "bazaar": ["bazaar.celery -> bazaar.server.processes"]
        }


class TestForbiddenImports:
    """A deny-list holds nothing for a module that nobody put on it."""

    def test_of_drf_hold_for_all_but_doors(self) -> None:
        (contract,) = [
            found for found in contracts("forbidden") if "rest_framework" in found["forbidden_modules"]
        ]
        assert sorted(contract["source_modules"]) == sorted(all_below_bazaar() - KNOW_DRF)

    def test_of_django_hold_for_all_pure_code(self) -> None:
        (contract,) = [found for found in contracts("forbidden") if "django" in found["forbidden_modules"]]
        pure = all_below_bazaar() - KNOW_DRF - KNOW_DJANGO
        assert sorted(contract["source_modules"]) == sorted(pure | PURE_PARTS)


class TestRooms:
    def test_have_floors_that_hold_each_module(self) -> None:
        floors = [found for found in contracts("layers") if found.get("exhaustive")]
        placed = [found["containers"] for found in floors]
        assert sorted(placed) == sorted([house] for house in [*HOUSES, *rooms()])
        ignored = {name for found in floors for name in found.get("exhaustive_ignores", [])}
        assert ignored == {"admin", "apps", "management", "migrations"}

    def test_have_the_same_order_of_the_same_files(self) -> None:
        (contract,) = [found for found in contracts("layers") if found["name"] == "Inside a room"]
        assert set(contract["containers"]) == rooms()


class TestContracts:
    @pytest.mark.parametrize(
        ("path", "text", "contract"),
        [
            ("hub/markup/code.py", "import rest_framework", "Rooms and adapters know neither DRF nor htmx"),
            ("hub/progress.py", "from drf_spectacular.utils import extend_schema", "Rooms and adapters know"),
            ("compute_market/amounts.py", "import django.db.models", "Pure code imports no Django"),
            ("hub/revisions/uploads.py", "from hub.revisions import services", "Floors of hub.revisions"),
            ("compute_market/ledger/novel.py", "", "Floors of compute_market.ledger"),
            ("compute_market/novel.py", "", "The market's floors"),
            ("compute_market/offers/errors.py", "from hub.repos import models", "Houses above enter the hub"),
        ],
    )
    def test_are_broken_by(self, path: str, text: str, contract: str, tmp_path: Path) -> None:
        """import-linter reads a copy of the houses with one line more."""
        for house in HOUSES:
            shutil.copytree(ROOT / house, tmp_path / house, ignore=shutil.ignore_patterns("*.pyc", "static"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        planted = tmp_path / path
        before = planted.read_text() if planted.exists() else ""
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text(f"{before}\n{text}\n")
        linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
        words = [linter, "--no-cache", "--no-logo"]
        run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        broken = [line for line in run.stdout.splitlines() if " BROKEN" in line]
        assert any(line.startswith(contract) for line in broken), run.stdout


class TestDialects:
    def test_are_all_independent(self) -> None:
        """The contract names each package of `hub/api/`: a new one cannot be left out."""
        (contract,) = contracts("independence")
        packages = {f"hub.api.{path.parent.name}" for path in (ROOT / "hub/api").glob("*/__init__.py")}
        assert set(contract["modules"]) == packages


class TestInterfaces:
    @pytest.mark.parametrize("house", ["hub", "compute_market"])
    def test_are_the_only_way_into_a_house(self, house: str) -> None:
        """The rule holds for every importer that import-linter reads: `TestHouses` sees that it reads all."""
        (contract,) = [found for found in contracts("protected") if found["protected_modules"] == [house]]
        assert contract["allowed_importers"] == [house, "bazaar"]
        assert contract["ignore_imports"] == [f"** -> {house}.interface"]
