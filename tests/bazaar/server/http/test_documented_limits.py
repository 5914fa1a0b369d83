"""Each limit of connections is in docs/configuration.md, with the number that is in force."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from bazaar.server.http.chunks import LINE_BYTES_MAX, TRAILER_BYTES_MAX
from bazaar.server.http.limits import KIB, MIB, Limits
from bazaar.server.http.requests import LOOP_LINES_MAX
from foundation.bodies import UNKNOWN_BYTES_MAX

PAGE = Path(__file__).resolve().parents[4] / "docs/configuration.md"
USUAL = Limits()
# By limit: what its line of the table holds. The two that hold no number are explained elsewhere on the page.
LINES = {
    "head_seconds": ("for the head of a request", f"| {USUAL.head_seconds:.0f} | `BAZAAR_WEB_HEAD_SECONDS`"),
    "idle_seconds": ("between two requests", f"| {USUAL.idle_seconds:.0f} | `BAZAAR_WEB_IDLE_SECONDS`"),
    "head_bytes": ("bytes of a head", f"| {USUAL.head_bytes // KIB} KiB · "),
    "target_bytes": ("of the address in it", f" · {USUAL.target_bytes:,} · "),
    "header_count": ("headers", f" · {USUAL.header_count} |"),
    "buffered_body_bytes": (
        "body that the event loop receives",
        f"| {USUAL.buffered_body_bytes // KIB} KiB · ",
    ),
    "buffered_total_bytes": ("all such bodies together", f" · {USUAL.buffered_total_bytes // MIB} MiB |"),
    "unsent_total_bytes": ("wait in memory for slow readers", f"| {USUAL.unsent_total_bytes // MIB} MiB |"),
    "transfer": (
        "an upload, or a response that is made",
        f"| {USUAL.transfer.stall_seconds:.0f} · 1 KiB/s |",
    ),
    "send": ("a finished response or a file", f"| {USUAL.send.stall_seconds:.0f} · 1 KiB/s |"),
    "linger_seconds": ("is received and dropped", f"| {USUAL.linger_seconds:.0f} |"),
    "threads": ("threads that work", f"| {USUAL.threads} | `BAZAAR_WEB_THREADS`"),
    "transfers": ("threads that wait", f"| {USUAL.transfers} | `BAZAAR_WEB_TRANSFERS`"),
    "kept_bytes_per_second": ("threads that wait", f"below {USUAL.kept_bytes_per_second // KIB} KiB/s"),
    "connections": ("connections; when that many", f"| {USUAL.connections:,} | `BAZAAR_WEB_CONNECTIONS`"),
    "connections_per_address": (
        "connections from one address",
        "| 512 | `BAZAAR_WEB_CONNECTIONS_PER_ADDRESS`",
    ),
    "trusted_proxies": ("connections from one address", "`BAZAAR_TRUSTED_PROXIES`"),
    "head_dispatch_prefixes": ("", ""),  # which views take their connections: no limit
    "graceful_seconds": (
        "when the server stops",
        f"| {USUAL.graceful_seconds:.0f} | `BAZAAR_GRACEFUL_SECONDS`",
    ),
}
OTHERS = {
    "lines of chunked coding": f"| {LOOP_LINES_MAX:,} |",
    "one line of chunked coding": f"| {LINE_BYTES_MAX // KIB} KiB · {TRAILER_BYTES_MAX // KIB} KiB |",
    "a caller whom nobody knows": f"| {UNKNOWN_BYTES_MAX // KIB} KiB |",
}


def table() -> list[str]:
    section = PAGE.read_text().partition("## Limits of connections")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")]


class TestTheTable:
    def test_has_each_limit(self) -> None:
        assert {field.name for field in fields(Limits)} == LINES.keys()

    @pytest.mark.parametrize(("words", "number"), [*LINES.values(), *OTHERS.items()])
    def test_says_what_is_in_force(self, words: str, number: str) -> None:
        assert any(words in line and number in line for line in table()), (words, number)

    def test_says_at_which_pace_transfers_end(self) -> None:
        assert (USUAL.transfer.bytes_per_second, USUAL.send.bytes_per_second) == (KIB, KIB)
        assert (USUAL.transfer.window_seconds, USUAL.send.window_seconds) == (60, 600)
