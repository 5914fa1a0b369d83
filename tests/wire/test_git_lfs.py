"""Large objects with the real git-lfs, and its wire by hand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hub.blobstore import S3Options
from tests.servers.clients import program, run, run_python
from tests.servers.git import BINARY_ATTRIBUTES, WorkingFolder, info, make_repository
from tests.servers.live import LiveBazaar, LiveUser
from tests.servers.s3 import ObjectStore, make_bucket

LFS = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}


@pytest.fixture
def bazaar(live_bazaar: LiveBazaar) -> LiveBazaar:
    return live_bazaar


@pytest.fixture
def repo_id(bazaar: LiveBazaar) -> str:
    return make_repository(bazaar, bazaar.alice)


def oid_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def batch(
    bazaar: LiveBazaar,
    repo_id: str,
    user: LiveUser | None,
    *contents: bytes,
    operation: str = "upload",
    **more: Any,
) -> httpx.Response:
    return httpx.post(
        f"{bazaar.url}/{repo_id}.git/info/lfs/objects/batch",
        headers={**LFS, **({"Authorization": f"Bearer {user.token}"} if user else {})},
        json={
            "operation": operation,
            "transfers": ["basic"],
            "objects": [{"oid": oid_of(data), "size": len(data)} for data in contents],
            "hash_algo": "sha256",
            **more,
        },
    )


def actions(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    [entry] = answer.json()["objects"]
    found: dict[str, Any] = entry["actions"]
    return found


def lfs_clone(bazaar: LiveBazaar, repo_id: str, user: LiveUser | None) -> WorkingFolder:
    env = bazaar.client_env(user)
    run(["git", "lfs", "install", "--skip-repo"], env=env)
    return WorkingFolder.clone(bazaar, repo_id, user, env=env)


@pytest.fixture(scope="module")
def small_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    settings = {"BAZAAR_LFS_PARTS_ABOVE_BYTES": "1000000", "BAZAAR_LFS_PART_BYTES": "600000"}
    with LiveBazaar(tmp_path_factory.mktemp("parts"), settings=settings) as made:
        yield made


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, s3_store: ObjectStore) -> Iterator[LiveBazaar]:
    options = S3Options(
        bucket="git-lfs-wire",
        endpoint=s3_store.endpoint,
        access_key=s3_store.access_key,
        secret_key=s3_store.secret_key,
    )
    make_bucket(options)
    settings = {
        "BAZAAR_S3_BUCKET": options.bucket,
        "BAZAAR_S3_ENDPOINT": options.endpoint,
        "BAZAAR_S3_ACCESS_KEY": options.access_key,
        "BAZAAR_S3_SECRET_KEY": options.secret_key,
        "BAZAAR_LFS_PARTS_ABOVE_BYTES": "6000000",
        "BAZAAR_LFS_PART_BYTES": str(5 * 1024 * 1024),
    }
    with LiveBazaar(tmp_path_factory.mktemp("stored"), settings=settings) as made:
        yield made


class TestGitLfs:
    @pytest.mark.parametrize("private", [False, True])
    @pytest.mark.parametrize("suffix", ["", ".git"])
    def test_pushes_and_clones_the_same_bytes(self, bazaar: LiveBazaar, private: bool, suffix: str) -> None:
        repo_id = make_repository(bazaar, bazaar.alice, private=private)
        work = lfs_clone(bazaar, repo_id + suffix, bazaar.alice)
        weights = os.urandom(3_000_000)
        work.commit(**{"model__safetensors": weights, "deep/er__bin": b"tiny", "空 白__bin": b"name"})
        pushed = work.git("push", "origin", "main")
        # git-lfs would print the address, token and all, to advise the use of locks.
        assert bazaar.alice.token not in pushed.out + pushed.err
        assert info(bazaar, repo_id, bazaar.alice)["sha"] == work.head
        other = lfs_clone(bazaar, repo_id + suffix, bazaar.alice)
        assert (other.folder / "model.safetensors").read_bytes() == weights
        assert (other.folder / "空 白.bin").read_bytes() == b"name"

    def test_sends_nothing_twice(self, bazaar: LiveBazaar, repo_id: str) -> None:
        work = lfs_clone(bazaar, repo_id, bazaar.alice)
        data = os.urandom(100_000)
        work.commit(a__bin=data)
        work.git("push", "-q", "origin", "main")
        work.commit(b__bin=data)
        again = work.git("push", "origin", "main", GIT_TRACE="1", GIT_CURL_VERBOSE="1")
        assert "PUT /lfs/" not in again.err

    def test_finds_the_file_by_the_hugging_face_wire_too(self, bazaar: LiveBazaar, repo_id: str) -> None:
        work = lfs_clone(bazaar, repo_id, bazaar.alice)
        data = os.urandom(50_000)
        work.commit(a__bin=data)
        work.git("push", "-q", "origin", "main")
        answer = httpx.get(f"{bazaar.url}/{repo_id}/resolve/main/a.bin", follow_redirects=True)
        assert answer.content == data
        assert answer.headers["X-Linked-Etag"] == f'"{oid_of(data)}"'

    def test_tells_a_stranger_nothing(self, bazaar: LiveBazaar) -> None:
        private = make_repository(bazaar, bazaar.alice, private=True)
        work = lfs_clone(bazaar, private, bazaar.alice)
        work.commit(a__bin=b"private weights")
        work.git("push", "-q", "origin", "main")
        for user, status in ((None, 401), (bazaar.bob, 404)):
            answer = batch(bazaar, private, user, b"private weights", operation="download")
            assert answer.status_code == status
            assert answer.headers["X-Error-Code"] == "RepoNotFound"
            assert answer.json()["message"]

    def test_of_a_push_without_the_upload_gets_the_remedy(self, bazaar: LiveBazaar, repo_id: str) -> None:
        work = lfs_clone(bazaar, repo_id, bazaar.alice)
        work.commit(a__bin=os.urandom(5_000))
        refused = work.git("push", "--no-verify", "origin", "main", fails=True)
        assert "a.bin was not uploaded" in refused.err
        assert "git lfs push --all origin" in refused.err
        work.git("lfs", "push", "--all", "origin")
        work.git("push", "-q", "--no-verify", "origin", "main")
        assert info(bazaar, repo_id)["sha"] == work.head


class TestMultipart:
    def test_serves_the_agent_of_the_hugging_face_cli(self, small_parts: LiveBazaar) -> None:
        repo_id = make_repository(small_parts, small_parts.alice)
        work = lfs_clone(small_parts, repo_id, small_parts.alice)
        run([program("hf"), "lfs-enable-largefiles", str(work.folder)], env=work.env)
        work.env["PATH"] = f"{program('hf').parent}:{work.env['PATH']}"
        work.git("config", "lfs.customtransfer.multipart.path", str(program("hf")))
        data = os.urandom(2_000_000)
        work.commit(a__bin=data, small__bin=b"small")
        work.git("push", "-q", "origin", "main")
        assert (lfs_clone(small_parts, repo_id, None).folder / "a.bin").read_bytes() == data

    @pytest.mark.parametrize("large", [False, True])
    def test_serves_the_python_client_without_xet(self, small_parts: LiveBazaar, large: bool) -> None:
        repo_id = make_repository(small_parts, small_parts.alice)
        env = {**small_parts.client_env(small_parts.alice), "HF_HUB_DISABLE_XET": "1"}
        size = 1_700_000 if large else 70_000
        script = f"""
