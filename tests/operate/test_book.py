"""Every command of the operators' book is run, or marked in its page with the reason why not."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from bazaar.server import options
from tests.operate import book
from tests.operate.book import Command
from tests.servers import ports, s3
from tests.servers.live import LiveBazaar
from tests.servers.remote import ROOT, Remote

RUN = [page for page in book.pages() if page.name not in book.ELSEWHERE and book.commands_of(page)]
# The address that the pages use for a hub on this machine.
LOCAL = "http://127.0.0.1:8000"
INLINE = re.compile(r"`(?:script/manage|bazaar manage) ([^`]+)`")


class Operator:
    """Somebody who reads a page and runs its commands on a hub, one after the other."""

    def __init__(self, hub: LiveBazaar, folder: Path, bucket: Callable[[], dict[str, str]]) -> None:
        """`bucket` gives the variables of a bucket, for commands that need one."""
        self.hub = hub
        self.folder = folder
        self.bucket = bucket
        # After a restore, what follows is done on the restored hub.
        self.restored: Remote | None = None

    def run(self, command: Command) -> str:
        if command.program == "script/manage":
            return self._manage(*command.words[1:])
        if command.program == "script/server":
            # Other tests start it, with and without options; here only what the page gives is compared.
            return str(options.parse(command.words[1:]))
        words = [word.replace(LOCAL, self.hub.url) for word in command.words[1:]]
        program = ports.require_tool(command.program)
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (str(command), done.stdout, done.stderr)
        return done.stdout

    def _manage(self, *words: str) -> str:
        if words[:2] == ("backup", "restore"):
            data = self.folder / "restored"
            kept = {name: text for name, text in self.hub.env.items() if name != "BAZAAR_DATA_DIR"}
            self.restored = Remote({**kept, "BAZAAR_DATA_DIR": str(data)})
        if "--s3" in words:
            with closing(Remote({**self.hub.env, **self.bucket()})) as remote:
                return remote.command(*words)
        return (self.restored or self.hub.remote).command(*words)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    """A hub with a backup, an account and a market, as operators have one."""
    folder = tmp_path_factory.mktemp("hub")
    settings = {"BAZAAR_BACKUP_TO": str(folder / "backups"), "BAZAAR_SSH_PORT": "0"}
    with LiveBazaar(folder, settings=settings) as bazaar:
        bazaar.user("first")
        bazaar.manage("backup", "create")
        yield bazaar


@pytest.fixture
def operator(hub: LiveBazaar, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operator]:
    def bucket() -> dict[str, str]:
        store: s3.ObjectStore = request.getfixturevalue("s3_store")
        return s3.settings_of(store, bucket="operators-book")

    found = Operator(hub, tmp_path, bucket)
    yield found
    if found.restored is not None:
        found.restored.close()


class TestCommands:
    @pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
    def test_of_a_page_work_in_its_order(self, page: Path, operator: Operator) -> None:
        for command in book.commands_of(page):
            if not command.reason:
                operator.run(command)

    def test_that_are_not_run_have_a_reason_that_fits(self) -> None:
        wrong = [
            str(command)
            for command in book.commands()
            if command.reason and command.program not in book.REASONS.get(command.reason, ())
        ]
        assert wrong == []

    def test_of_other_pages_are_run_by_the_test_that_reads_them(self) -> None:
        for page, test in book.ELSEWHERE.items():
            assert f'"{page}"' in (ROOT / test).read_text()

    def test_in_sentences_are_understood(self) -> None:
        """Commands of `script/manage` between backquotes: they exist, and take these arguments."""
        found = [
            (page.name, match)
            for page in book.pages()
            for match in INLINE.findall(page.read_text().replace("\n", " "))
        ]
        assert len(found) > 20
        for page, text in found:
            name, *words = shlex.split(text)
            if name == "help":
                continue
            application = get_commands().get(name)
            assert application is not None, (page, text)
            command = load_command_class(application, name)
            known = command.create_parser("manage.py", name).format_help() + source_of(application, name)
            for word in words:
                assert not word.startswith("--") or word.split("=")[0] in known, (page, text)


def source_of(application: str, name: str) -> str:
    """The text of a command's module, for the options of its acts."""
    path = ROOT / application.replace(".", "/") / "management" / "commands" / f"{name}.py"
    return path.read_text() if path.exists() else ""


class TestParsing:
    def test_knows_commands_settings_and_reasons(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(
            "```\nscript/manage doctor  # looks\nREDIS_URL=redis://x\narchive_mode = on\n```\n\n"
            "```yaml\na: b\n```\n\n"
            "<!-- not run: no systemd here -->\n```\nsystemctl start x\n```\n"
        )
        found = [(command.words, command.reason) for command in book.commands_of(page)]
        assert found == [
            (("script/manage", "doctor"), ""),
            (("systemctl", "start", "x"), "no systemd here"),
        ]


HEADING = re.compile(r"^### `(.+)`$", re.MULTILINE)


@cache
def texts_of_the_program() -> str:
    """Every text in the code, one a line, with `…` for what is put in while it runs."""
    found = []
    for house in ("bazaar", "foundation", "hub", "compute_market"):
        for path in (ROOT / house).rglob("*.py"):
            if "migrations" not in path.parts:
                found += [text_of(node) for node in ast.walk(ast.parse(path.read_text()))]
    return "\n".join(text for text in found if text)


def text_of(node: ast.AST) -> str:
    """The text that an expression stands for; empty if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[\w.]+\}", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(str(part) for part in parts)
    return ""


class TestTroubleshooting:
    def test_has_enough_symptoms_with_cause_and_cure(self) -> None:
        text = (book.FOLDER / "troubleshooting.md").read_text()
        parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
        assert len(parts) >= 25
        for part in parts:
            assert part.count("**Cause.**") == part.count("**Do.**") == 1, part

    def test_quotes_what_the_program_says(self) -> None:
        quoted = HEADING.findall((book.FOLDER / "troubleshooting.md").read_text())
        assert len(quoted) >= 25
        said = texts_of_the_program()
        assert [text for text in quoted if text not in said] == []
        assert "This text is said by nobody." not in said


class TestSizing:
    def test_has_only_figures_that_were_measured(self) -> None:
        """Each figure of the table is in docs/performance.md with its unit."""
        measured = re.sub(r"\s+", " ", (ROOT / "docs" / "performance.md").read_text()).replace("**", "")
        page = (book.FOLDER / "sizing.md").read_text()
        table = page.partition("## What was measured")[2].partition("Not measured")[0]
        rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
        assert len(rows) >= 12
        for row in rows:
            for number in re.findall(r"\d[\d,.]*\d|\d", row[1]):
                assert number in measured, row
