from __future__ import annotations

import ipaddress

import pytest

from foundation.errors import Invalid
from hub.community import webhook_addresses
from hub.community.errors import AddressForbidden

PRIVATE = """
    127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1
    192.0.2.1 198.18.0.1
    224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fe80::1 fc00::1 fd12::1 ff02::1 2001:db8::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::a9fe:a9fe
""".split()
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


class TestIsPublic:
    @pytest.mark.parametrize("text", PRIVATE)
    def test_is_false_for_every_address_of_an_inner_network(self, text: str) -> None:
        assert not webhook_addresses.is_public(ipaddress.ip_address(text))

    @pytest.mark.parametrize("text", PUBLIC)
    def test_is_true_for_the_open_internet(self, text: str) -> None:
        assert webhook_addresses.is_public(ipaddress.ip_address(text))


class TestSplitUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "//example.org/",
            "http:///path",
            "http://user:pass@example.org/",
            "http://example.org:99999/",
            "http://example.org:0/",
            "http://example.org/a b",
            "http://example.org/\r\nHost: x",
            "http://[::1/",
            "http://a..example.org/",
            f"http://{'a' * 64}.example.org/",
            "http://\u3000example.org/",
            "http://exa$mple.org/",
        ],
    )
    def test_refuses_what_may_not_be_called_at_all(self, url: str) -> None:
        with pytest.raises(Invalid):
            webhook_addresses.split_url(url)


class TestRequireLiteralPublic:
    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost/",
            "http://a.localhost./",
            "http://127.0.0.1:80/",
            "http://[::1]/",
            "http://0:8000/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://\u2460\u2461\u2466.0.0.1/",
            "http://\uff4c\uff4f\uff43\uff41lhost/",
        ],
    )
    def test_refuses_without_asking_the_name_server(self, url: str) -> None:
        with pytest.raises(AddressForbidden):
            webhook_addresses.require_literal_public(webhook_addresses.split_url(url))


class TestResolve:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "017700000001"])
    def test_refuses_loopback_in_any_spelling(self, host: str) -> None:
        with pytest.raises(AddressForbidden):
            webhook_addresses.resolve(host, 80, may_be_private=False)

    def test_allows_it_where_the_operator_does(self) -> None:
        assert webhook_addresses.resolve("127.0.0.1", 80, may_be_private=True) == ["127.0.0.1"]
