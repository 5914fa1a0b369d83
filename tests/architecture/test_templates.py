"""Templates are read and compared line by line: their lines have the width of a window."""

from __future__ import annotations

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