import os
from huggingface_hub import HfApi, hf_hub_download
data = os.urandom({size})
HfApi().upload_file(path_or_fileobj=data, path_in_repo="a.bin", repo_id="{repo_id}")
assert open(hf_hub_download("{repo_id}", "a.bin"), "rb").read() == data
"""
        run_python(script, env=env)

    def test_goes_on_where_it_broke_off(self, small_parts: LiveBazaar) -> None:
        """As OpenCSG's uploader does: the same upload id, the same parts, unauthenticated PUTs."""
        repo_id = make_repository(small_parts, small_parts.alice)
        data = os.urandom(1_500_000)
        more: dict[str, Any] = {"transfers": ["basic", "multipart"], "upload_id": None}
        first = actions(batch(small_parts, repo_id, small_parts.alice, data, **more))
        header = first["upload"]["header"]
        assert set(header) == {"chunk_size", "1", "2", "3"}
        size = int(header["chunk_size"])
        upload_id = parse_qs(urlsplit(header["1"]).query)["uploadId"][0]
        etags = {1: httpx.put(header["1"], content=data[:size]).headers["ETag"]}
        # The connection broke here. The client asks again with the id that it remembers.
        more["upload_id"] = upload_id
        second = actions(batch(small_parts, repo_id, small_parts.alice, data, **more))
        again = second["upload"]["header"]
        assert parse_qs(urlsplit(again["2"]).query)["uploadId"][0] == upload_id
        for number in (2, 3):
            piece = data[(number - 1) * size : number * size]
            answer = httpx.put(again[str(number)], content=piece)
            assert answer.status_code == 200
            etags[number] = answer.headers["ETag"]
        parts = [{"partNumber": number, "etag": etags[number].strip('"')} for number in (1, 2, 3)]
        body = {"oid": oid_of(data), "uploadId": upload_id, "parts": parts}
        for _ in range(2):
            assert httpx.post(second["upload"]["href"], json=body).status_code == 200
        verified = httpx.post(second["verify"]["href"], json={"oid": oid_of(data), "size": len(data)})
        assert verified.status_code == 200
        # This client must be given parts even for what is stored.
        assert actions(batch(small_parts, repo_id, small_parts.alice, data, **more))["upload"]["header"]

    def test_refuses_parts_that_make_other_bytes(self, small_parts: LiveBazaar) -> None:
        repo_id = make_repository(small_parts, small_parts.alice)
        data = os.urandom(1_200_000)
        given = actions(
            batch(small_parts, repo_id, small_parts.alice, data, transfers=["basic", "multipart"])
        )
        header = given["upload"]["header"]
        assert httpx.put(header["1"], content=b"short").status_code == 422
        parts = []
        for number, size in ((1, 600_000), (2, 600_000)):
            etag = httpx.put(header[str(number)], content=bytes(size)).headers["ETag"]
            parts.append({"partNumber": number, "etag": etag})
        answer = httpx.post(given["upload"]["href"], json={"oid": oid_of(data), "parts": parts})
        assert answer.status_code == 422
        assert not list((small_parts.data / "blobs").rglob("*.bin"))


