"""`python -m bazaar.server.keys FOLDER`: the secrets of a deployment, one file each, made at its first start.

The parts read them by variables such as BAZAAR_SECRET_KEY_FILE, and the stores beside them by options of
their own. A secret that the environment gives replaces the one of its file; a file that is there is kept.
"""

from __future__ import annotations

import argparse
import json
import secrets
from pathlib import Path

from foundation import environment as env

VARIABLES = {
    "secret_key": "BAZAAR_SECRET_KEY",
    "postgres_password": "POSTGRES_PASSWORD",
    "s3_access_key": "S3_ACCESS_KEY",
    "s3_secret_key": "S3_SECRET_KEY",
}
"""File → the variable that gives its text."""

STORE_FILE = "s3.json"
# The stores run as other users than the bazaar, so the files are as open as the folder that they are in.
MODE = 0o644


@env.told_in_a_sentence
def main() -> int:
    parser = argparse.ArgumentParser(prog="bazaar.server.keys", description=__doc__)
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)
    return 0


def make(folder: Path) -> None:
    """Write the files that are missing, and those whose text the environment gives. Raises: OSError."""
    for name, variable in VARIABLES.items():
        path = folder / name
        kept = path.read_text() if path.exists() else ""
        _write(path, env.text(variable).strip() or kept or secrets.token_hex(32))
    keys = {
        "accessKey": (folder / "s3_access_key").read_text(),
        "secretKey": (folder / "s3_secret_key").read_text(),
    }
    identity = {"name": "bazaar", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}
    _write(folder / STORE_FILE, json.dumps({"identities": [identity]}))


def _write(path: Path, text: str) -> None:
    """Replace the file at once, so that a stop halfway leaves the old one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.chmod(MODE)
    partial.replace(path)


if __name__ == "__main__":
    main()
