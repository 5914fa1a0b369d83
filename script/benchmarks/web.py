"""The speed of the web server: against an empty view, and large files against nginx; starts and memory.

    script/bench web [--rounds 7] [--requests 300] [--mebibytes 1024] [--quick]

`--quick`: eight connections, and the same calls in one process.

The empty view is /healthz: the same server, settings and middleware, and a view that does nothing.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")

import psutil

from bazaar.server import processes
from tests.servers import clients, ports
from tests.servers.live import LiveBazaar, unique

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 1 << 20
SECONDS = 2


def per_second(bazaar: LiveBazaar, path: str, requests: int) -> float:
    """Requests a second on one kept-alive connection."""
    connection = http.client.HTTPConnection("127.0.0.1", bazaar.port, timeout=30)
    started = time.perf_counter()
    for _ in range(requests):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, (path, response.status)
    connection.close()
    return requests / (time.perf_counter() - started)


def small_answers(bazaar: LiveBazaar, repo_id: str, rounds: int, requests: int) -> None:
    paths = {
        "resolve of a 10 KiB file": f"/{repo_id}/resolve/main/small.txt",
        "info of a model": f"/api/models/{repo_id}",
        "list of models": "/api/models?limit=20",
        "home page": "/",
    }
    for name, path in paths.items():
        per_second(bazaar, path, 20)
        pairs = [
            (per_second(bazaar, path, requests), per_second(bazaar, "/healthz", requests))
            for _ in range(rounds)
        ]
        ratio = statistics.median(ours / empty for ours, empty in pairs)
        figure = statistics.median(ours for ours, _ in pairs)
        print(f"{name:<28} {figure:8.0f}/s   {ratio:.2f} x an empty view")


IN_ONE_PROCESS = """
import io, sys, time
from bazaar.wsgi import application

port, rounds, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]

def call(target):
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "RAW_URI": target, "QUERY_STRING": query,
        "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": port, "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:" + port, "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }
    response = application(environ, lambda status, headers: None)
    assert response.status_code == 200, (target, response.status_code)
    b"".join(response)
    response.close()

def cost(target, times=150):
    started = time.process_time()
    for _ in range(times):
        call(target)
    return (time.process_time() - started) / times

for target in paths:
    cost(target, 30)