class TestBatch:
    def test_names_a_way_and_a_check(self, bazaar: LiveBazaar, repo_id: str) -> None:
        answer = batch(bazaar, repo_id, bazaar.alice, b"x", transfers=["basic", "multipart"])
        assert answer.headers["Content-Type"] == "application/vnd.git-lfs+json"
        assert answer.json()["transfer"] == "basic"
        given = actions(answer)
        assert given["upload"]["href"].startswith(f"{bazaar.url}/lfs/")
        assert "Authorization" not in given["upload"]["header"]

    @pytest.mark.parametrize("spelling", ["sha256", "sha_256", "sha-256", "SHA256", "Sha_256", None])
    def test_takes_the_hash_in_any_spelling(
        self, bazaar: LiveBazaar, repo_id: str, spelling: str | None
    ) -> None:
        assert actions(batch(bazaar, repo_id, bazaar.alice, b"x", hash_algo=spelling))["upload"]

    def test_never_downloads_by_xet(self, bazaar: LiveBazaar, repo_id: str) -> None:
        answer = batch(bazaar, repo_id, bazaar.alice, b"x", operation="download", transfers=["xet", "basic"])
        assert answer.json()["transfer"] == "basic"

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"not json", 400),
            (b"[]", 400),
            (b"{}", 400),
            (b'{"operation": "steal", "objects": []}', 400),
            (b'{"operation": "upload"}', 400),
            (b'{"operation": "upload", "objects": [7]}', 400),
            (b'{"operation": "upload", "objects": [{"oid": "../../etc/passwd", "size": 1}]}', 422),
            (b'{"operation": "upload", "objects": [{"oid": "' + b"a" * 64 + b'", "size": -1}]}', 422),
            (b'{"operation": "upload", "objects": [], "hash_algo": "md5"}', 501),
            (b'{"operation": "upload", "objects": [], "ref": 7}', 400),
            (b'{"operation": "upload", "transfers": 5, "objects": []}', 400),
        ],
    )
    def test_refuses_nonsense_in_json(
        self, bazaar: LiveBazaar, repo_id: str, body: bytes, status: int
    ) -> None:
        answer = httpx.post(
            f"{bazaar.url}/{repo_id}.git/info/lfs/objects/batch",
            headers={**LFS, "Authorization": f"Bearer {bazaar.alice.token}"},
            content=body,
        )
        assert answer.status_code == status
        assert answer.json()["message"]

    def test_needs_somebody_who_may_commit_or_propose(self, bazaar: LiveBazaar, repo_id: str) -> None:
        assert batch(bazaar, repo_id, None, b"x").status_code == 401
        assert batch(bazaar, repo_id, bazaar.bob, b"x").status_code == 200
        assert batch(bazaar, repo_id, bazaar.user(scopes="read"), b"x").status_code == 403

    def test_says_of_each_missing_object_that_it_is(self, bazaar: LiveBazaar, repo_id: str) -> None:
        [entry] = batch(bazaar, repo_id, None, b"nowhere", operation="download").json()["objects"]
        assert entry["error"]["code"] == 404

    def test_never_says_stored_for_a_hash_alone(self, bazaar: LiveBazaar, repo_id: str) -> None:
        """A stranger who knows the hash of a private object must send the bytes to use it."""
        data = os.urandom(1000)
        private = make_repository(bazaar, bazaar.bob, private=True)
        href = actions(batch(bazaar, private, bazaar.bob, data))["upload"]["href"]
        assert httpx.put(href, content=data).status_code == 200
        assert "upload" in actions(batch(bazaar, repo_id, bazaar.alice, data))

    @pytest.mark.parametrize("prefix", ["models/", "hf/", "csg/", "ms/"])
    def test_stands_at_the_mounts_of_other_dialects(
        self, bazaar: LiveBazaar, repo_id: str, prefix: str
    ) -> None:
        assert batch(bazaar, prefix + repo_id, bazaar.alice, b"x").status_code == 200

    def test_says_that_locks_are_not_kept(self, bazaar: LiveBazaar, repo_id: str) -> None:
        base = f"{bazaar.url}/{repo_id}.git/info/lfs/locks"
        answers = [httpx.post(f"{base}/verify", json={}), httpx.get(base), httpx.post(f"{base}/7/unlock")]
        assert [answer.status_code for answer in answers] == [501, 501, 501]
        assert "Locking files" in answers[0].json()["message"]


