"""The smallest thing a live bazaar does, on each database."""

import socket
import urllib.request
from collections.abc import Callable

from tests.servers.live import LiveBazaar


class TestALiveBazaar:
    def test_answers_that_it_is_alive(self, live_bazaar: LiveBazaar) -> None:
        with urllib.request.urlopen(f"{live_bazaar.url}/healthz") as response:
            assert response.read() == b"ok\n"

    def test_runs_management_commands_on_its_own_database(self, live_bazaar: LiveBazaar) -> None:
        assert "[X]" in live_bazaar.manage("showmigrations", "sessions")

    def test_is_known_as_a_node_while_its_web_server_runs(
        self, make_bazaar: Callable[..., LiveBazaar]
    ) -> None:
        """Else a web node that replaces another would count as a second one for a while."""
        bazaar = make_bazaar()
        assert bazaar.remote.call("bazaar.nodes:serving") == [socket.gethostname()]
        bazaar.stop_web()
        assert bazaar.remote.call("bazaar.nodes:serving") == []
