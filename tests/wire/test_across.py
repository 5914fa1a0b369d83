"""One hub, five clients: what one of them writes, all of them read; what is refused, each understands."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers.clients import Run, program, run
from tests.servers.git import BINARY_ATTRIBUTES, WorkingFolder, make_repository
from tests.servers.live import LiveBazaar, LiveUser, unique

MB = 1_000_000
# The machine that CI gives has two cores, and so many clients run at a time.
CLIENTS_AT_ONCE = 2


@dataclass(frozen=True)
class Machine:
    """A machine for a client: a home that has never seen this hub, and the token of a user, or no token."""

    bazaar: LiveBazaar
    user: LiveUser | None

    def env(self) -> dict[str, str]:
        """A new home, where git knows git-lfs as it does after `git lfs install`."""
        env = self.bazaar.client_env(self.user)
        run(["git", "lfs", "install", "--skip-repo"], env=env)
        home = env["HOME"]
        return {
            **env,
            "CSGHUB_HOME": home,
            "CSGHUB_CACHE": f"{home}/csg",
            "MODELSCOPE_HOME": f"{home}/ms",
            **({"MODELSCOPE_API_TOKEN": self.user.token} if self.user else {}),
        }

    def run(self, name: str, *words: str | Path, fails: bool = False, **env: str) -> Run:
        return run([program(name), *words], env=self.env() | env, fails=fails, timeout_seconds=200)


Write = Callable[[Machine, str, Path], object]
Read = Callable[[Machine, str, Path, bool], Run]


# ---- writing: a folder into a new repository -----------------------------------------------------


def hf_writes(machine: Machine, repo_id: str, source: Path, **env: str) -> None:
    machine.run("hf", "upload", repo_id, source, ".", **env)


def hf_writes_by_lfs(machine: Machine, repo_id: str, source: Path) -> None:
    hf_writes(machine, repo_id, source, HF_HUB_DISABLE_XET="1")


def git_writes(machine: Machine, repo_id: str, source: Path) -> None:
    assert machine.user is not None
    make_repository(machine.bazaar, machine.user, repo_id.partition("/")[2])
    work = WorkingFolder.clone(machine.bazaar, repo_id, machine.user, env=machine.env())
    work.write(".gitattributes", BINARY_ATTRIBUTES)
    for path in source.rglob("*"):
        if path.is_file():
            work.write(str(path.relative_to(source)), path.read_bytes())
    work.commit()
    work.git("push", "-q", "origin", "main")


def csghub_writes(machine: Machine, repo_id: str, source: Path) -> None:
    machine.run("csghub-cli", "upload", repo_id, source)


def csghub_writes_natively(machine: Machine, repo_id: str, source: Path) -> None:
    assert machine.user is not None
    words = ("csghub-cli", "upload", repo_id, source, "-u", machine.user.name)
    machine.run(*words, CSGHUB_DISABLE_XNET="true")


def modelscope_writes(machine: Machine, repo_id: str, source: Path) -> None:
    machine.run("modelscope-hub", "upload", repo_id, source)


# ---- reading: the whole repository into a folder -------------------------------------------------


def hf_reads(machine: Machine, repo_id: str, target: Path, fails: bool, **env: str) -> Run:
    return machine.run("hf", "download", repo_id, "--local-dir", target, fails=fails, **env)


def hf_reads_by_lfs(machine: Machine, repo_id: str, target: Path, fails: bool) -> Run:
    return hf_reads(machine, repo_id, target, fails, HF_HUB_DISABLE_XET="1")


def git_reads(machine: Machine, repo_id: str, target: Path, fails: bool) -> Run:
    url = machine.bazaar.git_url(repo_id, machine.user)
    return run(["git", "clone", "-q", url, target], env=machine.env(), fails=fails, timeout_seconds=200)


def csghub_reads(machine: Machine, repo_id: str, target: Path, fails: bool, **env: str) -> Run:
    return machine.run("csghub-cli", "download", repo_id, "-ld", target, fails=fails, **env)


def csghub_reads_natively(machine: Machine, repo_id: str, target: Path, fails: bool) -> Run:
    return csghub_reads(machine, repo_id, target, fails, CSGHUB_DISABLE_XNET="true")


def modelscope_reads(machine: Machine, repo_id: str, target: Path, fails: bool) -> Run:
    return machine.run("modelscope-hub", "download", repo_id, "--local-dir", target, fails=fails)


WRITERS: dict[str, Write] = {
    "hf": hf_writes,
    "hf-lfs": hf_writes_by_lfs,
    "git-lfs": git_writes,
    "csghub": csghub_writes,
    "csghub-native": csghub_writes_natively,
    "modelscope": modelscope_writes,
}
READERS: dict[str, Read] = {
    "hf": hf_reads,
    "hf-lfs": hf_reads_by_lfs,
    "git-lfs": git_reads,
    "csghub": csghub_reads,
    "csghub-native": csghub_reads_natively,
    "modelscope": modelscope_reads,
}


@pytest.fixture
def contents() -> dict[str, bytes]:
    """Text, large and small binaries, nothing at all, and Chinese names; new bytes for every writer."""
    return {
        "README.md": "---\nlicense: mit\n---\n# 你好\n".encode(),
        "config.json": b'{"model_type": "none"}',
        "model.bin": os.urandom(30 * MB),
        "empty.bin": b"",
        "empty.txt": b"",
        "数据/说明 一.txt": "第一行\n".encode(),
        "数据/词表.bin": os.urandom(100_000),
    }


@pytest.fixture
def source(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    folder = tmp_path / "source"
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


class TestFolder:
    @pytest.mark.parametrize("writer", WRITERS)
    def test_written_by_one_is_read_by_all(
        self, live_sqlite: LiveBazaar, tmp_path: Path, contents: dict[str, bytes], source: Path, writer: str
    ) -> None:
        alice = Machine(live_sqlite, live_sqlite.alice)
        repo_id = f"{live_sqlite.alice.name}/{unique('across')}"
        WRITERS[writer](alice, repo_id, source)

        def differing(reader: str) -> list[str]:
            target = tmp_path / reader
            READERS[reader](alice, repo_id, target, False)
            return [
                name
                for name, data in contents.items()
                if not (target / name).is_file() or (target / name).read_bytes() != data
            ]

        with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
            found = dict(zip(READERS, pool.map(differing, READERS), strict=True))
        assert found == {reader: [] for reader in READERS}


# The text that each client prints when the hub refuses.
HIDDEN = {
    "hf": "not found",
    "git-lfs": "not found",
    "csghub": "404",
    "csghub-native": "404",
    "modelscope": "E3020",
}
GATED = {
    "hf": "requires approval",
    "git-lfs": "403",
    "csghub": "403",
    "csghub-native": "403",
    "modelscope": "E3002",
}
WRONG_TOKEN = {
    "hf": "401",
    "git-lfs": "Authentication failed",
    "csghub": "401",
    "csghub-native": "401",
    "modelscope": "E3001",
}


@pytest.fixture(scope="module")
def closed(live_sqlite: LiveBazaar) -> dict[str, str]:
    """Repositories of alice's with one file each: a private one, and one behind a gate; and none."""
    alice = live_sqlite.alice
    headers = {"Authorization": f"Bearer {alice.token}"}
    private = make_repository(live_sqlite, alice, private=True)
    gated = make_repository(live_sqlite, alice)
    with httpx.Client(base_url=live_sqlite.url, headers=headers) as client:
        for repo_id in (private, gated):
            form = {"file_path": "a.txt", "branch": "main", "message": "m"}
            answer = client.post(
                f"/api/v1/models/{repo_id}/upload_file", data=form, files={"file": ("a.txt", b"text")}
            )
            assert answer.status_code == 200, answer.text
        answer = client.put(f"/api/models/{gated}/settings", json={"gated": "manual"})
        assert answer.status_code == 200, answer.text
    return {"private": private, "gated": gated, "missing": f"{alice.name}/never-was"}


class TestRefusal:
    """Nothing of it reaches the disk. Slow is OpenCSG's native half alone, which retries a gated file."""

    @pytest.mark.parametrize(
        ("case", "words"),
        [("private", HIDDEN), ("missing", HIDDEN), ("gated", GATED), ("wrong token", WRONG_TOKEN)],
    )
    def test_is_understood_by_each_client(
        self,
        live_sqlite: LiveBazaar,
        tmp_path: Path,
        closed: dict[str, str],
        case: str,
        words: dict[str, str],
    ) -> None:
        bob = live_sqlite.bob
        if case == "wrong token":
            bob = LiveUser(bob.name, bob.password, "hf_" + "0" * 40)
        repo_id = closed.get(case, closed["gated"])

        def said(reader: str) -> str:
            target = tmp_path / reader
            done = READERS[reader](Machine(live_sqlite, bob), repo_id, target, True)
            assert not (target / "a.txt").exists()
            return done.out + done.err

        with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
            answers = dict(zip(words, pool.map(said, words), strict=True))
        assert {reader: text for reader, text in answers.items() if words[reader] not in text} == {}
