"""A hook of MkDocs, named in `mkdocs.yml`: it collects the pages of the site in a temporary folder.

These are the files of `docs/`, pages of other folders, and a list of the decision records. Links are adapted.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ELSEWHERE = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
ELSEWHERE += ("changes/README.md", "packages/*/README.md")
# The targets of links to these on the site: folders have no page of their own.
INSTEAD = {
    DOCS / "adr": "adr/index.md",
    DOCS / "how-to": "how-to/README.md",
    DOCS / "rules": "rules/market.md",
    DOCS / "wire": "wire/huggingface.md",
    ROOT / "README.md": "index.md",
}
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_pages = tempfile.TemporaryDirectory(prefix="bazaar-site-")  # removed when the process ends


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Build from the collected pages instead of `docs/`."""
    pages = Path(_pages.name)
    if config.docs_dir == str(pages):  # the plugin for translations builds once more, from the same pages
        return config
    shutil.copytree(DOCS, pages, dirs_exist_ok=True)
    for source in [*DOCS.rglob("*.md"), *(page for name in ELSEWHERE for page in ROOT.glob(name))]:
        page = pages / site_path(source)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(LINK.sub(lambda link, source=source: adapted(link, source), source.read_text()))
    (pages / "adr/index.md").write_text(decisions())
    config.docs_dir = str(pages)
    return config


on_config.mkdocs_priority = 100  # before the plugin for translations, which reads docs_dir


def site_path(path: Path) -> str:
    return INSTEAD.get(path) or str(path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT))


def adapted(link: re.Match[str], source: Path) -> str:
    target = site_path((source.parent / link[1]).resolve())
    return f"]({os.path.relpath(target, Path(site_path(source)).parent)}{link[2] or ''})"


def decisions() -> str:
    records = sorted(DOCS.glob("adr/[0-9]*.md"))
    lines = [f"- [{record.read_text().splitlines()[0][2:]}]({record.name})" for record in records]
    return "\n".join(["# Decisions", "", "What was decided and why, one page each.", "", *lines, ""])