class TestSignedAddresses:
    @pytest.fixture
    def data(self) -> bytes:
        return os.urandom(70_000)

    @pytest.fixture
    def given(self, bazaar: LiveBazaar, repo_id: str, data: bytes) -> dict[str, Any]:
        return actions(batch(bazaar, repo_id, bazaar.alice, data))

    def test_take_the_bytes_and_give_them_back(
        self, bazaar: LiveBazaar, repo_id: str, given: dict[str, Any], data: bytes
    ) -> None:
        href = given["upload"]["href"]
        assert httpx.put(href, content=data).status_code == 200
        body = {"oid": oid_of(data), "size": len(data)}
        assert httpx.post(given["verify"]["href"], json=body).status_code == 200
        got = actions(batch(bazaar, repo_id, bazaar.alice, data, operation="download"))["download"]["href"]
        assert httpx.get(got).content == data
        part = httpx.get(got, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, data[10:20])
        assert httpx.head(got).headers["Content-Length"] == str(len(data))

    def test_do_no_harm_when_replayed(self, given: dict[str, Any], data: bytes) -> None:
        href = given["upload"]["href"]
        assert [httpx.put(href, content=data).status_code for _ in range(2)] == [200, 200]
        assert httpx.put(href, content=data[::-1]).status_code == 422

    def test_take_a_chunked_body(self, given: dict[str, Any], data: bytes) -> None:
        def pieces() -> Iterator[bytes]:
            for start in range(0, len(data), 7_000):
                yield data[start : start + 7_000]

        assert httpx.put(given["upload"]["href"], content=pieces()).status_code == 200

    def test_refuse_other_bytes_and_keep_none(
        self, bazaar: LiveBazaar, repo_id: str, given: dict[str, Any], data: bytes
    ) -> None:
        href = given["upload"]["href"]
        for wrong in (data[:-1], data + b"x", data[::-1]):
            answer = httpx.put(href, content=wrong)
            assert answer.status_code == 422
            assert "Nothing was stored" in answer.json()["message"]
        assert httpx.post(given["verify"]["href"], json={}).status_code == 404
        assert "upload" in actions(batch(bazaar, repo_id, bazaar.alice, data))

    def test_are_refused_when_altered(self, given: dict[str, Any], data: bytes) -> None:
        href = given["upload"]["href"]
        other = oid_of(b"other")
        for altered in (
            href.replace(oid_of(data), other),
            href[:-1] + ("A" if href[-1] != "A" else "B"),
            href.replace("grant=", "grant=e30"),
            href.partition("?")[0],
        ):
            assert httpx.put(altered, content=b"other").status_code == 403
        # A long body is taken off the wire, so that the client can read the refusal.
        assert httpx.put(href + "x", content=bytes(20_000_000)).status_code == 403
        # Good for one thing only.
        assert httpx.get(href).status_code == 403
        assert httpx.put(given["verify"]["href"].replace("/verify", ""), content=data).status_code == 403


