"""Code and documents use the field's words: pictures that need their author to explain them are not used.

The decision records (docs/adr) keep the words of their day.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "bazaar", "compute_market", "foundation", "hub", "packages", "script", "tests", "docs", "changes",
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml",
)  # fmt: skip
# The word, and what is said instead.
WORDS = {
    r"(door)?bells?": "a task, a wake-up, an event",
    r"rung": "sent",
    r"shel(f|ves)": "shard engine",
    r"purses?": "account",
    r"tall(y|ies)": "order state",
    r"gatherings?": "group commit",
}
# Pages show notifications by the picture of a bell.
EXCEPT = {
    "bazaar/icons.py",
    "bazaar/templates/base.html",
    "hub/web/views/people.py",
    "tests/architecture/test_words.py",
}
ICON = '{% icon "bell" %}'


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    suffixes = {".py", ".md", ".html", ".toml", ".sh", ".css", ".js", ""}
    return [
        ROOT / name
        for name in listed
        if Path(name).suffix in suffixes and not name.startswith("docs/adr/") and name not in EXCEPT
    ]


@pytest.mark.parametrize("word", WORDS)
def test_pictures_are_not_used(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        if path.is_file()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line.replace(ICON, ""))
    ]
    assert found == [], f"say {WORDS[word]}"
