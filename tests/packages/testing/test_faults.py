from __future__ import annotations

import pytest

from tests.packages.testing.conftest import RunTests

FAULTS = """
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request

import pytest

DATA = bytes(range(256)) * 400
FILE = "/acme/tiny/resolve/main/a.dat"


@pytest.fixture
def get(model_hub):
    model_hub.add_model("acme/tiny", files={"a.dat": DATA})

    def get(path=FILE, **options):
        request = urllib.request.Request(model_hub.url + path, **options)
        with urllib.request.urlopen(request) as answer:
            return answer.read(), answer.headers

    return get


def test_cut(model_hub, get):
    model_hub.faults.add(cut_after=1000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get()
    assert caught.value.partial == DATA[:1000]
    assert model_hub.requests[-1].sent_bytes == 1000


def test_cut_before_all(model_hub, get):
    model_hub.faults.add(cut_after=0, times=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        get()
    assert get()[0] == DATA


def test_wrong_bytes(model_hub, get):
    model_hub.faults.add(wrong_bytes=True)
    body, _ = get()
    assert len(body) == len(DATA) and body != DATA


@pytest.mark.parametrize("change", [-5, 7, -1000])
def test_wrong_length(model_hub, get, change):
    model_hub.faults.add(wrong_length=change)
    body, headers = get()
    assert len(body) == len(DATA) + change == int(headers["Content-Length"])


def test_latency_and_bandwidth(model_hub, get):
    model_hub.faults.add(latency=0.2, bandwidth=len(DATA) * 4)
    started = time.monotonic()
    assert get()[0] == DATA
    assert 0.4 < time.monotonic() - started


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("path", [FILE, "/modelscope/api/v1/models", "/api/v1/models"])
def test_status(model_hub, get, status, path):
    model_hub.faults.add(status=status, retry_after=3)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(path)
    assert caught.value.code == status and caught.value.headers["Retry-After"] == "3"
    with caught.value as answer:
        assert b"{" in answer.read()


def test_stale_etag(model_hub, get):
    right = get()[1]["ETag"]
    model_hub.faults.add(stale_etag=True)
    body, headers = get()
    assert body == DATA and headers["ETag"] != right


def test_expired_token(model_hub, get):
    model_hub.faults.add(expired_token=True, route="/api/whoami-v2")
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("/api/whoami-v2", headers={"Authorization": f"Bearer {model_hub.token}"})
    with caught.value as answer:
        assert answer.code == 401


def test_upload_is_cut(model_hub, get):
    model_hub.faults.add("*/commit/*", cut_upload_after=10, times=1)
    body = b'{"key":"header","value":{"summary":"x"}}\\n'
    body += b'{"key":"file","value":{"path":"b","content":"Yg==","encoding":"base64"}}\\n'
    headers = {"Authorization": f"Bearer {model_hub.token}", "Content-Type": "application/x-ndjson"}
    with pytest.raises((OSError, http.client.HTTPException)):
        get("/api/models/acme/tiny/commit/main", data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("/acme/tiny/resolve/main/b")
    caught.value.close()
    get("/api/models/acme/tiny/commit/main", data=body, headers=headers)
    assert get("/acme/tiny/resolve/main/b")[0] == b"b"


def test_lost_task(model_hub, get):
    from huggingface_hub import HfApi

    fault = model_hub.faults.add(task="hub.community.*", lost=True)
    HfApi().create_discussion("acme/tiny", title="Words")
    assert get()[0] == DATA
    assert fault.hits > 0


def test_narrowed(model_hub, get):
    model_hub.add_model("acme/other", files={"a.dat": b"o"})
    fault = model_hub.faults.add(repository="acme/other", method="GET", status=500)
    assert get()[0] == DATA
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("/acme/other/resolve/main/a.dat")
    caught.value.close()
    assert fault.hits == 1
    fault.remove()
    assert get("/acme/other/resolve/main/a.dat")[0] == b"o"


@pytest.mark.parametrize("xet_is_off", [True, False])
def test_narrowed_to_large_files(model_hub, get, monkeypatch, xet_is_off):
    from huggingface_hub import HfApi, hf_hub_download

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", xet_is_off)
    model_hub.add_model("acme/other")
    sent = [model_hub.faults.add("/xet/*" if not xet_is_off else "/lfs/*", repository=name, latency=0.01)
            for name in ("acme/tiny", "acme/other")]
    weights = os.urandom(300_000)
    HfApi().upload_file(path_or_fileobj=weights, path_in_repo="w.bin", repo_id="acme/other")
    assert [fault.hits > 0 for fault in sent] == [False, True]
    model_hub.faults.clear()
    data = [model_hub.faults.add("*/data/*" if not xet_is_off else "*/w.bin", method="GET", repository=name,
            latency=0.01) for name in ("acme/tiny", "acme/other")]
    with open(hf_hub_download("acme/other", "w.bin"), "rb") as file:
        assert file.read() == weights
    assert [fault.hits > 0 for fault in data] == [False, True]


def test_slow_task(model_hub, get):
    from huggingface_hub import HfApi

    fault = model_hub.faults.add(task="hub.community.*", latency=0.3, times=1)
    started = time.monotonic()
    HfApi().create_discussion("acme/tiny", title="Words")
    assert time.monotonic() - started >= 0.3 and fault.hits == 1
"""


class TestFaults:
    @pytest.mark.timeout(200)
    def test_each_does_what_it_says(self, run_tests: RunTests) -> None:
        text = run_tests(FAULTS)
        assert " passed" in text
        assert "failed" not in text
