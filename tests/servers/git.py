"""git as people use it: a working folder, a remote, and what was printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.servers.clients import Run, run
from tests.servers.live import LiveBazaar, LiveUser, unique

BINARY_ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


def make_repository(
    bazaar: LiveBazaar, owner: LiveUser, name: str = "", *, kind: str = "model", private: bool = False
) -> str:
    """Create a repository by the API; return its id."""
    name = name or unique("repo")
    answer = httpx.post(
        f"{bazaar.url}/api/repos/create",
        headers={"Authorization": f"Bearer {owner.token}"},
        json={"name": name, "type": kind, "private": private},
    )
    assert answer.status_code == 200, answer.text
    return f"{owner.name}/{name}"


def info(bazaar: LiveBazaar, repo_id: str, user: LiveUser | None = None) -> dict[str, object]:
    """The hub's description of a model."""
    headers = {"Authorization": f"Bearer {user.token}"} if user else {}
    answer = httpx.get(f"{bazaar.url}/api/models/{repo_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


class WorkingFolder:
    """A clone on somebody's machine."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self.env, self.folder = dict(env), folder

    @classmethod
    def clone(
        cls,
        bazaar: LiveBazaar,
        path: str,
        user: LiveUser | None = None,
        *options: str,
        env: Mapping[str, str] | None = None,
    ) -> WorkingFolder:
        environment = dict(env or bazaar.client_env(user))
        folder = Path(environment["HOME"]) / unique("clone")
        run(["git", "clone", "-q", *options, bazaar.git_url(path, user), folder], env=environment)
        return cls(environment, folder)

    def git(self, *words: str, fails: bool = False, **env: str) -> Run:
        return run(["git", *words], env={**self.env, **env}, cwd=self.folder, fails=fails)

    def write(self, name: str, data: bytes | str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def commit(self, /, **files: bytes | str) -> str:
        """Commit files (`__` in a name stands for a dot); return the commit's id."""
        for name, data in files.items():
            self.write(name.replace("__", "."), data)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"change {unique('commit')}")
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").out.strip()