every = [[cost(target) for target in paths] for _ in range(rounds)]
print(*(min(each) for each in zip(*every)))
"""


def in_one_process(bazaar: LiveBazaar, paths: dict[str, str], rounds: int) -> None:
    """Processor time of a call through all middleware, without server and client: the least of the rounds."""
    command = [sys.executable, "-c", IN_ONE_PROCESS, str(bazaar.port), str(rounds), *paths.values()]
    said = subprocess.run(command, cwd=ROOT, env=bazaar.env, capture_output=True, text=True, check=True)
    seconds = list(map(float, said.stdout.split()))
    for name, took in zip(paths, seconds, strict=True):
        print(
            f"{'in one process: ' + name:<40} {took * 1000:8.2f} ms   {took / seconds[0]:.1f} x an empty view"
        )


def eight_at_once(bazaar: LiveBazaar, repo_id: str, small: Path, rounds: int) -> None:
    """Requests a second of eight connections, beside nginx with the same file and a bare WSGI application.

    The processor time that the web processes and the client take for a request says what two cores could
    answer that have nothing else to do, also on a machine that is busy.
    """
    wrk = ports.require_tool("wrk")
    family = psutil.Process(bazaar.web_pid).children()

    def spent() -> float:
        """Processor seconds of the web processes and of all clients so far."""
        clients_spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        of_clients = clients_spent.ru_utime + clients_spent.ru_stime
        return of_clients + sum(sum(process.cpu_times()[:2]) for process in family)

    def rate(port: int, path: str) -> float:
        command = [wrk, "-t1", "-c8", f"-d{SECONDS}", f"http://127.0.0.1:{port}{path}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in said, said
        found = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert found is not None, said
        return float(found[1])

    def measure(path: str) -> tuple[float, float]:
        """(requests a second, processor seconds a request)."""
        before = spent()
        answered = rate(bazaar.port, path)
        return answered, (spent() - before) / (answered * SECONDS)

    paths = {
        "empty view": "/healthz",
        "resolve of a 10 KiB file": f"/{repo_id}/resolve/main/small.txt",
        "info of a model": f"/api/models/{repo_id}",
        "list of 20 models": "/api/models?limit=20",
    }
    with nginx_serving(small.parent) as control, bare_application() as bare:
        rate(control, f"/{small.name}")
        figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in paths}
        controls: list[tuple[float, float]] = []
        for _ in range(rounds):
            controls.append((rate(control, f"/{small.name}"), rate(bare, "/")))
            for name, path in paths.items():
                figures[name].append((*measure(path), controls[-1][1]))
    nginx, wsgi = (statistics.median(each) for each in zip(*controls, strict=True))
    print(f"{'eight connections: nginx, the file':<40} {nginx:8.0f}/s")
    print(f"{'a bare WSGI application, our server':<40} {wsgi:8.0f}/s")
    for name, rounds_of in figures.items():
        ours = statistics.median(mine for mine, _, _ in rounds_of)
        ratio = statistics.median(mine / theirs for mine, _, theirs in rounds_of)
        seconds = statistics.median(seconds for _, seconds, _ in rounds_of)
        print(f"{name:<40} {ours:8.0f}/s   {ratio:.3f} x the bare application", end="")
        print(f"   {seconds * 1000:.2f} ms of processor: {2 / seconds:.0f}/s on two idle cores")
    in_one_process(bazaar, paths, rounds)


@contextmanager
def nginx_serving(root: Path) -> Iterator[int]:
    """nginx with the files of a folder; gives its port."""
    nginx = ports.require_tool("nginx")
    (port,) = ports.free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="bench-nginx-"))
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/pid;\nerror_log stderr;\nuser root;\nworker_processes 2;\nevents {{}}\n"
        f"http {{ access_log off; sendfile on; server {{"
        f" listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    with (folder / "log").open("wb") as log:
        server = processes.spawn([nginx, "-p", folder, "-c", config, "-g", "daemon off;"], output=log)
    try:
        ready: Callable[[], bool] = lambda: processes.answers_http("127.0.0.1", port, "/")  # noqa: E731
        processes.wait_until(ready, what="nginx", process=server)
        yield port
    finally:
        processes.stop(server)
        shutil.rmtree(folder)


BARE = """
import socket, sys
from bazaar.server.http.limits import Limits
from bazaar.server.http.processes import Hooks, Processes
from bazaar.server.http.server import Server

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\\n"]

def nothing(*_):
    pass

listener = socket.socket(fileno=int(sys.argv[1]))
make = lambda seat: Server(listener, application, Limits(), peers=seat)
Processes(2, make, Hooks(nothing, nothing, nothing), graceful_seconds=1).run()
"""


@contextmanager
def bare_application() -> Iterator[int]:
    """Our server with two processes and an application that does nothing; gives its port."""
    with ports.listening_socket() as listener:
        port = int(listener.getsockname()[1])
        command = [sys.executable, "-c", BARE, str(listener.fileno())]
        server = processes.spawn(command, cwd=ROOT, pass_fds=[listener.fileno()])
        try:
            ready: Callable[[], bool] = lambda: processes.answers_http("127.0.0.1", port, "/")  # noqa: E731
            processes.wait_until(ready, what="the bare application", process=server)
            yield port
        finally:
            processes.stop(server)


def seconds_to_read(url_port: int, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", url_port, timeout=120)
    started = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200, response.status
    buffer = bytearray(CHUNK)
    while response.readinto(buffer):
        pass
    connection.close()
    return time.perf_counter() - started


def large_file(bazaar: LiveBazaar, repo_id: str, source: Path, rounds: int) -> None:
    with nginx_serving(source.parent) as port:
        ours = f"/{repo_id}/resolve/main/{source.name}"
        pairs = [
            (seconds_to_read(bazaar.port, ours), seconds_to_read(port, f"/{source.name}"))
            for _ in range(rounds)
        ]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    print(
        f"{'download of a large file':<28} {statistics.median(pairs)[0]:8.2f} s   {ratio:.2f} x nginx's time"
    )


WHAT_CLIENTS_DO = """
import statistics, sys, tempfile, time
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download

