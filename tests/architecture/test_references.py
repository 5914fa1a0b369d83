"""Every reference from code and documents to a rule, a page, a heading or a decision leads to it."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = ("*.py", "*.md", "*.toml", "*.html", "*.sh", "script/*", "deploy/*")

HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
# `docs/wire/git.md`, with or without `#heading`; not paths below another folder (`x/docs/…`).
PAGE = re.compile(r"(?<![\w/{])docs/[\w/-]+\.md(?:#[\w-]+)?")
# Any `M` with a number names a rule of the market, but in drawings: there it moves a pen (`M4 1.5`).
RULE = re.compile(r"(?<![\"'\w.-])M\d+\b(?! ?-?\.?\d)")
DECISION = re.compile(r"\bADR (\d{4})\b|docs/adr/(\d{4})-")
LINK = re.compile(r"\]\(([^)\s:#]*)#([^)\s]+)\)")
# References that name no page of this repository.
VAGUE = {
    "a numbered contract": re.compile(r"\bcontracts? \d"),
    "a numbered part of a page": re.compile(r"\.md \d"),
    "a numbered design decision": re.compile(r"(?:\(|design |decision )D\d{1,2}\b"),
    "a paragraph sign": re.compile(r"§ ?\d"),
    "a section of no standard": re.compile(
        r"^(?!.*(?:RFC|WHATWG|HTML|specification|POSIX)).*\b[Ss]ections? \d", re.MULTILINE
    ),
    "a style guide": re.compile(r"[Ss]tyle[ -]guide"),
}
# These tests' own examples, data of other tests, and a licence are no references.
NOT_READ = {"tests/architecture/test_references.py", "LICENSE"}


@cache
def texts() -> dict[str, str]:
    # A test runs git itself, with fixed words.
    names = subprocess.run(
        ["git", "ls-files", "-z", "--", *READ], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    found = {}
    for name in filter(None, names):
        if name not in NOT_READ and (ROOT / name).is_file() and not name.startswith("tests/wire/js/"):
            found[name] = (ROOT / name).read_text(errors="replace")
    assert len(found) > 900, "the repository was not read"
    return found


def anchor(heading: str) -> str:
    """The name by which pages are linked: as GitHub and MkDocs make it for plain headings."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower()
    return plain.replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return frozenset(anchor(heading) for heading in HEADING.findall(text))


def rules() -> set[str]:
    return {
        heading.partition(":")[0]
        for heading in HEADING.findall((ROOT / "docs/rules/market.md").read_text())
        if re.match(r"M\d+:", heading)
    }


def cited_rules(text: str) -> set[str]:
    return set(RULE.findall(text))


def leads_nowhere(reference: str) -> bool:
    page, _, heading = reference.partition("#")
    path = ROOT / page
    return not path.is_file() or bool(heading and heading not in anchors(path))


class TestReferences:
    def test_to_rules_of_the_market_lead_to_headings(self) -> None:
        cited = {(name, rule) for name, text in texts().items() for rule in cited_rules(text)}
        assert len(cited) > 20, "the pattern finds no references any more"
        assert sorted((name, rule) for name, rule in cited if rule not in rules()) == []

    def test_to_pages_lead_to_pages_and_headings(self) -> None:
        # Tests make repositories whose files are named docs/….
        read = {name: text for name, text in texts().items() if not name.startswith("tests/hub/")}
        cited = {(name, page) for name, text in read.items() for page in PAGE.findall(text)}
        assert len(cited) > 40, "the pattern finds no references any more"
        external = {"docs/spec.md"}  # of git-lfs
        assert sorted((n, page) for n, page in cited if page not in external and leads_nowhere(page)) == []

    def test_to_decisions_lead_to_records(self) -> None:
        known = {path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")}
        cited = {
            (name, number)
            for name, text in texts().items()
            for numbers in DECISION.findall(text)
            for number in filter(None, numbers)
        }
        assert len(cited) > 20, "the pattern finds no references any more"
        assert sorted((name, number) for name, number in cited if number not in known) == []

    def test_of_links_lead_to_headings(self) -> None:
        dead = [
            f"{name}: {page}#{heading}"
            for name, text in texts().items()
            if name.endswith(".md")
            for page, heading in LINK.findall(text)
            if heading not in anchors((ROOT / name).parent / page if page else ROOT / name)
        ]
        assert dead == []

    @pytest.mark.parametrize("kind", VAGUE)
    def test_name_a_page_and_not_only_a_number(self, kind: str) -> None:
        found = [
            f"{name}: {match.group().strip()[:100]}"
            for name, text in texts().items()
            for match in VAGUE[kind].finditer(text)
        ]
        assert found == []


class TestPatterns:
    """The patterns find what they are for: else the tests above would pass on anything."""

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "rule M99",
                "(M6, M99)",
                "its hold (M99).",
                "rules M1 and M99",
                "see M99",
                "M6 or M99",
                "(see M99)",
            ),
            *("M1 to M99", "M1–M99", "[M99](rules/market.md)", "`M99`", "**M99**:", "见 M99。"),
        ],
    )
    def test_find_rules(self, text: str) -> None:
        assert "M99" in cited_rules(text)

    @pytest.mark.parametrize("text", ['d="M99 2v7"', "M9 9.5v7M99-2", "HM99", "v1.M99"])
    def test_take_no_drawings_for_rules(self, text: str) -> None:
        assert cited_rules(text) == set()

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("a numbered contract", "Likes (contract 1)."),
            ("a numbered part of a page", "(market.md 3)"),
            ("a numbered design decision", "no telemetry (D14)"),
            ("a paragraph sign", "see §4"),
            ("a section of no standard", "as section 3 says"),
        ],
    )
    def test_find_vague_references(self, kind: str, text: str) -> None:
        assert VAGUE[kind].search(text)

    def test_let_standards_be_cited(self) -> None:
        assert not VAGUE["a section of no standard"].search("RFC 9112, section 7.1")

    @pytest.mark.parametrize("page", ["docs/none.md", "docs/rules/market.md#m99", "docs/rules/market.md#m6"])
    def test_find_dead_pages_and_headings(self, page: str) -> None:
        assert leads_nowhere(page)

    def test_take_living_ones(self) -> None:
        assert not leads_nowhere("docs/rules/market.md#m6-idempotency")
