from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from django.test import Client

from bazaar_testing.mock import tasks
from bazaar_testing.mock.rules import Book, Rule


@pytest.mark.django_db
class TestRoutes:
    def test_do_not_exist_in_a_hub_that_people_use(self, client: Client) -> None:
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
        met_rule = book.meet("GET", "/hub.search.a", "", {})[1]
        assert met_rule is not None
        assert met_rule.status == 500
        met = [book.meet_task(name) for name in ("hub.lfs.a", "hub.search.a", "hub.search.a")]
        assert met == [None, lost, None]


class TestTasks:
    def test_are_lost_or_late_as_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        book = Book()
        monkeypatch.setattr(tasks, "book", book)
        done: list[str] = []
        app = Celery(task_cls=tasks.FaultyTask, set_as_current=False)
        app.conf.task_always_eager = True

        def make(name: str) -> Any:
            def do() -> None:
                done.append(name)

            return app.task(name=name)(do)

        book.add(Rule(task="a.*", lost=True, times=1))
        for task in [make(name) for name in ("a.one", "a.two", "b.three")]:
            task.delay()
        assert done == ["a.two", "b.three"]
