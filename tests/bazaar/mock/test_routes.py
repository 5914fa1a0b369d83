from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf import settings
from django.test import Client

from bazaar.mock import tasks
from bazaar.mock.rules import Book, Rule


@pytest.mark.django_db
class TestRoutes:
    def test_do_not_exist_unless_the_mode_is_on(self, client: Client) -> None:
        assert settings.MOCK is False
        for name in ("about", "faults", "requests", "reset", "users", "repositories", "market/clock"):
            assert client.get(f"/_mock/{name}").status_code == 404
            assert client.post(f"/_mock/{name}").status_code in {404, 405}


class TestRule:
    @pytest.mark.parametrize(
        "values",
        [
            {"colour": 1},
            {"status": 200},
            {"status": "500"},
            {"latency": -1},
            {"bandwidth": 0},
            [],
            {"times": "x"},
        ],
    )
    def test_refuses_what_it_cannot_mean(self, values: object) -> None:
        with pytest.raises(ValueError):
            Rule.parse(values)

    @pytest.mark.parametrize(
        ("path", "repository", "is_met"),
        [
            ("/acme/tiny/resolve/main/a", "acme/tiny", True),
            ("/api/models/acme/tiny", "acme/tiny", True),
            ("/acme/tiny.git/info/refs", "acme/tiny", True),
            ("/datasets/acme/tiny/resolve/main/a", "acme/tiny", True),
            ("/acme/tiny2/resolve/main/a", "acme/tiny", False),
            ("/api/models/big-acme/tiny", "acme/tiny", False),
        ],
    )
    def test_knows_its_repository(self, path: str, repository: str, is_met: bool) -> None:
        assert Rule(repository=repository).matches("GET", path) is is_met

    def test_knows_whose_objects_are_asked_for(self) -> None:
        rule = Rule(repository="acme/tiny")
        assert rule.matches("GET", "/xet/data/0", frozenset({"acme/tiny", "acme/twin"}))
        assert not rule.matches("GET", "/xet/data/0", frozenset({"acme/twin"}))


class TestBook:
    def test_meets_the_requests_whose_turn_it_is(self) -> None:
        book = Book()
        book.add(Rule(after=1, times=2, status=503))
        met = [book.meet("GET", "/a", "", {})[1] is not None for _ in range(5)]
        assert met == [False, True, True, False, False]

    def test_meets_tasks_apart_from_requests(self) -> None:
        book = Book()
        book.add(Rule(status=500))
        lost = book.add(Rule(task="hub.search.*", lost=True, times=1))
        assert book.meet("GET", "/hub.search.a", "", {})[1].status == 500
        met = [book.meet_task(name) for name in ("hub.lfs.a", "hub.search.a", "hub.search.a")]
        assert met == [None, lost, None]


class TestTasks:
    def test_are_lost_or_late_as_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        book = Book()
        monkeypatch.setattr(tasks, "book", book)
        done: list[str] = []
        send = tasks.with_faults(lambda task: done.append(task.name))
        book.add(Rule(task="a.*", lost=True, times=1))
        for name in ("a.one", "a.two", "b.three"):
            send(SimpleNamespace(name=name))
        assert done == ["a.two", "b.three"]
