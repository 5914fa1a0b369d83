from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from foundation.errors import Unauthenticated
from hub.accounts.models import AccessToken
from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos.errors import RepositoryDenied, RepositoryNotFound
from hub.repos.models import Repository
from hub.xet import tokens
from hub.xet.codec import hashes, shards
from hub.xet.models import Xorb
from tests.clock import moment
from tests.factories import hub
from tests.hub.xet import uploads, vectors

HELLO = uploads.of(vectors.HELLO.content)
BIG = uploads.of(vectors.RANDOM_4M.content)
XORB_URL = f"/xet/v1/xorbs/default/{vectors.HELLO.xorb}"
BYTES = "application/octet-stream"


def bearer(token: tokens.IssuedToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.text}"}


def reading(actor: Principal, repository: Repository) -> dict[str, str]:
    return bearer(tokens.issue_read_token(actor=actor, repository=repository, now=moment()))


def writing(actor: Principal, repository: Repository) -> dict[str, str]:
    return bearer(
        tokens.issue_write_token(actor=actor, repository=repository, is_proposal=False, now=moment())
    )


@pytest.fixture
def write(alice: Principal, model: Repository) -> dict[str, str]:
    return writing(alice, model)


@pytest.fixture
def read(alice: Principal, model: Repository) -> dict[str, str]:
    return reading(alice, model)


def post(client: Client, url: str, body: bytes, headers: dict[str, str]) -> Any:
    return client.post(url, body, content_type=BYTES, headers=headers)


def body_of(response: Any) -> bytes:
    return b"".join(response) if response.streaming else response.content


def send(client: Client, upload: uploads.Upload, headers: dict[str, str]) -> None:
    for name, data in upload.xorbs.items():
        assert post(client, f"/xet/v1/xorbs/default/{name}", data, headers).status_code == 200
    assert post(client, "/xet/v1/shards", upload.shard_bytes, headers).status_code == 200


class TestXorbs:
    @pytest.mark.parametrize("prefix", ["/xet/v1", "/xet", "/xet/cas-3/v1", "/xet/cas-3"])
    def test_are_taken_under_every_address_that_clients_use(
        self, client: Client, write: dict[str, str], prefix: str
    ) -> None:
        url = f"{prefix}/xorbs/default/{vectors.HELLO.xorb}"
        first = post(client, url, vectors.HELLO_XORB, write)
        assert (first.status_code, first.json()) == (200, {"was_inserted": True})
        assert post(client, url, vectors.HELLO_XORB, write).json() == {"was_inserted": False}

    @pytest.mark.parametrize(
        ("url", "body"),
        [
            (XORB_URL, vectors.HELLO_XORB[:-1]),
            (XORB_URL, vectors.TEXT_XORB),
            (XORB_URL, b""),
            ("/xet/v1/xorbs/default/xyz", vectors.HELLO_XORB),
            (f"/xet/v1/xorbs/default/{vectors.HELLO.xorb.upper()}", vectors.HELLO_XORB),
        ],
    )
    def test_with_anything_wrong_are_refused_with_the_reason(
        self, client: Client, write: dict[str, str], url: str, body: bytes
    ) -> None:
        response = post(client, url, body, write)
        assert response.status_code == 400
        assert len(response.json()["error"]) > 20

    def test_tell_their_size_to_those_who_may_use_them(
        self, client: Client, write: dict[str, str], bob: Principal
    ) -> None:
        assert client.head(XORB_URL, headers=write).status_code == 404
        post(client, XORB_URL, vectors.HELLO_XORB, write)
        response = client.head(XORB_URL, headers=write)
        assert (response.status_code, response["Content-Length"]) == (200, "19")
        assert client.head(XORB_URL, headers=writing(bob, hub.repository(bob))).status_code == 404


