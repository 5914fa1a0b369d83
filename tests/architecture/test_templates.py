"""Templates are read and compared line by line: their lines have the width of a window."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.template import Template

ROOT = Path(__file__).resolve().parents[2]
COLUMNS_MAX = 120
FOLDERS = ("bazaar", "hub", "compute_market")


def templates() -> list[Path]:
    words = ["git", "ls-files", *(f"{folder}/*.html" for folder in FOLDERS)]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_can_be_read(path: Path) -> None:
    """Also by Django, whose tags are closed in order; not every branch has a page among the tests."""
    assert Template(path.read_text()).nodelist


class TestLines:
    def test_are_no_wider_than_a_window(self) -> None:
        wide = [
            f"{path.relative_to(ROOT)}:{number}: {len(line)} columns"
            for path in templates()
            for number, line in enumerate(path.read_text().splitlines(), start=1)
            if len(line) > COLUMNS_MAX
        ]
        assert len(templates()) > 50
        assert wide == []


DESTROYS = re.compile(r'<button[^>]*class="[^"]*\bdanger\b[^"]*"', re.DOTALL)
# Template → buttons that destroy and stand outside `bazaar/confirm.html`, and why they may.
UNCONFIRMED = {
    "bazaar/confirm.html": 1,  # the question itself
    "hub/repository/delete.html": 1,  # a page of its own that asks
    "hub/repository/settings.html": 2,  # one is typed for; the other rejects, and can accept later
    "hub/collections/edit.html": 1,  # takes an item out of a list; it can be put in again
    "market/lease.html": 2,  # stops a program, which can be started again; a notice, which is written first
}


class TestButtonsThatDestroy:
    def test_ask_first(self) -> None:
        found = {
            path.as_posix().rpartition("/templates/")[2]: len(DESTROYS.findall(path.read_text()))
            for path in templates()
        }
        assert {name: number for name, number in found.items() if number} == UNCONFIRMED