api, repo_id = HfApi(), sys.argv[1]
api.create_repo(repo_id)
files = [CommitOperationAdd(f"folder/{number}.txt", b"%d" % number) for number in range(100)]
api.create_commit(repo_id, files, commit_message="100 files")
snapshots, commits = [], []
for number in range(int(sys.argv[2])):
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        snapshot_download(repo_id, cache_dir=cache)
        snapshots.append(time.perf_counter() - started)
    operation = CommitOperationAdd("one.txt", b"%d" % number)
    started = time.perf_counter()
    api.create_commit(repo_id, [operation], commit_message="one")
    commits.append(time.perf_counter() - started)
print(statistics.median(snapshots), statistics.median(commits))
"""


def client_calls(bazaar: LiveBazaar, rounds: int) -> None:
    """The unmodified client's own time, its many requests and its hashing included."""
    repo_id = f"{bazaar.alice.name}/{unique('snapshot')}"
    done = clients.run(
        [sys.executable, "-c", WHAT_CLIENTS_DO, repo_id, str(rounds)], env=bazaar.client_env(bazaar.alice)
    )
    snapshot, commit = map(float, done.out.split()[-2:])
    print(f"{'snapshot of 101 small files':<28} {snapshot:8.2f} s")
    print(f"{'commit of one small file':<28} {commit * 1000:8.0f} ms   preupload and commit, by the client")


def whole_server() -> None:
    """Second start and idle memory (proportional: shared pages are counted once) of script/server."""
    with tempfile.TemporaryDirectory(prefix="bench-server-") as data:
        (port,) = ports.free_ports(1)
        command = [sys.executable, "-m", "bazaar.server", "--empty", "--data", data, "--port", str(port)]
        # If Python may write no bytecode, each process compiles the whole project anew.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for name in ("first start", "second start"):
            started = time.perf_counter()
            server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=env)
            ready: Callable[[], bool] = lambda: processes.answers_http("127.0.0.1", port, "/healthz")  # noqa: E731
            processes.wait_until(ready, what="the server", process=server, patience_seconds=120)
            print(f"{name + ', empty':<28} {time.perf_counter() - started:8.2f} s")
            if name == "second start":
                time.sleep(15)
                family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
                total = sum(process.memory_full_info().pss for process in family)
                print(f"{'idle memory of all parts':<28} {total / 2**20:8.0f} MiB")
            server.terminate()
            server.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-web-"))
    try:
        with LiveBazaar(folder / "live", settings={"BAZAAR_LOG_ACCESS": "no"}) as bazaar:
            source = folder / "large.bin"
            with source.open("wb") as file:
                for _ in range(chosen.mebibytes):
                    file.write(os.urandom(CHUNK))
            (folder / "small.txt").write_bytes(b"0123456789" * 1024)
            repo_id = f"{bazaar.alice.name}/{unique('bench')}"
            env = {**bazaar.client_env(bazaar.alice), "HF_HUB_DISABLE_XET": "1"}
            for name in ("small.txt", "large.bin"):
                clients.run(
                    [clients.program("hf"), "upload", repo_id, folder / name, name],
                    env=env,
                    timeout_seconds=600,
                )
            bazaar.manage("seed", "--models", "100")
            eight_at_once(bazaar, repo_id, folder / "small.txt", chosen.rounds)
            if chosen.quick:
                return
            small_answers(bazaar, repo_id, chosen.rounds, chosen.requests)
            client_calls(bazaar, chosen.rounds)
            large_file(bazaar, repo_id, source, chosen.rounds)
        whole_server()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
