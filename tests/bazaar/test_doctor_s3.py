"""`doctor --s3` on a real store, and on one that leaves things out."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

from django.core.management import CommandError, call_command
from pytest_django import Settings

from hub.blobstore import S3BlobStore, S3Options
from tests.servers import proxy, s3
from tests.servers.s3 import ObjectStore


def options_of(store: ObjectStore, endpoint: str = "") -> dict[str, Any]:
    options = S3Options(
        bucket="conformance",
        endpoint=endpoint or store.endpoint,
        region=store.region,
        access_key=store.access_key,
        secret_key=store.secret_key,
        prefix="below/",
    )
    s3.make_bucket(options)
    return asdict(options)


def visit() -> str:
    said = io.StringIO()
    try:
        call_command("doctor", "--s3", stdout=said)
    except CommandError as error:
        said.write(f"failed: {error}")
    return said.getvalue()


# The checks of a store whose addresses are signed.
NAMES = 18


class TestDoctor:
    def test_says_that_a_good_store_can_be_used(self, s3_store: ObjectStore, settings: Settings) -> None:
        settings.S3 = options_of(s3_store)
        settings.PUBLIC_URL = "https://hub.example.org"
        said = visit()
        assert said.count("  ok    ") == NAMES - 1, said
        assert "  no    order of lists: " in said  # SeaweedFS lists a folder before the names beside it
        assert said.endswith("The store can be used.\n")
        assert list(S3BlobStore(S3Options(**settings.S3)).list("")) == []  # it clears up

    def test_says_what_follows_where_a_store_differs(self, s3_store: ObjectStore, settings: Settings) -> None:
        settings.PUBLIC_URL = "https://hub.example.org"
        with proxy.running(s3_store.endpoint.removeprefix("http://")) as between:
            settings.S3 = options_of(s3_store, between.url)
            between.without = frozenset({"range"})
            between.said = {"Date": "Mon, 01 Jan 2035 00:00:00 GMT"}
            between.refuse = lambda method, path: 403 * (method == "OPTIONS" or "/absent" in path)
            said = visit()
        failed = {line.split(":")[0].split("  ")[-1] for line in said.splitlines() if "  FAIL  " in line}
        assert failed == {
            *("missing objects", "ranges", "uploads in parts", "clock"),
            *("signed downloads", "signed downloads of ranges"),
        }
        assert "s3:ListBucket" in said
        assert "no    uploads by browsers (CORS): status 403" in said
        assert "let the bucket allow PUT and GET from https://hub.example.org" in said
        assert "failed: The store fails 6 of the checks that the hub needs." in said

    def test_needs_no_signed_addresses_where_the_hub_gives_none(
        self, s3_store: ObjectStore, settings: Settings
    ) -> None:
        settings.S3 = options_of(s3_store) | {"presign": False}
        said = visit()
        assert said.count("  ok    ") == NAMES - 5, said

    def test_names_a_store_that_does_not_answer(self, settings: Settings) -> None:
        settings.S3 = {
            "bucket": "none",
            "endpoint": "http://127.0.0.1:1",
            "access_key": "a",
            "secret_key": "b",
        }
        said = visit()
        assert "FAIL  addresses: EndpointConnectionError" in said

    def test_refuses_where_there_is_no_store(self) -> None:
        assert "failed: No S3 store is configured" in visit()
