"""A real OpenSSH client on a lease: commands, a terminal, files, forwarded ports, and who is let in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar.server import processes
from tests.servers import live, ports
from tests.servers.live import LiveBazaar
from tests.wire.test_market_agent import AgentProcess, is_alive, wait_for
from tests.wire.test_market_tunnels import FAR, Tenant, ask


class Client:
    """Somebody's ssh client, with a key of their own."""

    def __init__(self, tenant: Tenant, folder: Path) -> None:
        for name in ("ssh", "ssh-keygen", "sftp", "scp"):
            ports.require_tool(name)
        folder.mkdir()
        self.tenant, self.folder = tenant, folder
        self.key = folder / "id_ed25519"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", self.key], check=True
        )

    def add_key(self, token: str) -> int:
        """Give the account of the token this client's key; the answer's status."""
        body = json.dumps({"text": self.key.with_suffix(".pub").read_text()})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        status, _, _ = ask(
            self.tenant.bazaar.port, "/api/hub/v1/ssh-keys", method="POST", body=body, headers=headers
        )
        return status

    def options(self, port_letter: str = "-p") -> list[str]:
        return [
            *(port_letter, str(self.tenant.bazaar.ssh_port), "-i", str(self.key), "-F", "none"),
            *("-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-o", "LogLevel=ERROR"),
        ]

    @property
    def there(self) -> str:
        return f"{self.tenant.lease}@127.0.0.1"

    def refusal(self, there: str) -> str:
        """The message of ssh for a refused login, without the name of the login."""
        words = ["ssh", *self.options(), there, "true"]
        done = subprocess.run(words, capture_output=True, timeout=90, check=False, text=True)
        assert done.returncode == 255
        return done.stderr.strip().replace(there.partition("@")[0] + "@", "LEASE@")

    def run(self, *words: str, data: bytes = b"", options: tuple[str, ...] = ()) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            ["ssh", *self.options(), *options, self.there, *words],
            input=data,
            capture_output=True,
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def tenant(live_sqlite: LiveBazaar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    live_sqlite.start_tunnels()
    live_sqlite.start_ssh()
    agent = AgentProcess(live_sqlite, tmp_path_factory.mktemp("agent"))
    try:
        tenant = Tenant(live_sqlite, agent)
        tenant.serve()
        yield tenant
    finally:
        agent.close()


@pytest.fixture(scope="module")
def client(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Client:
    client = Client(tenant, tmp_path_factory.mktemp("ssh") / "holder")
    assert client.add_key(tenant.token) == 201
    return client


class TestCommands:
    def test_run_beside_the_work_with_its_environment(self, client: Client) -> None:
        code, out, err = client.run("echo out; echo err >&2; pwd; echo GPUs $CUDA_VISIBLE_DEVICES; exit 7")
        assert (code, err) == (7, b"err\n")
        lines = out.decode().splitlines()
        assert lines[0] == "out"
        assert lines[1].endswith("/work")
        assert lines[2] == "GPUs 0"
        assert b"swordfish" not in client.run("env")[1]

    def test_get_their_input_whole_and_tell_how_they_ended(self, client: Client) -> None:
        data = bytes(range(256)) * 8192
        assert client.run("cat", data=data)[:2] == (0, data)
        assert client.run("kill -9 $$")[0] == 137
        assert client.run("no-such-program")[0] == 127

    def test_end_as_with_openssh_when_they_leave_something_in_the_background(self, client: Client) -> None:
        """Measured with OpenSSH 9.2: an output that is open holds the session, and what has none lives on."""
        began = time.monotonic()
        code, out, _ = client.run("sleep 600 >/dev/null 2>&1 & echo $!; exit 3")
        assert (code, time.monotonic() - began < 60) == (3, True)
        left = int(out)
        assert is_alive(left)
        began = time.monotonic()
        assert client.run("sleep 2 & exit 4")[0] == 4
        assert time.monotonic() - began > 2
        code, out, _ = client.run("sleep 600 & echo $!; exit 5", options=("-tt",))
        assert code == 5
        wait_for(lambda: is_alive(int(out.split()[0])), lambda alive: not alive, client.tenant.agent.log)
        assert client.run(f"kill {left}")[0] == 0

    def test_have_a_terminal(self, client: Client) -> None:
        code, out, _ = client.run("tty; stty size; echo $TERM", options=("-tt",))
        assert code == 0
        assert b"/dev/pts/" in out

    def test_a_shell_by_itself(self, client: Client) -> None:
        code, out, _ = client.run(data=b"echo $((40 + 2))\nexit 3\n")
        assert (code, out.strip()) == (3, b"42")


class TestFiles:
    def test_by_sftp_and_scp_both_ways(self, client: Client) -> None:
        folder = client.folder
        data = bytes(range(256)) * 4096
        (folder / "up.bin").write_bytes(data)
        batch = folder / "batch"
        lines = [
            f"put {folder / 'up.bin'} a.bin",
            "mkdir d",
            "rename a.bin d/b.bin",
            f"get d/b.bin {folder / 'down.bin'}",
            "ls -l d",
            "chmod 600 d/b.bin",
            "-rm nothing",
        ]
        batch.write_text("\n".join(lines) + "\n")
        words = ["sftp", "-b", str(batch), *client.options("-P"), client.there]
        done = subprocess.run(words, capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        assert (folder / "down.bin").read_bytes() == data
        assert b"b.bin" in done.stdout
        assert client.run("stat -c %a d/b.bin")[1] == b"600\n"
        for source, target in (
            (f"{client.there}:d/b.bin", str(folder / "again.bin")),
            (str(folder / "again.bin"), f"{client.there}:c.bin"),
        ):
            words = ["scp", *client.options("-P"), source, target]
            done = subprocess.run(words, capture_output=True, timeout=90, check=False)
            assert done.returncode == 0, done.stderr
        assert client.run("cmp c.bin d/b.bin && rm -r d c.bin && echo same")[1] == b"same\n"

    def test_links_lead_nowhere_outside(self, client: Client) -> None:
        """A link of the tenant's to a file of the machine's is seen and not followed."""
        client.run("ln -s /etc/passwd link; ln -s / root; mkfifo pipe")
        for path in ("link", "root/etc/passwd", "../../../../etc/passwd", "pipe"):
            batch = client.folder / "batch"
            batch.write_text(f"get {path} {client.folder / 'stolen'}\n")
            words = ["sftp", "-b", str(batch), *client.options("-P"), client.there]
            assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode != 0
            assert not (client.folder / "stolen").exists()
        client.run("rm link root pipe")


class TestForwarding:
    def test_reaches_declared_ports_and_no_others(self, client: Client) -> None:
        declared, undeclared = ports.free_ports(2)
        tenant = client.tenant
        process = processes.spawn(
            [
                *("ssh", *client.options(), "-N"),
                *("-L", f"{declared}:localhost:{tenant.port}"),
                *("-L", f"{undeclared}:localhost:{tenant.bazaar.port}"),
                client.there,
            ]
        )
        try:
            processes.wait_until(lambda: listens(declared), what="ssh -L", process=process)
            status, _, body = ask(declared, "/through", headers={})
            assert (status, json.loads(body)["path"]) == (200, "/through")
            with pytest.raises((OSError, ConnectionError)):
                ask(undeclared, "/healthz", headers={})
        finally:
            processes.stop(process)


class TestCommandLine:
    """`market ports`, `ssh`, `cp` and `forward`, as people type them."""

    def market(self, client: Client, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "bazaar_client", *words],
            input=data,
            capture_output=True,
            timeout=90,
            check=False,
            cwd=client.folder,
            env=self.environment(client),
        )

    def environment(self, client: Client) -> dict[str, str]:
        """A home whose only key is the client's, under the name that ssh looks for."""
        home = client.folder / "home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        shutil.copy(client.key, home / ".ssh" / "id_ed25519")
        tenant = client.tenant
        return {
            **tenant.bazaar.client_env(home=home),
            "PYTHONPATH": live.PYTHONPATH,
            "BAZAAR_URL": tenant.bazaar.url,
            "BAZAAR_TOKEN": tenant.token,
            # OpenSSH asks the system for the home, not the environment.
            "PATH": f"{self.programs(client, home)}:{os.environ['PATH']}",
        }

    def programs(self, client: Client, home: Path) -> Path:
        folder = client.folder / "bin"
        folder.mkdir(exist_ok=True)
        for name in ("ssh", "scp"):
            path = folder / name
            real = ports.require_tool(name)
            path.write_text(f'#!/bin/sh\nexec {real} -i {home}/.ssh/id_ed25519 -F none "$@"\n')
            path.chmod(0o755)
        return folder

    def test_shows_ways_and_goes_them(self, client: Client) -> None:
        lease = str(client.tenant.lease)
        shown = self.market(client, "ports", lease).stdout.decode()
        assert str(client.tenant.port) in shown
        assert f"ssh -p {client.tenant.bazaar.ssh_port} {lease}@127.0.0.1" in shown
        done = self.market(client, "ssh", lease, "cat; exit 5", data=b"hello")
        assert (done.returncode, done.stdout) == (5, b"hello"), done.stderr
        (client.folder / "here.txt").write_text("copied")
        assert self.market(client, "cp", "here.txt", f"{lease}:there.txt").returncode == 0
        assert self.market(client, "cp", f"{lease}:there.txt", "back.txt").returncode == 0
        assert (client.folder / "back.txt").read_text() == "copied"
        refused = self.market(client, "forward", lease, "22")
        assert refused.returncode == 1
        assert b"port_not_served" in refused.stderr

    def test_says_what_to_do_where_nobody_knows_the_key_or_nothing_runs(
        self, client: Client, tmp_path: Path
    ) -> None:
        stranger = Client(client.tenant, tmp_path / "keyless")
        done = self.market(stranger, "ssh", str(client.tenant.lease), "true")
        assert done.returncode == 255
        assert f"{client.tenant.bazaar.url}/settings/ssh-keys".encode() in done.stderr
        empty = client.tenant.agent.lease()
        client.tenant.bazaar.remote.call(f"{FAR}:give", lease_id=empty, to=client.tenant.holder)
        done = self.market(client, "ssh", str(empty), "true")
        assert (done.returncode, b"Nothing runs in it" in done.stderr) == (1, True), done.stderr

    def test_forwards_a_port_to_this_machine(self, client: Client) -> None:
        (local,) = ports.free_ports(1)
        words = ["forward", str(client.tenant.lease), "web", "--local", str(local)]
        process = processes.spawn(
            [sys.executable, "-m", "bazaar_client", *words], env=self.environment(client)
        )
        try:
            processes.wait_until(lambda: listens(local), what="market forward", process=process)
            status, _, body = ask(local, "/by/forward", headers={})
            assert (status, json.loads(body)["path"]) == (200, "/by/forward")
        finally:
            processes.stop(process)


class TestLogins:
    def test_a_strangers_key_and_an_unknown_one_are_not(self, client: Client, tmp_path: Path) -> None:
        other = Client(client.tenant, tmp_path / "stranger")
        assert b"Permission denied" in other.run("true")[2]
        stranger = client.tenant.bazaar.user(scopes="write,trade")
        assert other.add_key(stranger.token) == 201
        assert b"Permission denied" in other.run("true")[2]
        # A key is one account's, and adding one takes the right to trade.
        assert other.add_key(client.tenant.token) == 409
        narrow = client.tenant.bazaar.user(scopes="write")
        assert Client(client.tenant, tmp_path / "narrow").add_key(narrow.token) == 403

    def test_refusals_do_not_reveal_leases(self, client: Client, tmp_path: Path) -> None:
        """By who has an account and a key, and by who has none: every refusal reads the same."""
        stranger = Client(client.tenant, tmp_path / "somebody")
        names = [client.there, "999999@127.0.0.1", "0@127.0.0.1", "root@127.0.0.1", "lease-999999@127.0.0.1"]
        said = {stranger.refusal(name) for name in names}
        assert stranger.add_key(client.tenant.bazaar.user(scopes="write,trade").token) == 201
        said |= {stranger.refusal(name) for name in names}
        assert said == {"LEASE@127.0.0.1: Permission denied (publickey)."}

    def test_a_closed_account_is_out_and_its_open_sessions_end(self, client: Client) -> None:
        tenant = client.tenant
        words = ["ssh", *client.options(), client.there, "echo on; sleep 600"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            tenant.bazaar.remote.call(f"{FAR}:set_active", name=tenant.holder, active=False)
            try:
                assert b"Permission denied" in client.run("true")[2]
                # Without the look at rights it would end with the program, ten minutes later.
                assert process.wait(timeout=120) == 255
            finally:
                process.kill()
                tenant.bazaar.remote.call(f"{FAR}:set_active", name=tenant.holder, active=True)
        assert client.run("echo back")[1] == b"back\n"

    def test_the_session_ends_with_the_lease(self, client: Client) -> None:
        """The last test of this module: it ends the lease."""
        tenant = client.tenant
        words = ["ssh", *client.options(), client.there, "echo on; sleep 600"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            tenant.far("end_at", seconds=-1)
            began = time.monotonic()
            assert process.wait(timeout=60) != 0
            assert time.monotonic() - began < 30
        assert b"Permission denied" in client.run("true")[2]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
