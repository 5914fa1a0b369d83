"""The floors of coverage refuse what is below them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import measured


def report(folder: Path, shares: dict[str, int]) -> Path:
    """A report in which so many of 100 lines and 100 branches of each file ran."""
    files = {
        name: {
            "summary": {
                "covered_lines": share,
                "num_statements": 100,
                "covered_branches": share,
                "num_branches": 100,
            }
        }
        for name, share in shares.items()
    }
    path = folder / "report.json"
    path.write_text(json.dumps({"files": files}))
    return path


WELL = {
    "bazaar/doctor.py": 92,
    "compute_market/ledger/postings.py": 98,
    "compute_market/leases/money.py": 98,
    "compute_market/matching/engine/book.py": 98,
    "hub/accounts/policies.py": 98,
}


class TestFloors:
    def test_pass_what_reaches_them(self, tmp_path: Path) -> None:
        assert measured.main(report(tmp_path, WELL)) == 0

    @pytest.mark.parametrize("path", [path for path in WELL if path != "bazaar/doctor.py"])
    def test_refuse_a_path_below_its_own(
        self, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert measured.main(report(tmp_path, WELL | {path: 97})) == 1
        assert capsys.readouterr().out.count("too little") == 1

    def test_refuse_a_product_below_its_own(self, tmp_path: Path) -> None:
        assert measured.main(report(tmp_path, WELL | {"bazaar/doctor.py": 60})) == 1

    def test_judge_the_tests_of_a_room_by_its_own_alone(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = report(tmp_path, {**dict.fromkeys(WELL, 0), "compute_market/ledger/postings.py": 98})
        assert measured.main(found, ["tests/compute_market/ledger"]) == 0
        assert capsys.readouterr().out == (" 98.00 % of compute_market/ledger/: enough, the floor is 98 %\n")
        assert measured.main(found, ["tests/compute_market/ledger", "tests/compute_market/leases"]) == 1

    def test_are_none_for_the_tests_of_a_room_without_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert measured.main(report(tmp_path, dict.fromkeys(WELL, 0)), ["tests/hub/lfs"]) == 0
        assert "no floor" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("tests", "paths"),
        [
            ([], list(measured.FLOORS)),
            (["tests"], list(measured.FLOORS)),
            (["tests/hub"], ["hub/accounts/policies.py"]),
            (["tests/compute_market/led"], []),
            (["tests/compute_market/matching/"], ["compute_market/matching/engine/"]),
        ],
    )
    def test_are_those_of_what_the_tests_mirror(self, tests: list[str], paths: list[str]) -> None:
        assert measured.floors_of(tests) == paths

    def test_do_not_pass_a_path_without_files(self, tmp_path: Path) -> None:
        with pytest.raises(LookupError, match="engine"):
            measured.main(report(tmp_path, {n: s for n, s in WELL.items() if "engine" not in n}))

    def test_name_paths_that_there_are(self) -> None:
        assert [path for path in measured.FLOORS if not (measured.ROOT / path).exists()] == []
