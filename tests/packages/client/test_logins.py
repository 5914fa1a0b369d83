"""`market ssh` and `market cp`: what OpenSSH is started with, whatever the hub says of the login."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bazaar_client import cli
from bazaar_client.shown import Out
from tests.servers import ports

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHxk"
LOGIN = {"user": "17", "host": "hub.example.org", "port": 2222, "host_keys": [KEY]}
# Prints each of its words on a line, then what `known_hosts` holds.
STAND_IN = """#!/bin/sh
for word in "$@"; do
    printf '%s\\n' "$word" >> "$(dirname "$0")/words"
    case "$word" in UserKnownHostsFile=*) cat "${word#*=}" > "$(dirname "$0")/known";; esac
done
"""


class Hub:
    """A market whose word on logins may be anything."""

    hub = "http://127.0.0.1:8000"

    def __init__(self, ssh: Any) -> None:
        self.ssh = ssh

    def ports(self, lease_id: int) -> dict[str, Any]:
        return {"ports": [], "ssh": self.ssh}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `ssh` and `scp` note their words."""
    for name in ("ssh", "scp"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def call(ssh: Any, *words: str) -> None:
    args = cli.parser().parse_args(words)
    # `market ssh` ends with the code of ssh.
    with contextlib.suppress(SystemExit):
        args.call(Hub(ssh), Out(as_json=False), args)


def said(folder: Path) -> list[str]:
    path = folder / "words"
    return path.read_text().splitlines() if path.exists() else []


class TestWords:
    @pytest.mark.parametrize(
        ("words", "before", "after"),
        [
            ([], [], []),
            (["ls", "-la"], [], ["ls", "-la"]),
            (["--", "ls", "--", "x"], [], ["ls", "--", "x"]),
            (["-t", "-o", "LogLevel=ERROR", "--", "htop"], ["-t", "-o", "LogLevel=ERROR"], ["htop"]),
            (["git", "log", "--", "file"], [], ["git", "log", "--", "file"]),
        ],
    )
    def test_of_ssh_end_its_options_before_the_destination(
        self, programs: Path, words: list[str], before: list[str], after: list[str]
    ) -> None:
        call(LOGIN, "ssh", "17", *words)
        heard = said(programs)
        assert heard[:2] == ["-p", "2222"]
        end = heard.index("--")
        assert heard[end + 1] == "17@hub.example.org"
        assert heard[end - len(before) : end] == before
        assert heard[end + 2 :] == after
        assert (programs / "known").read_text() == f"[hub.example.org]:2222 {KEY}\n"

    def test_of_scp_end_its_options_before_the_paths(self, programs: Path) -> None:
        call(LOGIN, "cp", "-r", "--", "-odd", "17:results/")
        heard = said(programs)
        assert heard[heard.index("--") :] == ["--", "-odd", "17@hub.example.org:results/"]

    def test_have_brackets_around_an_ipv6_address_for_scp_only(self, programs: Path) -> None:
        call({**LOGIN, "host": "::1"}, "ssh", "17")
        call({**LOGIN, "host": "::1"}, "cp", "17:a", ".")
        assert "17@::1" in said(programs)
        assert "17@[::1]:a" in said(programs)

    def test_that_are_options_without_an_end_are_refused(self, programs: Path) -> None:
        with pytest.raises(ValueError, match="end with --"):
            call(LOGIN, "ssh", "17", "-t", "htop")
        assert said(programs) == []


HOSTILE = "-oProxyCommand=touch${IFS}owned"


class TestAHostileHub:
    @pytest.mark.parametrize("verb", [("ssh", "17"), ("ssh", "17", "true"), ("cp", "17:a", ".")])
    @pytest.mark.parametrize(
        "change",
        [
            *({"user": text} for text in (HOSTILE, "", "a b", "17\n", "$(id)", "17;id", "ünï", 17, None)),
            *({"host": text} for text in (HOSTILE, "", "a b", "h\nh", "`id`", "h;id", "::1%lo", "a:b", "h-")),
            *({"host": value} for value in (None, ["h"], "x" * 300)),
            *({"port": value} for value in (HOSTILE, "2222", 0, 65536, -1, None, True, 22.0)),
            *({"host_keys": value} for value in ([HOSTILE], [f"{KEY}\n* {KEY}"], [""], [5], None, 5)),
            {"host_keys": [f"@cert-authority * {KEY}"]},
        ],
        ids=repr,
    )
    def test_cannot_give_openssh_an_option_or_another_key(
        self, programs: Path, verb: tuple[str, ...], change: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match="nothing was started"):
            call({**LOGIN, **change}, *verb)
        assert said(programs) == []

    @pytest.mark.parametrize("answer", [[], "text", 5, {}, {"user": "17"}])
    def test_cannot_say_something_else_altogether(self, programs: Path, answer: Any) -> None:
        with pytest.raises(ValueError, match="nothing was started"):
            call(answer, "ssh", "17")
        assert said(programs) == []

    def test_may_have_no_ssh(self, programs: Path) -> None:
        with pytest.raises(ValueError, match="has no ssh"):
            call(None, "ssh", "17")


def test_real_openssh_takes_no_option_from_behind_the_end(tmp_path: Path) -> None:
    """The reason for `--`: without it ssh obeys an option in the place of a destination or behind it."""
    ssh = ports.require_tool("ssh")
    owned = tmp_path / "owned"
    option = f"-oProxyCommand=touch {owned}"
    place = [ssh, "-F", "none", "-o", "BatchMode=yes", "-p", "1"]
    subprocess.run([*place, option, "127.0.0.1"], capture_output=True, check=False, timeout=30)
    assert owned.exists()
    owned.unlink()
    for words in ([option], ["127.0.0.1", option]):
        subprocess.run([*place, "--", *words], capture_output=True, check=False, timeout=30)
        assert not owned.exists()
