"""The documentation is built as a site, without warnings and without anything from another machine."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests import documentation
from tests.documentation import ROOT

DOCS = ROOT / "docs"
CHINESE = sorted(DOCS.rglob("*.zh.md"))
MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("packages/*/*.md")])
COLUMNS_MAX = 160
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    return documentation.build(tmp_path_factory)


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def outline(page: Path) -> dict[str, list[str] | int]:
    """The parts that a translation shares with its page: levels of headings, columns of tables, code."""
    text = page.read_text()
    prose = FENCED.sub("", text)
    return {
        "headings": re.findall(r"^(#+) ", prose, re.MULTILINE),
        "rows of tables": len(re.findall(r"^\|", prose, re.MULTILINE)),
        "columns": re.findall(r"^\|[-|]+\|$", prose, re.MULTILINE),
        "blocks of code": len(FENCED.findall(text)),
        "variables": sorted(set(re.findall(r"\b[A-Z]+_[A-Z0-9_]+\b", text))),
        "addresses": sorted(set(re.findall(r"`(?:(?:GET|POST) )?(/[^`]*)`", prose))),
    }


class TestSite:
    def test_links_lead_to_pages_and_headings(self, site: Path) -> None:
        pages = {page: page.read_text() for page in site.rglob("*.html")}
        assert len(pages) > 100
        names = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
        dead = []
        for page, text in pages.items():
            if page.name == "404.html":  # its links begin at the address of the site, which is not known
                continue
            for link in set(re.findall(r'<[a-z]+\b[^>]*?\b(?:href|src)="([^"]+)"', text)):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, heading = link.partition("#")
                target = (page.parent / unquote(path)).resolve() if path else page
                missing = not target.exists() or (
                    heading and target in names and unquote(heading) not in names[target]
                )
                if missing:
                    dead.append(f"{page.relative_to(site)}: {link}")
        assert dead == []

    def test_loads_nothing_from_another_machine(self, site: Path) -> None:
        loaded = re.compile(
            r'<(?:script|img|iframe|link|source)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]+)"'
        )
        found = {link for page in site.rglob("*.html") for link in loaded.findall(page.read_text())}
        styles = [path.read_text() for path in site.rglob("*.css")]
        assert styles
        found |= {link for style in styles for link in re.findall(r"url\([\"']?((?:https?:)?//[^)]+)", style)}
        assert found == set()

    def test_has_the_users_pages_in_both_languages(self, site: Path) -> None:
        for page in ("index", "start", "hub", "clients", "market", "market-leases"):
            text = (site / "zh" / f"{page}.html").read_text()
            article = text[text.index("<article") : text.index("</article>")]
            assert len(re.findall(r"[\u4e00-\u9fff]", article)) > 300, page
            assert '<html lang="zh"' in text


class TestTranslations:
    @pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
    def test_have_what_their_page_has(self, page: Path) -> None:
        assert outline(page) == outline(page.with_name(page.name.replace(".zh.md", ".md")))


class TestMarkdown:
    def test_lines_are_not_too_wide(self) -> None:
        """Rows of tables cannot be broken, and code is as it is."""
        wide = [
            f"{page.relative_to(ROOT)}: {line[:80]}"
            for page in MARKDOWN
            for line in FENCED.sub("", page.read_text()).splitlines()
            if width(line) > COLUMNS_MAX and not line.startswith("|")
        ]
        assert wide == []

    def test_rows_of_tables_are_one_line(self) -> None:
        """A row that goes on in the next line is shown as a row with fewer columns, and as text."""
        broken = [
            f"{page.relative_to(ROOT)}: {line[:80]}"
            for page in MARKDOWN
            for line in FENCED.sub("", page.read_text()).splitlines()
            if line.startswith("|") and not line.rstrip().endswith("|")
        ]
        assert broken == []
