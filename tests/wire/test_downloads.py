"""Downloads as the real clients make them are counted as the rules say."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from huggingface_hub import HfApi

from tests.clock import moment
from tests.servers import clients
from tests.servers.live import LiveBazaar

SNAPSHOT = """
from huggingface_hub import snapshot_download
print(snapshot_download("openai/gsm8k", repo_type="dataset"))
"""
COUNT = """
from huggingface_hub import HfApi
info = HfApi().dataset_info("openai/gsm8k", expand=["downloads", "downloadsAllTime"])
print(info.downloads, info.downloads_all_time)
"""


def hour() -> int:
    """The hour of the clock that downloads are counted in."""
    return int(moment().timestamp()) // 3600


class TestDownloads:
    def test_count_each_requester_once_an_hour(self, live_bazaar: LiveBazaar) -> None:
        live_bazaar.manage("seed")
        begun_in = hour()
        for user in (None, None, live_bazaar.alice, live_bazaar.bob):
            clients.run_python(SNAPSHOT, env=live_bazaar.client_env(user))
        # If an hour began in between, a user who fetched before and after it counts twice.
        expected = [["3", "3"]] if hour() == begun_in else [["3", "3"], ["4", "4"]]
        until = time.monotonic() + 20
        while True:
            # The web tells Redis a moment after it has served.
            live_bazaar.remote.call("hub.downloads.tasks:flush")
            counted = clients.run_python(COUNT, env=live_bazaar.client_env()).out.split()
            if counted in expected or time.monotonic() > until:
                break
        assert counted in expected

    def test_are_not_lost_when_the_web_stops_at_once(self, make_bazaar: Callable[..., LiveBazaar]) -> None:
        bazaar = make_bazaar()
        repo_id = f"{bazaar.alice.name}/stopped"
        HfApi(bazaar.url, token=bazaar.alice.token).create_repo(repo_id)
        assert httpx.get(f"{bazaar.url}/{repo_id}/resolve/main/.gitattributes").status_code == 200
        bazaar.stop_web()
        bazaar.start_web()
        bazaar.remote.call("hub.downloads.tasks:flush")
        assert httpx.get(f"{bazaar.url}/api/models/{repo_id}").json()["downloads"] == 1
