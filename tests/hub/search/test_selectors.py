from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from foundation import paging
from hub.accounts.models import Namespace, User
from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos import services as repos
from hub.repos.models import Repository
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.search import narrowing, selectors
from hub.search.queries import ListQuery, Sort
from tests.hub.search.catalogue import NOW, add

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["candidates", "walk"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every rule holds in both ways of answering."""
    if request.param == "walk":
        monkeypatch.setattr(narrowing, "CANDIDATES_MAX", -1)
    return str(request.param)


def names(actor: Principal = ANONYMOUS, kind: str = "model", **query: Any) -> list[str]:
    page = selectors.list_repositories(actor=actor, kind=kind, query=ListQuery(**query))
    return [repository.full_name for repository in page.items]


def person(name: str) -> Principal:
    namespace = Namespace.objects.create(name=name, key=name.lower(), kind="user")
    return Principal(user=User.objects.create(namespace=namespace))


class TestSearch:
    def test_finds_pieces_of_the_id_in_any_case(self) -> None:
        add("Qwen/Qwen-72B")
        add("Qwen/Qwen1.5-7B-Chat")
        add("baichuan-inc/Baichuan2-7B-Base")
        assert names(search=("WEN-72",)) == ["Qwen/Qwen-72B"]
        assert names(search=("n/qwen1.5",)) == ["Qwen/Qwen1.5-7B-Chat"]
        assert set(names(search=("7b",))) == {"Qwen/Qwen1.5-7B-Chat", "baichuan-inc/Baichuan2-7B-Base"}
        assert names(search=("7b", "base")) == ["baichuan-inc/Baichuan2-7B-Base"]
        assert names(search=("qwen 72b",)) == ["Qwen/Qwen-72B"]
        assert len(names(search=("7",))) == 3

    def test_needs_the_piece_as_it_stands_not_only_its_letters(self) -> None:
        add("lab/abcd-bcde")
        assert names(search=("abcde",)) == []

    @pytest.mark.parametrize("text", ["%", "_", "a%b", "'", '"', '" OR *', "\\", "NEAR(", ":*", "🙂", "-"])
    def test_takes_marks_as_they_are(self, text: str) -> None:
        add("lab/model")
        names(text=text, sort=Sort.RELEVANCE)
        assert names(search=(text,)) == []

    def test_finds_chinese_words_of_two_characters(self) -> None:
        add("Qwen/Qwen-72B", text="通义千问是阿里云研发的大模型")
        add("baichuan-inc/Baichuan2-13B-Chat", pretty_name="百川2")
        add("X-D-Lab/MindChat-Qwen-7B", text="漫谈心理大模型")
        assert names(text="通义") == ["Qwen/Qwen-72B"]
        assert names(text="百川") == ["baichuan-inc/Baichuan2-13B-Chat"]
        assert names(text="心理") == ["X-D-Lab/MindChat-Qwen-7B"]
        assert names(search=("通义",)) == ["Qwen/Qwen-72B"]
        assert names(text="义通") == []

    def test_ranks_the_exact_name_first_then_names_then_cards(self) -> None:
        add("other/notes", text="compared with qwen 72b", downloads_30d=9_999)
        add("Qwen/Qwen1.5-72B-Chat", downloads_30d=500)
        add("Qwen/Qwen2.5-72B", downloads_30d=800)
        add("Qwen/Qwen-72B", downloads_30d=1)
        add("Qwen/Qwen-7B", downloads_30d=700)
        assert names(text="qwen 72b", sort=Sort.RELEVANCE) == [
            "Qwen/Qwen-72B",
            "Qwen/Qwen2.5-72B",
            "Qwen/Qwen1.5-72B-Chat",
            "other/notes",
        ]
        assert names(text="Qwen/Qwen-7B", sort=Sort.RELEVANCE)[0] == "Qwen/Qwen-7B"

    def test_pages_through_the_ranks_without_a_gap(self) -> None:
        for number in range(7):
            add(f"lab/qwen-{number}")
            add(f"lab/other-{number}", text="qwen")
        add("lab/qwen")
        whole = names(text="qwen", sort=Sort.RELEVANCE, limit=100)
        assert whole[0] == "lab/qwen"
        assert read_all(text="qwen", sort=Sort.RELEVANCE, limit=4) == whole

    def test_finds_a_word_whether_or_not_it_is_run_together(self) -> None:
        add("baichuan-inc/Baichuan2-7B")
        add("baichuan-inc/Baichuan-2-7B")
        assert len(names(text="baichuan2")) == 2
        assert len(names(text="baichuan 2")) == 2
        assert len(names(text="baich")) == 2

    def test_follows_a_rename_and_a_deletion(self) -> None:
        owner = person("ada")
        assert owner.user is not None
        made = repos.create_repository(
            actor=owner, request=repos.NewRepository(kind="model", repo_id="ada/first"), now=NOW
        )
        assert names(text="first") == ["ada/first"]
        moved = repos.move_repository(actor=owner, repository=made, to="ada/second")
        assert names(text="first") == []
        assert names(search=("sec",)) == ["ada/second"]
        repos.delete_repository(actor=owner, repository=moved, now=NOW)
        assert names(text="second") == []


def read_all(**query: Any) -> list[str]:
    found: list[str] = []
    cursor = ""
    for _ in range(200):
        page = selectors.list_repositories(
            actor=ANONYMOUS, kind="model", query=ListQuery(cursor=cursor, **query)
        )
        found += [repository.full_name for repository in page.items]
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor
    pytest.fail("a list without an end")


class TestFilters:
    def test_are_all_met(self) -> None:
        add("a/one", tags=["zh", "license:mit"], task="text-generation", gating="auto")
        add("a/two", tags=["zh"], task="text-generation", parameters=7_000_000_000)
        add("b/three", tags=["license:mit"], kind="dataset")
        assert names(tags=("zh",)) == ["a/two", "a/one"]
        assert names(tags=("zh", "license:mit")) == ["a/one"]
        assert names(tags=("zh", "pytorch")) == []
        assert names(task="text-generation", author="A") == ["a/two", "a/one"]
        assert names(author="nobody") == []
        assert names(is_gated=True) == ["a/one"]
        assert names(is_gated=False) == ["a/two"]
        assert names(parameters_min=6_000_000_000, parameters_max=8_000_000_000) == ["a/two"]
        assert names(kind="dataset", tags=("license:mit",)) == ["b/three"]

    def test_takes_a_task_only_where_it_is_the_task(self) -> None:
        add("a/one", tags=["text-generation"])
        assert names(task="text-generation") == []

    def test_hides_private_repositories_from_strangers(self) -> None:
        add("a/secret", visibility="private", tags=["zh"], text="通义")
        add("a/gone", deleted_at=NOW, tags=["zh"])
        assert names() == names(tags=("zh",)) == names(text="通义") == names(search=("secret",)) == []
        ada = person("ada")
        add("ada/mine", visibility="private")
        assert names(actor=ada) == ["ada/mine"]


class TestPages:
    @pytest.mark.parametrize("sort", [sort for sort in Sort if sort is not Sort.RELEVANCE])
    @pytest.mark.parametrize("narrowed", [False, True])
    def test_hold_every_repository_once_in_order(self, sort: Sort, narrowed: bool) -> None:
        for number in range(23):
            add(
                f"lab/m{number}",
                tags=["zh"],
                downloads_30d=number // 4,
                likes=number % 3,
                trending_score=(number % 5) / 7,
                updated_at=NOW,
            )
        tags = ("zh",) if narrowed else ()
        whole = names(sort=sort, limit=100, tags=tags)
        assert len(whole) == 23
        keys = [
            (getattr(found, sort.field), found.pk)
            for found in sorted(Repository.objects.all(), key=lambda row: whole.index(row.full_name))
        ]
        assert keys == sorted(keys, reverse=True)
        for limit in (1, 4, 22, 23):
            assert read_all(sort=sort, limit=limit, tags=tags) == whole

    @pytest.mark.parametrize(
        "cursor", ["x", "AAAA", "W10", "WzAsMV0", "WzAsInh4IiwxXQ", "é", "WzAsMWUzMDAwLDFd"]
    )
    def test_refuse_a_cursor_that_is_not_ours(self, cursor: str) -> None:
        with pytest.raises(paging.InvalidCursor):
            names(cursor=cursor)
        with pytest.raises(paging.InvalidCursor):
            names(cursor=cursor, sort=Sort.CREATED)

    def test_take_the_same_few_queries_however_long(self) -> None:
        for number in range(12):
            add(f"lab/m{number}", tags=["zh"])
        counts = []
        for limit in (2, 10):
            with CaptureQueriesContext(connection) as captured:
                page = selectors.list_repositories(
                    actor=ANONYMOUS, kind="model", query=ListQuery(tags=("zh",), limit=limit)
                )
                for found in page.items:
                    assert found.facts.tags == ["zh"]
                    assert found.namespace.name == "lab"
            counts.append(len(captured))
        # The tag's ids, those that are shown, and their rows.
        assert counts[0] == counts[1] <= 3


class TestFacets:
    def test_count_what_the_list_can_be_narrowed_by(self) -> None:
        add("a/one", tags=["zh", "chat"], task="text-generation")
        add("a/two", tags=["zh"], task="fill-mask")
        add("a/hidden", tags=["zh"], visibility="private")
        facets = selectors.find_facets(actor=ANONYMOUS, kind="model", query=ListQuery(tags=("zh",)))
        by_value = {
            value.value: value.count for value in itertools.chain.from_iterable(facets.by_type.values())
        }
        assert facets.total == 2
        assert by_value == {"zh": 2, "chat": 1, "text-generation": 1, "fill-mask": 1}
        assert [value.value for value in facets.by_type["pipeline_tag"]] == ["fill-mask", "text-generation"]

    def test_of_sizes_are_counted_where_few_have_one(self) -> None:
        for number in range(3):
            add(f"lab/m{number}")
        facts = RepositoryFacts.objects.filter(repository__full_name="lab/m1")
        facts.update(parameters_total=7_000_000_000)
        query = ListQuery(parameters_min=1_000_000_000, parameters_max=8_999_999_999)
        found = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=query)
        facets = selectors.find_facets(actor=ANONYMOUS, kind="model", query=query)
        assert [one.full_name for one in found.items] == ["lab/m1"]
        assert (facets.total, facets.is_exact) == (1, True)

    def test_of_wide_filters_are_estimated_from_a_sample(self) -> None:
        add("lab/first")
        namespace = Repository.objects.get().namespace
        made = Repository.objects.bulk_create(
            Repository(
                kind="model",
                namespace=namespace,
                name=f"n{n}",
                key=f"n{n}",
                full_name=f"lab/n{n}",
                visibility="public",
            )
            for n in range(4_500)
        )
        RepositoryTag.objects.bulk_create(
            RepositoryTag(kind="model", type="other", value=value, repository=one)
            for n, one in enumerate(made)
            for value in (["zh"] if n % 10 < 7 else []) + (["chat"] if n % 10 > 1 else [])
        )
        facets = selectors.find_facets(actor=ANONYMOUS, kind="model", query=ListQuery(tags=("zh", "chat")))
        cache.delete("search:sample:model")
        by_value = {found.value: found.count for found in facets.by_type["other"]}
        assert (facets.is_exact, facets.is_estimate) == (False, True)
        # Half of all have both tags.
        assert facets.total == pytest.approx(2_250, rel=0.1)
        assert by_value["chat"] == by_value["zh"] == facets.total
