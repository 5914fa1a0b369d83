"""From the last release to this one: neither fails on the schema that it may meet.

`script/upgrade` runs the last release's own tests on this schema besides.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

from tests.bazaar.backups.test_live import tomorrows_order
from tests.servers.git import WorkingFolder, make_repository
from tests.servers.live import LiveBazaar, python_path, unique
from tests.servers.releases import last_release
from tests.servers.remote import ROOT


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return last_release(tmp_path_factory.mktemp("former") / "code")


@pytest.fixture(params=["sqlite", "postgres"])
def bazaar(request: pytest.FixtureRequest, former: Path, tmp_path: Path) -> Iterator[LiveBazaar]:
    """A bazaar of the last release, with a Redis; nothing else of it runs yet."""
    database_url = ""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        name = unique("upgraded").replace("-", "_")
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
        database_url = urlsplit(url)._replace(path=f"/{name}").geturl()
    settings = {"BAZAAR_WEB_WORKERS": "1", "BAZAAR_LFS_THRESHOLD_BYTES": "1000"}
    made = LiveBazaar(tmp_path / "hub", database_url=database_url, settings=settings, root=former)
    try:
        made.start_redis()
        yield made
    finally:
        made.close()


def run_this_release(bazaar: LiveBazaar, *words: str) -> None:
    """Run a command of this release on the database of the other one."""
    env = {**bazaar.env, "PYTHONPATH": python_path(ROOT)}
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def use_code_of(bazaar: LiveBazaar, root: Path) -> None:
    bazaar.root = root
    bazaar.env["PYTHONPATH"] = python_path(root)


def test_each_release_lives_on_the_schema_that_it_may_meet(bazaar: LiveBazaar, former: Path) -> None:
    bazaar.manage("migrate", "--verbosity=0")
    use_code_of(bazaar, ROOT)
    bazaar.start_web()
    _is_not_ready_and_fails_no_request(bazaar)
    run_this_release(bazaar, "migrate", "--verbosity=0")
    assert httpx.get(f"{bazaar.url}/readyz").status_code == 200
    assert httpx.get(f"{bazaar.url}/").status_code == 200
    bazaar.stop_web()
    use_code_of(bazaar, former)
    bazaar.start_web()
    with bazaar.worker():
        _works(bazaar)
    assert "request_failed" not in bazaar.log_path.read_text()


def _is_not_ready_and_fails_no_request(bazaar: LiveBazaar) -> None:
    ready = httpx.get(f"{bazaar.url}/readyz")
    assert ready.status_code == 503
    assert "migrations pending" in ready.json()["dependencies"]["schema"]
    for path in ("/", "/api/models", "/api/market/v1/products", "/login", "/nobody/nothing/info/refs"):
        answer = httpx.get(f"{bazaar.url}{path}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def _works(bazaar: LiveBazaar) -> None:
    """The last release serves its clients on the schema of this one."""
    user = bazaar.user(scopes="write,trade")
    api = HfApi(endpoint=bazaar.url, token=user.token)
    repo = make_repository(bazaar, user)
    large = random.Random(1).randbytes(50_000)
    files = [CommitOperationAdd("large.bin", large), CommitOperationAdd("words.txt", b"some words")]
    api.create_commit(repo, files, commit_message="files")
    assert len(list(api.list_repo_commits(repo))) >= 1
    folder = WorkingFolder.clone(bazaar, repo, user)
    assert (folder.folder / "words.txt").read_bytes() == b"some words"
    pushed = folder.commit(notes__txt="pushed")
    folder.git("push", "-q")
    assert api.model_info(repo).sha == pushed
    found = hf_hub_download(
        repo, "large.bin", endpoint=bazaar.url, token=user.token, cache_dir=folder.folder.parent / "cache"
    )
    assert Path(found).read_bytes() == large
    talk = api.create_discussion(repo, "A question", description="words")
    api.comment_discussion(repo, talk.num, "an answer")
    api.update_repo_settings(repo, private=True)
    order = {**tomorrows_order(bazaar, user), "client_order_id": "first"}
    placed = httpx.post(
        f"{bazaar.url}/api/market/v1/orders", json=order, headers={"Authorization": f"Bearer {user.token}"}
    )
    assert placed.is_success, placed.text
    api.delete_repo(repo)
