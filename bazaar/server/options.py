"""The command-line options of the server."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bazaar.paths import command, data_folder
from foundation.environment import text


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    data: Path
    empty: bool
    local_node: bool = True


def parse(argv: Sequence[str] | None = None) -> Options:
    """Read the command line, whose defaults are the BAZAAR_ variables. Exits with usage on nonsense."""
    parser = argparse.ArgumentParser(
        prog=command("server"),
        description="Run the whole bazaar on this machine: web, worker, beat and Redis.",
    )
    parser.add_argument(
        "--host",
        default=text("BAZAAR_HOST", default="127.0.0.1"),
        help="address to listen on (BAZAAR_HOST; default 127.0.0.1, this machine only)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=text("BAZAAR_PORT", default="8000"),
        help="port to listen on (BAZAAR_PORT; default 8000; 0 takes a free one)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=data_folder(),
        help="folder of all stored data (BAZAAR_DATA_DIR; default %(default)s)",
    )
    parser.add_argument(
        "--empty", action="store_true", help="on the first start, make no catalogue and no demo account"
    )
    parser.add_argument(
        "--no-local-node",
        action="store_false",
        dest="local_node",
        help="do not offer this machine's processors on the market (BAZAAR_MARKET_LOCAL_NODE=no)",
    )
    chosen = parser.parse_args(argv)
    return Options(
        host=chosen.host,
        port=chosen.port,
        data=chosen.data.resolve(),
        empty=chosen.empty,
        local_node=chosen.local_node,
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
