"""Uploaded content cannot act in the browsers of other people."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.services import collections, discussions
from hub.markup import markdown
from hub.repos import services as repos
from hub.repos.models import Repository
from tests.clock import moment
from tests.hub.web.conftest import commit_files

ROOT = Path(__file__).resolve().parents[3]
ATTACKS = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<form action='https://evil.example'><button>go</button></form>",
    "<style>body{display:none}</style>",
    "<div style='position:fixed;inset:0'>cover</div>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<div hx-get='/settings' hx-trigger='load'>x</div>",
    "$\\href{javascript:alert(1)}{x}$",
    "{{ settings.SECRET_KEY }}{% load x %}",
]
# hx-* attributes and scripts are the site's own outside of <main>; inside it a few of ours are known.
FORBIDDEN_TAGS = {"iframe", "object", "embed", "base", "meta", "style", "frame", "link"}
ADDRESSES = {"href", "src", "action", "formaction", "srcdoc", "srcset", "xlink:href", "data", "poster"}


class Inspector(HTMLParser):
    """Collects what could act: handlers, scripts, foreign forms, addresses that run."""

    def __init__(self) -> None:
        super().__init__()
        self.live: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FORBIDDEN_TAGS or tag == "script":
            self.live.append(tag)
        for name, value in attrs:
            address = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            if name.startswith("on") or name == "style":
                self.live.append(f"{tag} {name}")
            elif (
                (name in ADDRESSES and address.startswith(("javascript:", "vbscript:", "data:text")))
                or (name in {"action", "formaction"} and not address.startswith(("/", "?")))
                or (name.startswith("hx-") and address == "/settings")
            ):
                self.live.append(f"{tag} {name}={value}")


def live_in(html: str) -> list[str]:
    """The parts of a page that could act in the browser of a reader; escaped text cannot."""
    inspector = Inspector()
    inspector.feed(html)
    return inspector.live


class TestMarkdown:
    @pytest.mark.parametrize("attack", ATTACKS)
    def test_lets_no_attack_through(self, attack: str) -> None:
        assert live_in(markdown.render(attack, markdown.Base(pages="/p/", files="/f/"))) == []

    def test_loads_no_picture_from_elsewhere(self) -> None:
        for text in (
            "![x](https://evil.example/x.png)",
            "<img src='//evil.example/x.png'>",
            '<img alt="a" src="https://evil.example/x.png" srcset="https://evil.example/y.png">',
            "<video src=https://evil.example/x.mp4></video>",
            "<picture><source srcset='https://evil.example/x.png'></picture>",
            "![x](\\\\evil.example/x.png)",
        ):
            html = markdown.render(text, markdown.Base(pages="/p/", files="/f/"))
            assert not re.search(r"src(set)?=[\"'](https?:)?[/\\]{2}", html)

    def test_keeps_relative_addresses_inside_the_repository(self) -> None:
        html = markdown.render(
            "[x](../../../settings) ![y](./../z.png)", markdown.Base(pages="/p/", files="/f/")
        )
        assert 'href="/p/settings"' in html
        assert 'src="/f/z.png"' in html

    def test_cannot_take_an_id_or_class_of_the_site(self) -> None:
        html = markdown.render('<div id="main" class="mast notice">x</div>')
        assert 'id="card-main"' in html
        assert "mast" not in html

    def test_is_quick_with_hostile_nesting(self) -> None:
        for text in (
            "http://" * 5_000,
            "@a" * 10_000,
            "[" * 20_000,
            "*" * 20_000,
            "> " * 5_000,
            "<div>" * 10_000,
            "$" * 20_001,
            "|" * 20_000,
        ):
            markdown.render(text)


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize("attack", ATTACKS)
    def test_show_attacks_as_text(
        self, client: Client, ada: User, make_repository: Callable[..., Repository], attack: str
    ) -> None:
        actor, now = Principal(user=ada), moment()
        repository = make_repository(README__md=f"# Card\n\n{attack}\n")
        name = re.sub(r"[/\\\t]", "_", attack)
        oid = commit_files(repository, {f"{name}.md": attack, f"{name}.txt": attack}, ada, title=attack)
        repos.change_settings(actor=actor, repository=repository, change=repos.Settings(description=attack))
        thread = discussions.open_discussion(
            actor=actor, repository=repository, title=attack[:200], text=attack, now=now
        )
        key = thread.events.get().key
        discussions.edit_comment(actor=actor, discussion=thread, key=key, text=f"{attack} again", now=now)
        asked = collections.NewCollection(namespace="ada", title=attack[:59], description=attack[:150])
        collection = collections.create_collection(actor=actor, request=asked, now=now)
        collections.add_item(
            actor=actor, collection=collection, type_="model", item_id="ada/model", note=attack, now=now
        )
        for path in (
            "/ada/model",
            "/ada/model/tree/main",
            f"/ada/model/blob/main/{quote(name)}.md",
            f"/ada/model/blob/main/{quote(name)}.txt",
            "/ada/model/commits/main",
            f"/ada/model/commit/{oid}",
            "/ada/model/discussions",
            "/ada/model/discussions/1",
            f"/ada/model/discussions/1/history/{key}",
            f"/collections/{collection.slug}",
            "/ada?tab=collections",
            "/models",
            "/ada",
            f"/models?search={quote(attack)}&tag={quote(attack)}",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, path
            body = answer.content.decode().partition("<main")[2]
            assert live_in(f"<main{body}") == [], path


@pytest.mark.django_db
class TestContentSecurityPolicy:
    def test_of_pages_allows_only_our_own_scripts(self, client: Client) -> None:
        answer = client.get("/login")
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-eval" not in policy
        assert "script-src" not in policy
        page = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\son[a-z]+=", page)
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)

    def test_of_uploaded_files_is_a_sandbox(
        self, client: Client, make_repository: Callable[..., Repository]
    ) -> None:
        make_repository(evil__html="<script src='evil.js'></script>")
        answer = client.get("/ada/model/resolve/main/evil.html")
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"


class TestForms:
    def test_that_change_something_carry_the_token(self) -> None:
        templates = [*ROOT.glob("*/templates/**/*.html"), *ROOT.glob("*/web/templates/**/*.html")]
        forms = [
            (path.name, form)
            for path in templates
            for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), re.DOTALL)
        ]
        assert len(forms) > 40
        assert [name for name, form in forms if "{% csrf_token %}" not in form] == []

    @pytest.mark.django_db
    def test_are_refused_without_it(self, ada: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(ada)
        for address in (
            "/new",
            "/settings/tokens",
            "/collections/new",
            "/ada/follow",
            "/logout",
            "/preferences",
        ):
            assert strict.post(address, {}).status_code == 403, address
