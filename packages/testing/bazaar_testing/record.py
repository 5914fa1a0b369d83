"""`bazaar record`: keep what a hub holds as a bundle for tests (docs/testing.md). Standard library only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bazaar_testing import bundles


def main(argv: Sequence[str] | None = None) -> int:
    """0 when everything was recorded; 1 when the hub or the folder did not allow it."""
    parser = argparse.ArgumentParser(
        prog="bazaar record",
        description="Save the metadata and small files of a hub's repositories as a bundle for tests.",
    )
    parser.add_argument("--upstream", required=True, metavar="URL")
    parser.add_argument(
        "--repo", action="append", required=True, help="OWNER/NAME or datasets/OWNER/NAME; repeatable."
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument(
        "--max-bytes",
        type=int,
        default=bundles.MAX_BYTES,
        help="Larger files become stand-ins (default: %(default)s).",
    )
    parser.add_argument(
        "--token", default=os.environ.get("HF_TOKEN", ""), help="An access token; left out: HF_TOKEN."
    )
    options = parser.parse_args(argv)
    upstream = bundles.Upstream(options.upstream, options.token)
    try:
        index = bundles.record(upstream, options.repo, options.out, max_bytes=options.max_bytes)
    except bundles.CannotRecord as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for repository in index["repositories"]:
        sys.stdout.write(f"{repository['kind']} {repository['id']}: {len(repository['files'])} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
