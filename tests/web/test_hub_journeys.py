"""Journeys through the hub: with scripts and without, in both languages."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from playwright.sync_api import Page, expect

from tests.servers.live import LiveBazaar, unique
from tests.web.conftest import Visit

CARD = "---\nlicense: mit\nlanguage: zh\n---\n# 小模型\n\n| a | b |\n|--|--|\n| 1 | $x^2$ |\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small, true safetensors file; its name makes it an LFS object."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [64, 64], "data_offsets": [0, 16384]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16384))
    return path


@pytest.mark.parametrize("language", ["en", "zh-CN"])
class TestPublishing:
    def test_from_sign_up_to_a_download_with_a_token(
        self, visit: Visit, live_sqlite: LiveBazaar, tmp_path: Path, weights: Path, language: str
    ) -> None:
        visitor, name = visit(language=language), unique("eva")
        page = visitor.page
        visitor.sign_up(name)
        expect(page).to_have_url(f"{visitor.url}/{name}")

        visitor.make_repository("tiny")
        card = tmp_path / "README.md"
        card.write_text(CARD)
        page.set_input_files("[data-files] >> nth=0", [str(weights), str(card)])
        with page.expect_navigation(url="**/tree/main"):
            page.click("#upload .form-end button")
        visitor.keep(f"files-{language}")

        visitor.go(f"/{name}/tiny")
        assert "小模型" in page.inner_text("article")
        assert page.locator("article math").count() == 1
        visitor.keep(f"card-{language}")
        visitor.go(f"/{name}/tiny/blob/main/model.safetensors")
        assert "64 × 64" in page.inner_text("main")

        visitor.go("/settings/tokens")
        page.fill("[name=name]", "ci")
        visitor.press("main form.card >> button.primary")
        secret = page.inner_text("#secret")
        environment = live_sqlite.client_env() | {"HF_TOKEN": secret}
        hf = Path(sys.executable).with_name("hf")
        folder = tmp_path / "got"
        subprocess.run(
            [str(hf), "download", f"{name}/tiny", "--local-dir", str(folder)],
            env=environment,
            check=True,
            capture_output=True,
            timeout=120,
        )
        assert (folder / "model.safetensors").read_bytes() == weights.read_bytes()
        until = time.monotonic() + 20
        while True:
            # The web tells Redis a moment after it has served; a task writes it down every minute.
            live_sqlite.remote.call("hub.downloads.tasks:flush")
            visitor.go(f"/{name}/tiny")
            counted = page.inner_text("aside .figure >> nth=0")
            if counted == "1" or time.monotonic() > until:
                break
        assert counted == "1"

    def test_discussion_pull_request_merge(
        self, visit: Visit, live_sqlite: LiveBazaar, language: str
    ) -> None:
        owner, guest = live_sqlite.user(), live_sqlite.user()
        one, other = visit(language=language), visit(language=language)
        one.sign_in(owner.name, owner.password)
        other.sign_in(guest.name, guest.password)
        one.make_repository("shared", license="mit")

        other.go(f"/{owner.name}/shared/edit/main/README.md")
        other.page.fill("textarea[name=content]", "---\nlicense: mit\n---\n# Better\n")
        expect(other.page.locator("#preview h1")).to_contain_text("Better")
        other.press(".form-end button")
        number = urlsplit(other.page.url).path.rpartition("/")[2]
        other.page.fill("textarea[name=text]", f"Please look, @{owner.name}: **bold**")
        other.press("button[value=comment]")

        one.go(f"/{owner.name}/shared/discussions/{number}")
        assert "+# Better" in one.page.inner_text("main").replace("\u00a0", " ")
        one.keep(f"pull-request-{language}")
        one.press("button[value=merge]")
        expect(one.page.locator(".badge.merged").first).to_be_visible()
        one.go(f"/{owner.name}/shared")
        assert "Better" in one.page.inner_text("article")


def paths_in(page: Page, *, in_order: bool = True) -> list[str]:
    """The paths in the list of files that are to be uploaded."""
    fields = page.locator("[data-list] tbody input").all()
    found = [field.input_value() for field in fields]
    return sorted(found) if in_order else found


class TestUploading:
    def test_of_a_folder_is_the_content_of_the_repository(
        self, visit: Visit, live_sqlite: LiveBazaar, tmp_path: Path
    ) -> None:
        owner, visitor = live_sqlite.user(), visit()
        visitor.sign_in(owner.name, owner.password)
        page = visitor.page
        visitor.make_repository("folders")
        folder = tmp_path / "weights"
        (folder / "deep").mkdir(parents=True)
        (folder / "README.md").write_text("# In place")
        (folder / "one.txt").write_text("one")
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text("no")
        (folder / "deep" / "two.bin").write_bytes(bytes(20_000))
        page.set_input_files("[data-folder-choice] input", folder)
        # The event that a browser gives a page when a folder is dropped on it.
        page.evaluate(
            """() => {
              const file = (name, text) => ({
                isFile: true, name, file: (give) => give(new File([text], name)) });
              const folder = (name, some) => ({ isFile: false, name, createReader: () => ({
                readEntries: (give) => give(some.splice(0)) }) });
              const entry = folder("dropped", [file("a.txt", "a"), folder("in", [file("b.txt", "b")]),
                folder(".git", [file("HEAD", "no")])]);
              const event = new Event("drop", { cancelable: true });
              event.dataTransfer = { items: [{ webkitGetAsEntry: () => entry }] };
              document.querySelector("[data-drop]").dispatchEvent(event);
            }"""
        )
        expect(page.locator("[data-list] tbody tr")).to_have_count(5)
        # A folder's own name is left out, unless it is wanted; and each path can be changed.
        assert paths_in(page) == ["README.md", "a.txt", "deep/two.bin", "in/b.txt", "one.txt"]
        page.check("[data-keep-folder]")
        assert paths_in(page)[0] == "dropped/a.txt"
        page.uncheck("[data-keep-folder]")
        row = page.locator("[data-list] tbody input").nth(paths_in(page, in_order=False).index("one.txt"))
        row.fill("docs/first.txt")
        row.press("Tab")
        page.fill("[name=message]", "A whole folder")
        with page.expect_navigation(url="**/tree/main"):
            page.click("#upload .form-end button")
        assert "A whole folder" in page.inner_text(".last-commit")
        for path in ("docs/first.txt", "deep/two.bin", "a.txt", "in/b.txt"):
            answer = page.goto(f"{visitor.url}/{owner.name}/folders/blob/main/{path}")
            assert answer
            assert answer.ok, path
        assert "In place" in visitor.go(f"/{owner.name}/folders").inner_text("article")

    def test_becomes_a_pull_request_when_asked(
        self, visit: Visit, live_sqlite: LiveBazaar, tmp_path: Path
    ) -> None:
        owner, visitor = live_sqlite.user(), visit()
        visitor.sign_in(owner.name, owner.password)
        page = visitor.page
        visitor.make_repository("proposed")
        path = tmp_path / "notes.txt"
        path.write_text("Look at this first\n")
        page.set_input_files("[data-files] >> nth=0", str(path))
        page.check("[name=propose][value='1']")
        with page.expect_navigation(url="**/discussions/1"):
            page.click("#upload .form-end button")
        assert "Look at this first" in page.inner_text("main")

    def test_goes_on_after_the_connection_was_lost(
        self, visit: Visit, live_sqlite: LiveBazaar, tmp_path: Path
    ) -> None:
        owner, visitor = live_sqlite.user(), visit()
        visitor.sign_in(owner.name, owner.password)
        page = visitor.page
        visitor.make_repository("large")
        path = tmp_path / "large.bin"
        path.write_bytes(hashlib.shake_256(b"large").digest(3_000_000))
        lost: list[str] = []

        def lose_the_first(route: object) -> None:
            if not lost:
                lost.append(route)
                route.abort()  # type: ignore[attr-defined]
            else:
                route.continue_()  # type: ignore[attr-defined]

        page.route(re.compile(r"/lfs/objects/[0-9a-f]{64}(\?|/parts)"), lose_the_first)
        page.set_input_files("[data-files] >> nth=0", str(path))
        with page.expect_navigation(url="**/tree/main"):
            page.click("#upload .form-end button")
        assert len(lost) == 1
        visitor.go(f"/{owner.name}/large/blob/main/large.bin")
        assert hashlib.sha256(path.read_bytes()).hexdigest() in page.inner_text("main")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
class TestWithoutScripts:
    def test_publishes_edits_and_discusses(self, visit: Visit, tmp_path: Path, language: str) -> None:
        visitor, name = visit(language=language, scripts=False), unique("jo")
        page = visitor.page
        visitor.sign_up(name)
        visitor.make_repository("plain")
        visitor.go("/settings/tokens")
        page.fill("[name=name]", "ci")
        visitor.press("main form.card >> button.primary")
        client = HfApi(visitor.url, token=page.inner_text("#secret"))
        assert client.whoami()["name"] == name

        visitor.go(f"/{name}/plain/upload/main")
        notes = tmp_path / "notes.md"
        notes.write_text("# Notes\n")
        page.set_input_files("#upload [name=files]", str(notes))
        visitor.press("#upload .form-end button")
        expect(page).to_have_url(f"{visitor.url}/{name}/plain/tree/main")

        visitor.go(f"/{name}/plain/edit/main/notes.md")
        page.fill("textarea[name=content]", "# Better notes\n")
        visitor.press(".form-end button")
        visitor.go(f"/{name}/plain/blob/main/notes.md")
        assert "Better notes" in page.inner_text("main")

        visitor.press(".repo-head .heart")
        assert page.locator(".heart[aria-pressed=true]").count() == 1
        visitor.go(f"/{name}/plain/discussions/new")
        page.fill("[name=title]", "A question")
        visitor.press(".form-end button")
        page.fill("textarea[name=text]", "An answer")
        visitor.press("button[value=close]")
        assert page.locator(".badge.closed").count() >= 1

        other = visit(language=language, scripts=False)
        other.sign_up(unique("al"))
        other.go(f"/{name}/plain/edit/main/notes.md")
        other.page.fill("textarea[name=content]", "# The best notes\n")
        other.press(".form-end button")
        number = urlsplit(other.page.url).path.rpartition("/")[2]
        visitor.go(f"/{name}/plain/discussions/{number}")
        visitor.press("button[value=merge]")
        assert page.locator(".badge.merged").count() >= 1
        visitor.go(f"/{name}/plain/blob/main/notes.md")
        assert "The best notes" in page.inner_text("main")

        visitor.go("/models?search=plain")
        assert page.locator(f"a[href='/{name}/plain']").count() == 1


class TestSearch:
    def test_finds_while_typing(self, visit: Visit, live_sqlite: LiveBazaar) -> None:
        owner, visitor = live_sqlite.user(), visit()
        visitor.sign_in(owner.name, owner.password)
        name = unique("needle")
        visitor.make_repository(name)
        visitor.go("/")
        visitor.page.locator(".mast input[type=search]").press_sequentially(name)
        expect(visitor.page.locator(f"#found a[href='/{owner.name}/{name}']")).to_be_visible()
        # The arrow keys walk the suggestions, and back to the field, where Enter searches everything.
        visitor.page.keyboard.press("ArrowDown")
        expect(visitor.page.locator("#found a").first).to_be_focused()
        visitor.page.keyboard.press("ArrowUp")
        with visitor.page.expect_navigation(url=f"**/search?search={name}"):
            visitor.page.keyboard.press("Enter")
        assert visitor.page.locator(f"main a[href='/{owner.name}/{name}']").count()
        visitor.go("/models")
        visitor.page.locator(".page-head input[type=search]").press_sequentially(name)
        expect(visitor.page.locator("#results .repo")).to_have_count(1)
        expect(visitor.page).to_have_url(re.compile(f"search={name}"))
