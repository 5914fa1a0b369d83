"""The operators' book: the commands that its pages show, and which of them cannot be run by a test, and why.

`python -m tests.operate.book` lists all of them. A command is a line of a block without a language. A comment
before the block (`<!-- not run: REASON -->`) says that its commands are not run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.remote import ROOT

FOLDER = ROOT / "docs" / "operate"
# The reason → the programs that it excuses. A page cannot leave out what a test could run.
REASONS = {
    "changes the machine": {
        *("apt-get", "useradd", "runuser", "install", "cp", "python3", "/opt/model-bazaar/bin/pip"),
    },
    "no systemd here": {"systemctl", "journalctl"},
    "no container engine here": {"docker"},
    "no Kubernetes here": {"helm", "kubectl"},
    "needs the internet": {"python3", ".venv/bin/pip", "/opt/model-bazaar/bin/pip"},
    "needs a bucket of yours": {"rclone"},
    "runs until it is stopped": {"script/cluster"},  # tests/wire/test_cluster.py starts it
}
# Pages whose commands a test of their own runs, because they belong together: the page → the test.
ELSEWHERE = {
    "backup.md": "tests/bazaar/backups/test_live.py",
}
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SETTING = re.compile(r"[A-Z][A-Z0-9_]*=\S*")


@dataclass(frozen=True)
class Command:
    """One command of a page. `reason`: why no test runs it; empty: one does."""

    page: str
    words: tuple[str, ...]
    reason: str

    @property
    def program(self) -> str:
        return self.words[0]

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def commands_of(page: Path) -> list[Command]:
    """The commands of a page in its order, without lines that only set variables."""
    found = []
    for block in BLOCK.finditer(page.read_text()):
        # A configuration that somebody left without its language is none of the shell's.
        if block["language"] or re.search(r"\{$", block["text"], re.MULTILINE):
            continue
        for line in block["text"].splitlines():
            words = tuple(shlex.split(line.removeprefix("export "), comments=True))
            is_setting = words[1:2] == ("=",) or all(SETTING.fullmatch(word) for word in words)
            if not is_setting:
                found.append(Command(page.name, words, block["reason"] or ""))
    return found


def pages() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))


def commands() -> Iterator[Command]:
    for page in pages():
        yield from commands_of(page)


def main() -> None:
    for command in commands():
        how = f"not run: {command.reason}" if command.reason else ELSEWHERE.get(command.page, "run")
        print(f"{command}  [{how}]")  # noqa: T201 - the list is what the program is for


if __name__ == "__main__":
    main()
