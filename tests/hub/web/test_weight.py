"""No page weighs more than 120 KB without its pictures, whatever people put into a repository."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from hub.accounts.models import User
from hub.markup import code
from hub.repos.models import Repository
from hub.web.rendering import files
from tests.hub.web.conftest import commit_files

WEIGHT_BYTES_MAX = 120_000
PYTHON = "".join(
    f"def f{n}(a: int, *, b: str = 'x') -> list[str]:\n    return [b] * a  # {n}\n\n" for n in range(6000)
)
VOCABULARY = json.dumps({f"token{n}": n for n in range(20_000)}, indent=1)
ROWS = "a,b,c\n" + "".join(f"{'x' * 300},{n},{'<' * 200}\n" for n in range(400))
RECORDS = "".join(json.dumps({f"k{k}": "<y>" * 80 for k in range(30)}) + "\n" for _ in range(200))
NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": "x = 1\n" * 50, "outputs": [{"text": "y" * 9000}]}] * 60}
)


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.py", PYTHON),
            ("vocab.json", VOCABULARY),
            ("a.csv", ROWS),
            ("a.jsonl", RECORDS),
            ("a.ipynb", NOTEBOOK),
            ("a.txt", "中文" * 100_000),
            ("b.txt", "x\n" * 100_000),
        ],
    )
    def test_of_a_large_file_are_light(
        self, client: Client, make_repository: Callable[..., Repository], ada: User, name: str, text: str
    ) -> None:
        oid = commit_files(make_repository(), {name: text}, ada)
        shown = client.get(f"/ada/model/blob/main/{name}")
        assert shown.status_code == 200
        assert len(shown.content) < WEIGHT_BYTES_MAX
        assert len(client.get(f"/ada/model/commit/{oid}").content) < WEIGHT_BYTES_MAX

    def test_of_a_large_folder_and_commit_are_light_and_lead_on(
        self, client: Client, make_repository: Callable[..., Repository], ada: User
    ) -> None:
        many = {f"part-{n:05}-of-00300.txt": f"{n}\n" * 40 for n in range(300)}
        oid = commit_files(make_repository(), many, ada, title="Many files with a long name " * 3)
        first = client.get("/ada/model/tree/main")
        assert len(first.content) < WEIGHT_BYTES_MAX
        assert "?page=2" in first.content.decode()
        assert "part-00299" in client.get("/ada/model/tree/main?page=4").content.decode()
        changed = client.get(f"/ada/model/commit/{oid}")
        assert len(changed.content) < WEIGHT_BYTES_MAX
        assert "more files are not shown" in changed.content.decode()


class TestSource:
    def test_is_divided_at_lines_and_nothing_is_lost(self) -> None:
        data = PYTHON.encode()
        first = files.view_of("a.py", lambda start, length: data[start : start + length])
        pages = [
            files.view_of("a.py", lambda start, length: data[start : start + length], page=number)
            for number in range(1, first.pages + 1)
        ]
        assert "".join(page.text for page in pages) == PYTHON[: files.TEXT_BYTES_MAX]
        assert pages[1].first_line == 1 + first.text.count("\n")
        assert (
            files.view_of("a.py", lambda start, length: data[start : start + length], page=999).page
            == first.pages
        )

    def test_has_elements_only_for_what_has_a_colour(self) -> None:
        assert code.coloured("a = [1, 2]\n", language="python") == (
            'a = [<span class="mi">1</span>, <span class="mi">2</span>]\n'
        )


class TestTables:
    def test_have_a_cell_in_every_column(self) -> None:
        data = b"a,b\n1,2,3\n4\n"
        view = files.view_of("a.csv", lambda start, length: data[start : start + length])
        assert view.columns == ["a", "b", ""]
        assert view.rows == [["1", "2", "3"], ["4", "", ""]]


@pytest.mark.django_db
class TestQueries:
    @pytest.mark.parametrize(
        ("path", "queries_max"),
        [
            ("/ada", 19),
            ("/ada?tab=collections", 16),
            ("/ada/model/blob/main/README.md", 8),
            ("/ada/model/commits/main", 8),
            ("/ada/model/discussions", 8),
            ("/ada/model/upload/main", 8),
            ("/ada/model/settings", 9),
            ("/notifications", 6),
            ("/settings/tokens", 6),
            ("/search?search=model", 17),
        ],
    )
    def test_of_a_page_are_few(
        self,
        signed_in: Client,
        make_repository: Callable[..., Repository],
        django_assert_max_num_queries: DjangoAssertNumQueries,
        path: str,
        queries_max: int,
    ) -> None:
        make_repository(README__md="# A card\n")
        headers = {"HX-Request": "true"} if path.startswith("/search") else {}
        with django_assert_max_num_queries(queries_max):
            answer = signed_in.get(path, headers=headers)
        assert answer.status_code == 200
        assert len(answer.content) < WEIGHT_BYTES_MAX
