"""A hook of MkDocs, named in `mkdocs.yml`: it collects the pages of the site in a temporary folder.

These are the files of `docs/`, pages of the repository's root, and a list of the decision records. Links are
adapted, because the site has other folders than the repository.
"""

import re
import shutil
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = ["CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md"]
ELSEWHERE += [str(page.relative_to(ROOT)) for page in ROOT.glob("packages/*/README.md")]
# The first page of a folder, where a link names the folder only.
FOLDERS = {"adr": "index.md", "how-to": "README.md", "rules": "market.md", "wire": "huggingface.md"}
LINK = re.compile(r"\]\(((?:\.\./)*)([^)\s#:]+)(#[^)\s]*)?\)")
_pages = tempfile.TemporaryDirectory(prefix="bazaar-site-")  # removed when the process ends


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Build from the collected pages instead of `docs/`."""
    pages = Path(_pages.name)
    if config.docs_dir == str(pages):  # the plugin for translations builds once more, from the same pages
        return config
    shutil.copytree(config.docs_dir, pages, dirs_exist_ok=True)
    for name in ELSEWHERE:
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, pages / name)
    (pages / "adr" / "index.md").write_text(decisions(), encoding="utf-8")
    for page in pages.rglob("*.md"):
        page.write_text(LINK.sub(adapted, page.read_text(encoding="utf-8")), encoding="utf-8")
    config.docs_dir = str(pages)
    return config


on_config.mkdocs_priority = 100  # before the plugin for translations, which reads docs_dir


def adapted(link: re.Match[str]) -> str:
    """The link as the site needs it: its pages of the root are beside those of `docs/`, not above."""
    above, target = link[1], link[2].removeprefix("docs/")
    if target in ELSEWHERE:
        above = above.removeprefix("../")
    if target.endswith("/"):
        target += FOLDERS.get(Path(target).name, "")
    return f"]({above}{target}{link[3] or ''})"


def decisions() -> str:
    """The list of decision records, as Markdown."""
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    lines = [f"- [{record.read_text().splitlines()[0][2:]}]({record.name})" for record in records]
    introduction = "What was decided, why, and what was rejected: one page each."
    return "\n".join(["# Decisions", "", introduction, "", *lines, ""])