class TestStraightToTheStore:
    """With an S3 store the bytes never pass through the hub on their way in or out."""

    def test_git_lfs_sends_and_fetches_there(self, stored: LiveBazaar, s3_store: ObjectStore) -> None:
        repo_id = make_repository(stored, stored.alice, private=True)
        work = lfs_clone(stored, repo_id, stored.alice)
        data = os.urandom(3_000_000)
        work.commit(a__bin=data, b__bin=b"")
        pushed = work.git("push", "origin", "main", GIT_CURL_VERBOSE="1", GIT_TRACE="1")
        assert s3_store.endpoint.removeprefix("http://") in pushed.err
        assert "PUT /lfs/objects" not in pushed.err
        other = lfs_clone(stored, repo_id, stored.alice)
        assert (other.folder / "a.bin").read_bytes() == data
        assert not list((stored.data / "blobs").rglob("*"))
        answer = httpx.get(
            f"{stored.url}/{repo_id}/resolve/main/a.bin",
            headers={"Authorization": f"Bearer {stored.alice.token}"},
        )
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(s3_store.endpoint)
        assert httpx.get(answer.headers["Location"]).content == data

    def test_parts_go_there_too_and_are_checked(self, stored: LiveBazaar) -> None:
        repo_id = make_repository(stored, stored.alice)
        data = os.urandom(7_000_000)
        given = actions(batch(stored, repo_id, stored.alice, data, transfers=["basic", "multipart"]))
        header = given["upload"]["header"]
        size = int(header["chunk_size"])
        parts = []
        for number in (1, 2):
            piece = data[(number - 1) * size : number * size]
            etag = httpx.put(header[str(number)], content=piece).headers["ETag"]
            parts.append({"partNumber": number, "etag": etag})
        answer = httpx.post(given["upload"]["href"], json={"oid": oid_of(data), "parts": parts})
        assert answer.status_code == 200, answer.text
        got = actions(batch(stored, repo_id, stored.alice, data, operation="download"))["download"]["href"]
        assert httpx.get(got).content == data

    def test_other_bytes_are_not_taken(self, stored: LiveBazaar) -> None:
        repo_id = make_repository(stored, stored.alice)
        data = os.urandom(1000)
        given = actions(batch(stored, repo_id, stored.alice, data))
        assert httpx.put(given["upload"]["href"], content=data[::-1]).status_code == 200
        verify = {"oid": oid_of(data), "size": len(data)}
        assert httpx.post(given["verify"]["href"], json=verify).status_code == 422
        assert "upload" in actions(batch(stored, repo_id, stored.alice, data))


class TestQuota:
    def test_is_checked_when_negotiating_and_says_the_figures(self, make_bazaar: Any) -> None:
        small: LiveBazaar = make_bazaar(BAZAAR_STORAGE_QUOTA_BYTES="100000")
        repo_id = make_repository(small, small.alice)
        answer = batch(small, repo_id, small.alice, bytes(200_000))
        assert answer.status_code == 403
        assert "100000" in answer.json()["message"]
        first, second = bytes(60_000), bytes(60_001)
        hrefs = [
            actions(batch(small, repo_id, small.alice, data))["upload"]["href"] for data in (first, second)
        ]
        assert httpx.put(hrefs[0], content=first).status_code == 200
        assert httpx.put(hrefs[1], content=second).status_code == 403
        work = WorkingFolder.clone(small, repo_id, small.alice)
        work.write(".gitattributes", BINARY_ATTRIBUTES)
        work.commit(a__txt=os.urandom(30_000).hex())
        refused = work.git("push", "origin", "main", fails=True)
        assert "at most 100000 bytes" in refused.err
