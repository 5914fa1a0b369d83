"""Times lists and searches on the database of the data folder, and shows their query plans.

Fill it first: `script/manage seed --models 100000`. Then:
`DJANGO_SETTINGS_MODULE=bazaar.settings.dev python script/benchmarks/lists.py [--plans]`.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
django.setup()

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hub.accounts.principals import ANONYMOUS
from hub.repos.models import Repository
from hub.search import selectors
from hub.search.queries import ListQuery, Sort

TIMES = 15

CASES: dict[str, ListQuery] = {
    "first page, trending": ListQuery(),
    "first page, downloads": ListQuery(sort=Sort.DOWNLOADS),
    "1,000 rows, last modified": ListQuery(sort=Sort.UPDATED, limit=1000),
    "search a common piece (qwen)": ListQuery(search=("qwen",), sort=Sort.DOWNLOADS),
    "search a rare piece (-004242)": ListQuery(search=("-004242",), sort=Sort.DOWNLOADS),
    "search two pieces (jade, 72b)": ListQuery(search=("jade", "72b")),
    "search one letter (q)": ListQuery(search=("q",)),
    "search nothing has (zzqq)": ListQuery(search=("zzqq",)),
    "text: qwen 72b, ranked": ListQuery(text="qwen 72b", sort=Sort.RELEVANCE),
    "text: 通义, ranked": ListQuery(text="通义", sort=Sort.RELEVANCE),
    "text: 心理, ranked": ListQuery(text="心理", sort=Sort.RELEVANCE),
    "text: an exact name, ranked": ListQuery(text="Qwen-72B", sort=Sort.RELEVANCE),
    "author": ListQuery(author="scale-lab-007", sort=Sort.LIKES),
    "one tag (license:mit)": ListQuery(tags=("license:mit",)),
    "three tags": ListQuery(tags=("zh", "license:mit", "medical"), sort=Sort.LIKES),
    "a rare tag (psychology + gpl)": ListQuery(tags=("mental-health",)),
    "task": ListQuery(task="feature-extraction", sort=Sort.CREATED),
    "base model": ListQuery(tags=("base_model:finetune:Qwen/Qwen-72B",)),
    "tag and text": ListQuery(tags=("ja",), text="jade bge", sort=Sort.RELEVANCE),
    "tags that exclude each other": ListQuery(tags=("ja", "ko")),
    "gated (none is)": ListQuery(is_gated=True),
}


def median_ms(call: Callable[[], object]) -> tuple[float, float, float]:
    """Median and worst time, and the median of this process's share of a processor.

    On SQLite the last is the whole work, whatever else the machine does meanwhile.
    """
    call()
    taken, worked = [], []
    for _ in range(TIMES):
        started, working = time.perf_counter(), time.process_time()
        call()
        worked.append((time.process_time() - working) * 1000)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), max(taken), statistics.median(worked)


def far_down(query: ListQuery, pages: int) -> ListQuery:
    """The query for a page that many pages down."""
    cursor = ""
    for _ in range(pages):
        page = selectors.list_repositories(
            actor=ANONYMOUS, kind="model", query=ListQuery(sort=query.sort, limit=1000, cursor=cursor)
        )
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    return ListQuery(sort=query.sort, cursor=cursor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--plans", action="store_true", help="print each query's plan (SQLite)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    total = Repository.objects.live().filter(kind="model").count()
    print(f"{total:,} models on {connection.vendor}\n")
    cases = dict(CASES)
    if total > 50_000:
        cases["50 pages of 1,000 down, downloads"] = far_down(ListQuery(sort=Sort.DOWNLOADS), 50)
        cases["90 pages of 1,000 down, likes"] = far_down(ListQuery(sort=Sort.LIKES), 90)
    print("| list | median ms | worst ms | processor ms | rows |\n|---|---|---|---|---|")
    medians: list[float] = []
    works: list[float] = []
    for name, query in cases.items():
        if options.only not in name:
            continue
        found = selectors.list_repositories(actor=ANONYMOUS, kind="model", query=query)

        def ask(query: ListQuery = query) -> object:
            return selectors.list_repositories(actor=ANONYMOUS, kind="model", query=query)

        median, worst, work = median_ms(ask)
        medians.append(median)
        works.append(work)
        print(f"| {name} | {median:.1f} | {worst:.1f} | {work:.1f} | {len(found.items)} |")
        if options.plans:
            plans(ask)
    print(f"\nmedian of the medians: {statistics.median(medians):.1f} ms")
    print(f"median of the work: {statistics.median(works):.1f} ms")
    client = Client(SERVER_NAME="localhost")
    for name, url in (
        ("API: first page of 100", "/api/models"),
        ("API: search=qwen, full", "/api/models?search=qwen&full=true&limit=20"),
        ("API: tags by type", "/api/models-tags-by-type"),
    ):
        answer = client.get(url)
        if answer.status_code != 200:
            raise SystemExit(f"{url} answers {answer.status_code}: {answer.content[:200]!r}")
        median, worst, work = median_ms(lambda url=url: client.get(url))
        print(f"| {name} | {median:.1f} | {worst:.1f} | {work:.1f} | |")


def plans(ask: Callable[[], object]) -> None:
    with CaptureQueriesContext(connection) as captured:
        ask()
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            cursor.execute("EXPLAIN QUERY PLAN " + query["sql"])
            for row in cursor.fetchall():
                print("      ", row[-1])
            print("       --")


if __name__ == "__main__":
    main()
