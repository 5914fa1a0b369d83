"""Home, lists and people."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from hub.repos.models import Repository
from hub.revisions.models import RepositoryFacts

pytestmark = pytest.mark.django_db
Make = Callable[..., Repository]


class TestBrowse:
    def test_narrows_by_tag_and_text(self, client: Client, make_repository: Make) -> None:
        make_repository("chat", README__md="---\nlicense: mit\n---\n# 对话模型\n")
        make_repository("draw", README__md="---\nlicense: apache-2.0\n---\n# Pictures\n")
        page = client.get("/models?tag=license:mit").content.decode()
        assert "chat" in page
        assert "/ada/draw" not in page
        assert "/ada/chat" in client.get("/models?search=对话").content.decode()

    def test_answers_htmx_with_the_list_alone(self, client: Client, make_repository: Make) -> None:
        make_repository("chat")
        answer = client.get("/models", headers={"HX-Request": "true"})
        assert "<html" not in answer.content.decode()
        assert "/ada/chat" in answer.content.decode()
        assert "HX-Request" in answer["Vary"]

    def test_costs_the_same_however_long_the_page(
        self, client: Client, make_repository: Make, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(12):
            make_repository(f"model-{number}")
        with django_assert_max_num_queries(7):  # one of them is cached for the next page
            answer = client.get("/models")
        assert len(answer.content) < 120_000

    def test_repeats_in_its_links_only_what_it_knows(self, client: Client, make_repository: Make) -> None:
        """The page has many links. Forms that lead back to it repeat the whole address, and are few."""
        for number in range(30):
            make_repository(f"m{number}", README__md=f"---\nlicense: mit\ntags: [tag-{number}]\n---\n")
        for more in ("x0=y&last=y", "&".join(f"tag=t{number}" for number in range(999)) + "&tag=last"):
            page = client.get(f"/models?tag=license:mit&{more}").content.decode()
            assert page.count("license%3Amit") > 12
            assert page.count("last") - client.get("/models").content.decode().count("last") < 6

    def test_survives_nonsense_in_the_address(self, client: Client) -> None:
        assert client.get("/models?sort=x&size=y&tag=<script>").status_code == 200
        assert client.get("/models?cursor=zzz").status_code == 400


class TestHome:
    def test_shows_sections_in_few_queries(
        self, client: Client, make_repository: Make, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_repository("chat")
        # The first request fills the cache of filters.
        client.get("/")
        with django_assert_max_num_queries(6):
            assert "ada/" in client.get("/").content.decode()


class TestPeople:
    def test_shows_what_somebody_publishes(self, client: Client, make_repository: Make) -> None:
        make_repository("chat")
        assert "/ada/chat" in client.get("/ada").content.decode()
        for tab in ("datasets", "spaces", "collections", "likes", "followers"):
            assert client.get(f"/ada?tab={tab}").status_code == 200

    def test_of_an_unknown_name_is_not_found(self, client: Client) -> None:
        answer = client.get("/nobody-here")
        assert answer.status_code == 404
        assert "text/html" in answer["Content-Type"]


class TestCollections:
    def test_are_made_filled_and_voted_for(self, signed_in: Client, make_repository: Make) -> None:
        make_repository("chat")
        made = signed_in.post("/collections/new", {"owner": "ada", "title": "Small models"})
        address = made["Location"]
        assert "Small models" in signed_in.get("/ada/chat/collect").content.decode()
        slug = address.removeprefix("/collections/")
        signed_in.post("/ada/chat/collect/add", {"collection": slug})
        signed_in.post(address, {"act": "upvote"})
        page = signed_in.get(address).content.decode()
        assert 'href="/ada/chat"' in page
        assert 'aria-pressed="true"' in page

    def test_of_private_ones_nothing_is_shown(self, client: Client, signed_in: Client) -> None:
        made = signed_in.post("/collections/new", {"owner": "ada", "title": "Mine", "is_private": "on"})
        assert client.get(made["Location"]).status_code == 404
        assert signed_in.get(made["Location"]).status_code == 200


class TestSearch:
    def test_on_a_page_shows_all_kinds_and_people(self, client: Client, make_repository: Make) -> None:
        make_repository("gsm8k-solver")
        make_repository("gsm8k", kind="dataset")
        page = client.get("/search?search=gsm8k").content.decode()
        assert "/ada/gsm8k-solver" in page
        assert "/datasets/ada/gsm8k" in page
        assert "/ada" in client.get("/search?search=ada").content.decode()
        assert 'action="/search"' in client.get("/").content.decode()
        sheet = client.get("/search?search=gsm8k", headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in sheet
        assert 'href="/search?search=gsm8k"' in sheet

    def test_puts_names_that_hold_the_text_before_those_of_the_same_words(
        self, client: Client, make_repository: Make
    ) -> None:
        for name, downloads in (("chat-qwen2-0_5b", 90), ("qwen2.5-7b", 5), ("old-qwen2.5", 7)):
            found = make_repository(name)
            Repository.objects.filter(pk=found.pk).update(downloads_30d=downloads)
        for address in ("/search", "/models"):
            page = client.get(f"{address}?search=qwen2.5").content.decode()
            places = [page.find(f"/ada/{name}") for name in ("qwen2.5-7b", "old-qwen2.5", "chat-qwen2-0_5b")]
            assert places == sorted(places), address


class TestNarrowing:
    def test_leads_only_to_lists_that_hold_something(self, client: Client, make_repository: Make) -> None:
        cache.clear()
        empty = client.get("/models").content.decode()
        assert "size=" not in empty
        assert "?tag=" not in client.get("/").content.decode()
        found = make_repository(README__md="---\npipeline_tag: text-generation\nlanguage: zh\n---\n")
        RepositoryFacts.objects.filter(repository=found).update(parameters_total=7_000_000_000)
        cache.clear()
        listed = client.get("/models").content.decode()
        assert re.findall(r"size=(\w+)", listed) == ["8b"]
        assert "1B – 8B <small>1</small>" in listed
        home = client.get("/").content.decode()
        links = re.findall(r'class="chip" href="(/models[^"]*)"', home)
        assert links == ["/models?tag=text-generation", "/models?tag=zh", "/models?size=8b"]
        for link in links:
            assert "/ada/model" in client.get(link).content.decode()