class TestShards:
    def test_register_files_over_both_calls(self, client: Client, write: dict[str, str]) -> None:
        post(client, XORB_URL, vectors.HELLO_XORB, write)
        first = post(client, "/xet/v2/shards", HELLO.shard_bytes, write)
        assert first["Content-Type"] == "application/x-ndjson"
        assert [json.loads(line) for line in body_of(first).splitlines()] == [{"type": "result", "result": 1}]
        assert post(client, "/xet/v1/shards", HELLO.shard_bytes, write).json() == {"result": 0}
        assert post(client, "/xet/shards", HELLO.shard_bytes, write).json() == {"result": 0}

    @pytest.mark.parametrize("url", ["/xet/v1/shards", "/xet/v2/shards", "/xet/shards"])
    def test_with_a_wrong_sha256_are_refused(self, client: Client, write: dict[str, str], url: str) -> None:
        post(client, XORB_URL, vectors.HELLO_XORB, write)
        response = post(client, url, HELLO.changed(sha256=bytes(32)).shard_bytes, write)
        assert response.status_code == 400
        assert "another SHA-256" in response.json()["error"]

    def test_that_name_unknown_xorbs_are_refused_with_the_way_out(
        self, client: Client, write: dict[str, str]
    ) -> None:
        response = post(client, "/xet/v2/shards", HELLO.shard_bytes, write)
        assert response.status_code == 400
        assert "HF_XET_CACHE" in response.json()["error"]

    def test_give_signs_of_life_while_bytes_are_read(
        self, client: Client, write: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.xet.verification.HEARTBEAT_S", 0.0)
        for name, data in BIG.xorbs.items():
            post(client, f"/xet/v1/xorbs/default/{name}", data, write)
        response = post(client, "/xet/v2/shards", BIG.shard_bytes, write)
        events = [json.loads(line) for line in body_of(response).splitlines()]
        assert events[0]["type"] == "validating"
        assert events[0]["total"] == 4_194_304
        assert events[-1] == {"type": "result", "result": 1}

    def test_found_wrong_late_end_with_an_event(
        self, client: Client, write: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.xet.verification.HEARTBEAT_S", 0.0)
        for name, data in BIG.xorbs.items():
            post(client, f"/xet/v1/xorbs/default/{name}", data, write)
        response = post(client, "/xet/v2/shards", BIG.changed(sha256=bytes(32)).shard_bytes, write)
        last = json.loads(body_of(response).splitlines()[-1])
        assert (last["type"], last["retryable"]) == ("error", False)


class TestReconstructions:
    URL = f"/xet/v1/reconstructions/{vectors.RANDOM_4M.file}"

    def test_lead_to_signed_bytes(self, client: Client, write: dict[str, str], read: dict[str, str]) -> None:
        send(client, BIG, write)
        plan = client.get(self.URL, headers=read).json()
        [body] = BIG.xorbs.values()
        assert plan["offset_into_first_range"] == 0
        assert plan["terms"] == [
            {
                "hash": vectors.RANDOM_4M.xorb,
                "unpacked_length": 4_194_304,
                "range": {"start": 0, "end": 68},
            }
        ]
        [fetch] = plan["fetch_info"][vectors.RANDOM_4M.xorb]
        assert fetch["range"] == {"start": 0, "end": 68}
        assert fetch["url_range"] == {"start": 0, "end": len(body) - 1}
        response = client.get(fetch["url"], headers={"Range": f"bytes=0-{len(body) - 1}"})
        assert (response.status_code, body_of(response)) == (206, body)

    def test_in_the_second_form_have_one_range_an_address(
        self, client: Client, write: dict[str, str], read: dict[str, str]
    ) -> None:
        send(client, BIG, write)
        url = self.URL.replace("/v1/", "/v2/")
        plan = client.get(url, headers={**read, "Range": "bytes=1000000-1999999"}).json()
        [entry] = plan["xorbs"][vectors.RANDOM_4M.xorb]
        [only] = entry["ranges"]
        assert only["chunks"]["end"] - only["chunks"]["start"] < 30
        assert plan["offset_into_first_range"] > 0

    @pytest.mark.parametrize(("asked", "status"), [("bytes=0-1073741823", 200), ("bytes=4194304-", 416)])
    def test_end_with_the_file(
        self, client: Client, write: dict[str, str], read: dict[str, str], asked: str, status: int
    ) -> None:
        send(client, BIG, write)
        assert client.get(self.URL, headers={**read, "Range": asked}).status_code == status

    def test_have_an_address_of_its_own_for_each_range(
        self, client: Client, write: dict[str, str], read: dict[str, str]
    ) -> None:
        """Old clients crash when two ranges share one."""
        send(client, BIG, write)
        [(name, body)] = BIG.xorbs.items()
        layout, key, whole = uploads.layout_of(body), hashes.from_text(name), vectors.RANDOM_4M.content
        content = whole[: layout.raw_start(5)] + whole[layout.raw_start(9) :]
        file = uploads.file_of(content, [(key, layout, 0, 5), (key, layout, 9, 68)])
        send(client, uploads.Upload({}, shards.Shard([file])), write)
        plan = client.get(f"/xet/v1/reconstructions/{hashes.to_text(file.hash)}", headers=read).json()
        urls = {fetch["url"] for fetch in plan["fetch_info"][name]}
        assert len(urls) == 2

    def test_are_not_there_for_strangers(self, client: Client, write: dict[str, str], bob: Principal) -> None:
        send(client, BIG, write)
        theirs = reading(bob, hub.repository(bob))
        assert client.get(self.URL, headers=theirs).status_code == 404
        assert client.get(f"/xet/v1/reconstructions/{'0' * 64}", headers=theirs).status_code == 404

    def test_of_a_damaged_file_are_refused_for_good(
        self, client: Client, write: dict[str, str], read: dict[str, str]
    ) -> None:
        send(client, BIG, write)
        Xorb.objects.update(state=Xorb.State.DAMAGED)
        response = client.get(self.URL, headers=read)
        assert response.status_code == 410
        assert vectors.RANDOM_4M.xorb in response.json()["error"]


class TestData:
    @pytest.fixture
    def url(self, client: Client, write: dict[str, str], read: dict[str, str]) -> str:
        send(client, BIG, write)
        plan = client.get(TestReconstructions.URL, headers={**read, "Range": "bytes=1000000-1999999"}).json()
        [fetch] = plan["fetch_info"][vectors.RANDOM_4M.xorb]
        self.first, self.last = fetch["url_range"]["start"], fetch["url_range"]["end"]
        return str(fetch["url"])

    def test_needs_no_token(self, client: Client, url: str) -> None:
        [body] = BIG.xorbs.values()
        asked = {"Range": f"bytes={self.first}-{self.last}"}
        response = client.get(url, headers=asked)
        assert body_of(response) == body[self.first : self.last + 1]
        assert response["Content-Range"].startswith(f"bytes {self.first}-{self.last}/")
        inner = client.get(url, headers={"Range": f"bytes={self.first + 5}-{self.first + 9}"})
        assert body_of(inner) == body[self.first + 5 : self.first + 10]

    @pytest.mark.parametrize(
        "change", [("bytes=", "bytes=1"), ("signature=", "signature=x"), ("expires=", "expires=9")]
    )
    def test_altered_is_refused(self, client: Client, url: str, change: tuple[str, str]) -> None:
        assert client.get(url.replace(*change)).status_code == 403

    def test_outside_of_the_signed_range_is_refused(self, client: Client, url: str) -> None:
        for asked in (f"bytes={self.first - 1}-{self.last}", f"bytes={self.first}-{self.last + 1}"):
            assert client.get(url, headers={"Range": asked}).status_code == 403

    def test_expired_is_403_so_that_clients_ask_for_a_new_address(
        self, client: Client, write: dict[str, str], read: dict[str, str], settings: Settings
    ) -> None:
        settings.XET_RANGE_SECONDS = -1
        send(client, BIG, write)
        plan = client.get(TestReconstructions.URL, headers=read).json()
        assert client.get(plan["fetch_info"][vectors.RANDOM_4M.xorb][0]["url"]).status_code == 403


class TestChunks:
    def test_are_found_by_their_hash_under_any_prefix(
        self, client: Client, write: dict[str, str], bob: Principal
    ) -> None:
        send(client, HELLO, write)
        for prefix in ("default", "default-merkledb"):
            response = client.get(f"/xet/v1/chunks/{prefix}/{vectors.HELLO.xorb}", headers=write)
            [xorb] = shards.read_shard(response.content).xorbs
            assert hashes.to_text(xorb.hash) == vectors.HELLO.xorb
        theirs = writing(bob, hub.repository(bob))
        url = f"/xet/v1/chunks/default/{vectors.HELLO.xorb}"
        assert client.get(url, headers=theirs).status_code == 404


class TestTokens:
    CALLS = (
        ("post", XORB_URL),
        ("head", XORB_URL),
        ("post", "/xet/v1/shards"),
        ("post", "/xet/v2/shards"),
        ("get", f"/xet/v1/reconstructions/{vectors.HELLO.file}"),
        ("get", f"/xet/v2/reconstructions/{vectors.HELLO.file}"),
        ("get", f"/xet/v1/chunks/default/{vectors.HELLO.xorb}"),
    )

    @pytest.mark.parametrize(("method", "url"), CALLS)
    def test_missing_altered_or_expired_are_refused(
        self,
        client: Client,
        alice: Principal,
        model: Repository,
        write: dict[str, str],
        method: str,
        url: str,
    ) -> None:
        past = moment() - timedelta(hours=2)
        expired = tokens.issue_write_token(actor=alice, repository=model, is_proposal=False, now=past)
        text = write["Authorization"]
        assert alice.user is not None
        for headers in (
            {},
            {"Authorization": text[:-1] + ("a" if text[-1] != "a" else "b")},
            {"Authorization": text.replace("Bearer ey", "Bearer fy", 1)},
            bearer(expired),
            hub.bearer(alice.user),
        ):
            assert getattr(client, method)(url, headers=headers).status_code == 401

    @pytest.mark.parametrize(("late_s", "status"), [(590, 200), (610, 401)])
    def test_are_honoured_for_what_was_underway_when_they_ended(
        self,
        client: Client,
        alice: Principal,
        model: Repository,
        settings: Settings,
        late_s: int,
        status: int,
    ) -> None:
        """Clients renew in time, but give up at the first 401."""
        settings.XET_TOKEN_SECONDS = 60
        asked = moment() - timedelta(seconds=60 + late_s)
        token = tokens.issue_write_token(actor=alice, repository=model, is_proposal=False, now=asked)
        assert post(client, XORB_URL, vectors.HELLO_XORB, bearer(token)).status_code == status

    @pytest.mark.parametrize("url", [url for method, url in CALLS if method == "post"])
    def test_for_reading_send_nothing(self, client: Client, read: dict[str, str], url: str) -> None:
        assert post(client, url, b"", read).status_code == 403

    def test_end_with_the_repository_and_the_right(
        self, client: Client, write: dict[str, str], alice: Principal, model: Repository
    ) -> None:
        Repository.objects.update(is_archived=True)
        assert post(client, XORB_URL, vectors.HELLO_XORB, write).status_code == 403
        Repository.objects.update(is_archived=False, deleted_at=moment())
        assert post(client, XORB_URL, vectors.HELLO_XORB, write).status_code == 401

    def test_end_with_the_account(self, client: Client, write: dict[str, str], alice: Principal) -> None:
        assert alice.user is not None
        alice.user.is_active = False
        alice.user.save()
        assert post(client, XORB_URL, vectors.HELLO_XORB, write).status_code == 401

    def test_end_with_the_access_token_that_asked_for_them(
        self, client: Client, alice: Principal, model: Repository
    ) -> None:
        assert alice.user is not None
        url = TestTokenRoutes().url(model, "write")
        given = client.get(url, headers=hub.bearer(alice.user)).json()
        headers = {"Authorization": f"Bearer {given['accessToken']}"}
        assert post(client, XORB_URL, vectors.HELLO_XORB, headers).status_code == 200
        AccessToken.objects.all().delete()
        assert post(client, XORB_URL, vectors.HELLO_XORB, headers).status_code == 401

    def test_for_one_repository_read_no_other_of_the_same_user(
        self, client: Client, alice: Principal, write: dict[str, str]
    ) -> None:
        send(client, HELLO, write)
        elsewhere = reading(alice, hub.repository(alice))
        url = f"/xet/v1/reconstructions/{vectors.HELLO.file}"
        assert client.get(url, headers=elsewhere).status_code == 404
        assert client.get(url, headers=write).status_code == 200

    def test_are_given_to_those_who_may(self, alice: Principal, bob: Principal, model: Repository) -> None:
        now, public = moment(), hub.repository(alice)
        with pytest.raises(RepositoryNotFound):
            tokens.issue_read_token(actor=bob, repository=model, now=now)
        with pytest.raises(RepositoryDenied):
            tokens.issue_write_token(actor=bob, repository=public, is_proposal=False, now=now)
        with pytest.raises(Unauthenticated):
            tokens.issue_write_token(actor=ANONYMOUS, repository=public, is_proposal=True, now=now)
        assert tokens.issue_read_token(actor=ANONYMOUS, repository=public, now=now).text
        assert tokens.issue_write_token(actor=bob, repository=public, is_proposal=True, now=now).text


class TestTokenRoutes:
    def url(self, repository: Repository, word: str, revision: str = "main") -> str:
        return f"/api/models/{repository.full_name}/xet-{word}-token/{revision}"

    def test_give_headers_and_json_that_agree(
        self, client: Client, alice: Principal, model: Repository
    ) -> None:
        assert alice.user is not None
        headers = hub.bearer(alice.user)
        for word in ("read", "write"):
            response = client.get(self.url(model, word), headers=headers)
            body = response.json()
            assert response["X-Xet-Access-Token"] == body["accessToken"]
            assert response["X-Xet-Token-Expiration"] == str(body["exp"])
            assert response["X-Xet-Cas-Url"] == body["casUrl"] == "http://testserver/xet"
            assert body["exp"] > moment().timestamp() + 900

    def test_hide_private_repositories(self, client: Client, bob: Principal, model: Repository) -> None:
        assert bob.user is not None
        for word in ("read", "write"):
            response = client.get(self.url(model, word), headers=hub.bearer(bob.user))
            assert (response.status_code, response["X-Error-Code"]) == (404, "RepoNotFound")

    def test_take_a_commit_and_the_word_none(self, client: Client, alice: Principal, bob: Principal) -> None:
        assert alice.user is not None
        assert bob.user is not None
        public = hub.repository(alice)
        mine, theirs = hub.bearer(alice.user), hub.bearer(bob.user)
        assert client.get(self.url(public, "write", "a" * 40), headers=mine).status_code == 200
        assert client.get(self.url(public, "write"), headers=theirs).status_code == 403
        proposal = self.url(public, "write", "None") + "?create_pr=1"
        assert client.get(proposal, headers=theirs).status_code == 200


class TestTheRest:
    @pytest.mark.parametrize(
        ("method", "url"),
        [
            ("get", "/xet/"),
            ("get", "/xet/v1/unknown"),
            ("post", f"/xet/v1/xorb-grants/default/{vectors.HELLO.xorb}"),
            ("post", "/xet/v2/file-chunk-hashes"),
            ("delete", XORB_URL),
            ("post", "/xet/v1/reconstructions"),
        ],
    )
    def test_is_404_in_json_so_that_clients_fall_back(
        self, client: Client, db: None, method: str, url: str
    ) -> None:
        response = getattr(client, method)(url)
        assert response.status_code == 404
        assert "error" in response.json()

    def test_takes_telemetry_and_keeps_nothing(self, client: Client, db: None) -> None:
        assert post(client, "/xet/v1/telemetry", b"{}", {}).status_code == 200
