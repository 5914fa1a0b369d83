"""The first things that somebody does with a new hub, by the clients that people have."""

from __future__ import annotations

import os
import secrets
import tempfile
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bazaar_client.market import Market
from tests.containers.compose import Project
from tests.servers.clients import run_python
from tests.waiting import until

PRODUCT = "h100-sxm-80g.cn-east.reserved.ib"
LARGE_BYTES = 12 * 1024**2

UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("alice/first")
api.upload_folder(repo_id="alice/first", folder_path=sys.argv[1])
"""
DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download("alice/first", local_dir=sys.argv[1]))
"""


@dataclass
class Journey:
    """One user of a project: what she uploads, and the order that she places."""

    project: Project
    port: int
    token: str = field(default_factory=lambda: f"hf_{secrets.token_hex(17)}")
    large: bytes = field(default_factory=lambda: secrets.token_bytes(LARGE_BYTES))

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def sign_up(self) -> None:
        words = ("create_user", "alice", "--password", secrets.token_urlsafe(16), "--token", self.token)
        self.project.run_in("web", "bazaar", "manage", *words, "--scopes", "write,trade")

    def upload(self) -> None:
        """Make a repository with a small file, and one that is kept as an object."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "README.md").write_text("# First\n")
            (folder / "model.safetensors").write_bytes(self.large)
            self._run(UPLOAD, folder)

    def download(self) -> None:
        """Fetch the repository again; every byte is as it was sent."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "fetched"
            self._run(DOWNLOAD, folder)
            assert (folder / "README.md").read_text() == "# First\n"
            assert (folder / "model.safetensors").read_bytes() == self.large

    def order(self) -> int:
        """Place an order of the market; a worker accepts it. Gives its number."""
        self.project.run_in("web", "bazaar", "manage", "seed_market")
        self.project.run_in("web", "bazaar", "manage", "deposit", "alice", "1000", "--key", "first")
        # An hour that a real server still has before it, whatever the moment.
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
        when = {"start": start, "end": start + timedelta(hours=2)}
        placed = self.market.place(side="buy", product=PRODUCT, gpus=1, limit_price=6_000_000, **when)
        self.sees_order(int(placed["id"]))
        return int(placed["id"])

    def sees_order(self, number: int) -> None:
        """The order rests in the book, so a worker has seen it."""
        until(lambda: self.market.order(number)["state"] == "open", what=lambda: self.market.order(number))

    @property
    def market(self) -> Market:
        return Market(self.url, self.token)

    def answers(self) -> None:
        """Everything that the hub needs answers, through the front server."""
        with urllib.request.urlopen(f"{self.url}/readyz", timeout=30) as answer:
            assert answer.status == 200

    def _run(self, script: str, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as home:
            env = {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HOME": home, "PATH": os.environ["PATH"]}
            run_python(script.replace("sys.argv[1]", repr(str(folder))), env=env)
