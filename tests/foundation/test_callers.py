from typing import Any

import pytest
from django.test import RequestFactory

from foundation import callers


class TestNetworkOf:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("10.1.2.3", "10.1.2.3"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            ("unix", "unix"),
        ],
    )
    def test_is_what_one_caller_may_own(self, address: str, network: str) -> None:
        assert callers.network_of(address) == network


class TestIsOnThisMachine:
    @pytest.mark.parametrize(
        ("address", "local"),
        [
            ("127.0.0.1", True),
            ("127.9.9.9", True),
            ("::1", True),
            ("::ffff:127.0.0.1", True),
            ("10.0.0.1", False),
            ("", False),
        ],
    )
    def test_is_true_of_loopback_addresses(self, address: str, local: bool) -> None:
        assert callers.is_on_this_machine(RequestFactory().get("/", REMOTE_ADDR=address)) is local

    @pytest.mark.parametrize("header", callers.FORWARDED_HEADERS)
    def test_is_false_of_a_request_that_a_front_server_passed_on(self, header: str) -> None:
        request = RequestFactory().get("/", **{header: "127.0.0.1"})
        assert not callers.is_on_this_machine(request)

    def test_is_false_behind_a_front_server(self, settings: Any) -> None:
        settings.BEHIND_FRONT_SERVER = True
        assert not callers.is_on_this_machine(RequestFactory().get("/"))
