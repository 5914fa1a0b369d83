"""The speed of git: clone against `git http-backend`, upload of a large object against hash and copy.

    python script/benchmarks/git.py [--rounds 7] [--mebibytes 512]

Each figure is the median of rounds in which the hub and its control take turns on the same machine and the
same bytes, so that other load affects both.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")

import django

django.setup()

import httpx

from tests.servers.git import WorkingFolder, make_repository
from tests.servers.live import LiveBazaar

CHUNK = 1 << 20


class Backend(BaseHTTPRequestHandler):
    """The control: git's own CGI program, and nothing else."""

    root = Path()

    def do_GET(self) -> None:
        self.run_backend()

    def do_POST(self) -> None:
        self.run_backend()

    def run_backend(self) -> None:
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "")
        process = subprocess.Popen(
            ["git", "-c", "safe.directory=*", "http-backend"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": length,
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        stdin, stdout = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        stdin.write(self.rfile.read(int(length or 0)))
        stdin.close()
        status, headers = 200, []
        while (line := stdout.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            if name == "Status":
                status = int(value[:3])
            else:
                headers.append((name, value))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        shutil.copyfileobj(stdout, self.wfile, 1 << 16)
        process.wait()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def fill(bazaar: LiveBazaar, *, commits: int, files: int, file_bytes: int) -> tuple[str, Path]:
    """A repository with some history; its id and its folder on the server."""
    known = set((bazaar.data / "git").glob("*/*/*.git"))
    repo_id = make_repository(bazaar, bazaar.alice)
    [folder] = set((bazaar.data / "git").glob("*/*/*.git")) - known
    work = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
    for number in range(files):
        work.write(f"f{number}.txt", os.urandom(file_bytes // 2).hex())
    work.git("add", "-A")
    work.git("commit", "-q", "-m", "files")
    for number in range(commits):
        work.commit(log__txt=f"{number}\n")
    work.git("push", "-q", "origin", "main")
    return repo_id, folder


def seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def compare(name: str, ours: Callable[[], object], control: Callable[[], object], rounds: int) -> None:
    """Print medians of both, and their ratio."""
    taken = [(seconds(ours), seconds(control)) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"{name:42} {mine * 1000:9.0f} ms   control {theirs * 1000:9.0f} ms   ratio {mine / theirs:.2f}")


def clones(bazaar: LiveBazaar, rounds: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = bazaar.client_env()
    target = Path(env["HOME"]) / "clone"

    def clone(url: str) -> None:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", "--bare", url, target], env=env, check=True)

    sizes = {"3 commits, 3 files": (3, 3, 2_000), "400 commits, 300 files, 30 MB": (400, 300, 100_000)}
    for name, (commits, files, file_bytes) in sizes.items():
        repo_id, folder = fill(bazaar, commits=commits, files=files, file_bytes=file_bytes)
        Backend.root = folder.parent
        control = f"http://127.0.0.1:{server.server_port}/{folder.name}"
        hub = bazaar.git_url(repo_id)
        compare(f"clone: {name}", lambda hub=hub: clone(hub), lambda url=control: clone(url), rounds)
    server.shutdown()
    server.server_close()


def uploads(bazaar: LiveBazaar, mebibytes: int, rounds: int) -> None:
    """An upload hashes the bytes twice, at the client to name them and at the hub to check them."""
    folder = bazaar.folder / "large"
    folder.mkdir()

    def make() -> Path:
        path = folder / "source"
        with path.open("wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(CHUNK))
            # Else the first to be timed would pay for writing this file back.
            file.flush()
            os.fsync(file.fileno())
        return path

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def upload(path: Path) -> None:
        repo_id = make_repository(bazaar, bazaar.alice)
        oid = digest(path)
        answer = httpx.post(
            f"{bazaar.url}/{repo_id}.git/info/lfs/objects/batch",
            headers={"Authorization": f"Bearer {bazaar.alice.token}"},
            json={"operation": "upload", "objects": [{"oid": oid, "size": path.stat().st_size}]},
        )
        href = answer.json()["objects"][0]["actions"]["upload"]["href"]
        subprocess.run(["curl", "-sSf", "-T", path, href], check=True, stdout=subprocess.DEVNULL)

    def hash_and_copy(path: Path) -> None:
        digest(path)
        with path.open("rb") as source, tempfile.NamedTemporaryFile(dir=folder) as copy:
            shutil.copyfileobj(source, copy, CHUNK)
            copy.flush()
            os.fsync(copy.fileno())

    taken = []
    for number in range(rounds):
        path = make()
        turns = [lambda path=path: upload(path), lambda path=path: hash_and_copy(path)]
        if number % 2:
            control, ours = seconds(turns[1]), seconds(turns[0])
        else:
            ours, control = seconds(turns[0]), seconds(turns[1])
        taken.append((ours, control))
    mine, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    name = f"upload of {mebibytes} MiB by LFS"
    print(f"{name:42} {mine * 1000:9.0f} ms   control {theirs * 1000:9.0f} ms   ratio {mine / theirs:.2f}")


def pushes(bazaar: LiveBazaar, rounds: int) -> None:
    """A push of one small file: git, our checks, the index."""
    repo_id = make_repository(bazaar, bazaar.alice)
    work = WorkingFolder.clone(bazaar, repo_id, bazaar.alice)
    taken = []
    for number in range(rounds):
        work.commit(notes__txt=f"{number}\n")
        taken.append(seconds(lambda: work.git("push", "-q", "origin", "main")))
    print(f"{'push of one small file':42} {statistics.median(taken) * 1000:9.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mebibytes", type=int, default=512)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-git-") as folder,
        LiveBazaar(Path(folder) / "live") as bazaar,
    ):
        clones(bazaar, options.rounds)
        pushes(bazaar, options.rounds)
        uploads(bazaar, options.mebibytes, max(3, options.rounds // 2))


if __name__ == "__main__":
    main()
