"""The house stands: imports go down, and the text of the project names no place it was written in."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".in",
    ".txt",
    ".html",
    ".css",
    ".js",
    ".yml",
    ".yaml",
    ".conf",
    ".po",
    ".sh",
    "",
}
# Written in pieces, so that this file does not hold what it looks for.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"(^|[^A-Za-z0-9_.])/work" + "/(main|wt|shared|venv)",
            "py" + r"pi\.org",
            "python" + "hosted",
            "npm" + r"js\.(org|com)",
            "deb" + r"\.debian\.org",
            r"bash" + "_jobs",
        ]
    )
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


class TestFloors:
    def test_every_import_goes_down(self) -> None:
        linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
        run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout


class TestText:
    def test_names_no_machine_and_no_registry(self) -> None:
        found = [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for path in tracked_files()
            if path.suffix in TEXT and path.is_file()
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
            if FORBIDDEN.search(line)
        ]
        assert not found, "\n".join(found)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("README.md", "script/server"),
            ("LICENSE", "Apache License"),
            ("CONTRIBUTING.md", "script/test"),
            ("SECURITY.md", "Report a vulnerability in private"),
            ("CHANGELOG.md", "changes/"),
        ],
    )
    def test_holds_what_a_newcomer_looks_for(self, name: str, text: str) -> None:
        assert text in (ROOT / name).read_text()


class TestScripts:
    def test_each_fits_one_screen(self) -> None:
        scripts = [path for path in (ROOT / "script").glob("*") if path.is_file()]
        lines = {path.name: len(path.read_text().splitlines()) for path in scripts}
        assert not {name: count for name, count in lines.items() if count > 60}
