"""Documents tell the truth where a machine can check it."""

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\bBAZAAR_[A-Z0-9_]+\b")


def read_by_the_code() -> set[str]:
    folders = [ROOT / "bazaar" / "settings", ROOT / "bazaar" / "server"]
    texts = [path.read_text() for folder in folders for path in folder.glob("*.py")]
    return {name for text in texts for name in re.findall(r'"(BAZAAR_[A-Z0-9_]+)"', text)}


class TestConfiguration:
    def test_every_variable_that_is_read_is_documented(self) -> None:
        documented = set(VARIABLE.findall((ROOT / "docs" / "configuration.md").read_text()))
        assert read_by_the_code() - documented == set()

    def test_no_variable_is_documented_that_nothing_reads(self) -> None:
        others = [
            *(ROOT / "script").glob("*"),
            *(ROOT / "tests").rglob("*.py"),
            *(ROOT / "bazaar").rglob("*.py"),
        ]
        scripts = "".join(path.read_text() for path in others if path.is_file())
        known = read_by_the_code() | set(VARIABLE.findall(scripts))
        known |= {f"{name}_FILE" for name in known}  # the file that holds a variable's value
        for name in ("README.md", "docs/configuration.md"):
            assert set(VARIABLE.findall((ROOT / name).read_text())) - known == set(), name


# A module or test in backquotes, such as `hub/lfs/links.py` or `matching/jobs.py`; perhaps with `::TestName`.
MODULE = re.compile(r"`((?:[\w-]+/)+[\w-]+\.(?:py|html|js|conf))(?:::\w+)*`")


def tracked() -> list[str]:
    # A test runs git itself, with fixed words.
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def missing_modules(text: str, files: Collection[str]) -> list[str]:
    return [
        name for name in MODULE.findall(text) if not any(f"/{file}".endswith(f"/{name}") for file in files)
    ]


class TestModules:
    def test_that_documents_name_are_there(self) -> None:
        files = tracked()
        documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        found = {
            str(document.relative_to(ROOT)): missing_modules(document.read_text(), files)
            for document in documents
            if document.name != "CHANGELOG.md"
        }
        assert {name: missing for name, missing in found.items() if missing} == {}

    def test_that_are_not_there_are_found(self) -> None:
        text = "`hub/none.py`, `lfs/links.py`, `tests/none/test_a.py::TestA`"
        assert missing_modules(text, ["hub/lfs/links.py"]) == ["hub/none.py", "tests/none/test_a.py"]


class TestLinks:
    def test_between_documents_lead_somewhere(self) -> None:
        documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        dead = [
            f"{document.relative_to(ROOT)}: {target}"
            for document in documents
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
            if not (document.parent / target).exists()
        ]
        assert not dead


class TestDecisions:
    """A record's title says the decision. Its parts are the problem, the decision and its consequences."""

    PARTS = ("Context", "Decision", "Consequences")
    FIRST = re.compile(r"# \d{4}: \S.*\n\n((Replaces |\*Since ).*\n\n)?(\*\*Context\.\*\* |## Context\n)")

    @staticmethod
    def parts(text: str) -> list[str]:
        return re.findall(r"^(?:\*\*|## )([A-Z][a-z]+)(?:\.\*\*|$)", text, re.MULTILINE)

    def test_have_their_parts_in_order(self) -> None:
        records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
        assert len(records) > 90
        found = {record.name: self.parts(record.read_text()) for record in records}
        wrong = [
            name
            for name, parts in found.items()
            if [part for part in parts if part in self.PARTS] != list(self.PARTS)
        ]
        assert wrong == [], f"a record has the parts {self.PARTS}, each once, in this order"

    def test_begin_with_the_problem(self) -> None:
        records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
        assert [record.name for record in records if not self.FIRST.match(record.read_text())] == []

    def test_other_shapes_are_found(self) -> None:
        assert self.parts("# 0001: A\n\n**Decision.** B\n\n**Context.** C\n") == ["Decision", "Context"]
        assert not self.FIRST.match("# 0001: A\n\n**Decision.** B\n")


class TestGlossary:
    def test_names_only_classes_that_there_are(self) -> None:
        glossary = (ROOT / "docs" / "glossary.md").read_text()
        terms = [
            cell for line in glossary.splitlines() if line.startswith("| ") for cell in [line.split("|")[1]]
        ]
        named = {name for term in terms for name in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", term)}
        assert len(named) > 4
        code = "".join(
            path.read_text() for house in ("hub", "compute_market") for path in (ROOT / house).rglob("*.py")
        )
        assert sorted(name for name in named if not re.search(rf"^class {name}\b", code, re.MULTILINE)) == []

    def test_has_each_term_once(self) -> None:
        glossary = (ROOT / "docs" / "glossary.md").read_text()
        terms = re.findall(
            r"^\| \*\*([^*]+\*\*(?: \(\w+\))?)", glossary, re.MULTILINE
        )  # `Shard` is two terms
        each = [one.strip("* ").lower() for term in terms for one in term.split(",")]
        assert len(each) > 60
        assert sorted({one for one in each if each.count(one) > 1}) == []
