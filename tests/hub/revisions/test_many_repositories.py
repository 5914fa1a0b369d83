"""Loops over more repositories than a query gives at a time, which write beside other processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from foundation.database.pages import page_by_page
from hub.repos.models import Repository
from hub.revisions import models, ref_copies
from tests.factories import hub as make

ROWS = 2_100


@pytest.fixture
def repositories() -> list[int]:
    """More rows than a cursor fetches at a time; they have no folders, and no rows of their refs."""
    one = make.repository(make.actor("ada"), "model-0")
    models.Ref.objects.all().delete()
    one.refs_version = 0
    one.save()
    copied = {field.attname: getattr(one, field.attname) for field in Repository._meta.concrete_fields}
    del copied["id"]
    Repository.objects.bulk_create(
        Repository(
            **copied
            | dict.fromkeys(("name", "key"), f"model-{number}")
            | {"full_name": f"ada/model-{number}", "storage": f"{number:032x}"}
        )
        for number in range(1, ROWS)
    )
    return list(Repository.objects.order_by("pk").values_list("pk", flat=True))


def write_elsewhere() -> None:
    """Another process writes."""

    def write() -> None:
        try:
            Repository.objects.filter(name="model-1").update(likes=1)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write).result()


@pytest.mark.django_db(transaction=True)
def test_a_loop_over_many_rows_writes_although_others_write(repositories: list[int]) -> None:
    found: list[int] = []
    for repository in ref_copies.fill_all():
        if not found:
            write_elsewhere()
        found.append(repository.pk)
    assert found == repositories


@pytest.mark.django_db(transaction=True)
def test_all_rows_come_once_in_order(repositories: list[int]) -> None:
    assert [row.pk for row in page_by_page(Repository.objects.order_by("-name"))] == repositories
    assert list(page_by_page(Repository.objects.none())) == []
