"""Downloads as the real clients make them are counted as the rules say."""

from __future__ import annotations

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


class TestDownloads:
    def test_count_each_requester_once_an_hour(self, live_bazaar: LiveBazaar) -> None:
        live_bazaar.manage("seed")
        for user in (None, None, live_bazaar.alice, live_bazaar.bob):
            clients.run_python(SNAPSHOT, env=live_bazaar.client_env(user))
        live_bazaar.remote.call("hub.downloads.tasks:flush")
        done = clients.run_python(COUNT, env=live_bazaar.client_env())
        assert done.out.split() == ["3", "3"]
