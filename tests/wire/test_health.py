"""The smallest thing a live bazaar does, on each database."""

import urllib.request

from tests.servers.live import LiveBazaar


class TestALiveBazaar:
    def test_answers_that_it_is_alive(self, live_bazaar: LiveBazaar) -> None:
        with urllib.request.urlopen(f"{live_bazaar.url}/healthz") as response:
            assert response.read() == b"ok\n"

    def test_runs_management_commands_on_its_own_database(self, live_bazaar: LiveBazaar) -> None:
        assert "[X]" in live_bazaar.manage("showmigrations", "sessions")
