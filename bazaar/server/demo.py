"""The account that the first start makes for the person in front of the terminal."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.accounts.token_text import new_token_text

FILE = "demo_sign_in.json"


@dataclass(frozen=True)
class DemoSignIn:
    """Random for every data folder; kept in a file that only its owner can read."""

    name: str
    password: str
    token: str


def load(data: Path) -> DemoSignIn | None:
    """The demo account that the first start created; None with --empty, or after the file was deleted."""
    try:
        return DemoSignIn(**json.loads((data / FILE).read_text()))
    except FileNotFoundError:
        return None


def make(data: Path, *, token_prefix: str) -> DemoSignIn:
    """Invent a sign-in and keep it. The account itself is the caller's to make."""
    sign_in = DemoSignIn(name="demo", password=secrets.token_urlsafe(12), token=new_token_text(token_prefix))
    partial = data / f"{FILE}.partial"
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(asdict(sign_in), file)
    partial.replace(data / FILE)
    return sign_in
