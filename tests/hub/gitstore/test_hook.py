"""The hook of a push whose hub is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hub.gitstore import hooks
from hub.gitstore.errors import GitFailed


def ask(folder: Path, refs: bytes, name: str = "pre-receive") -> int:
    """Run the hook on the two pipes of this folder; its exit status."""
    hook = folder / name
    hook.write_text(hooks.HOOK)
    pipes = {"BAZAAR_ASK": str(folder / "ask"), "BAZAAR_ANSWER": str(folder / "answer")}
    return subprocess.run(["sh", hook], input=refs, env=pipes, timeout=20, check=False).returncode


class TestHook:
    @pytest.mark.parametrize("name", hooks.HOOKS)
    @pytest.mark.parametrize("refs", [b"old new refs/heads/main\n", b"old new refs/heads/x\n" * 10_000])
    def test_ends_when_its_hub_died_and_left_the_pipes(self, tmp_path: Path, name: str, refs: bytes) -> None:
        for pipe in ("ask", "answer"):
            os.mkfifo(tmp_path / pipe)
        assert ask(tmp_path, refs, name) != 0

    def test_ends_when_the_pipes_are_gone(self, tmp_path: Path) -> None:
        assert ask(tmp_path, b"old new refs/heads/main\n") != 0

    def test_passes_what_the_hub_says(self, tmp_path: Path) -> None:
        held = []
        for name in ("ask", "answer"):
            os.mkfifo(tmp_path / name)
            held.append(os.open(tmp_path / name, os.O_RDWR))
        os.write(held[1], b"ok\n")
        assert ask(tmp_path, b"old new refs/heads/main\n") == 0
        assert b"refs/heads/main\n\0" in os.read(held[0], 1000)
        for descriptor in held:
            os.close(descriptor)


class TestConversation:
    @pytest.mark.parametrize("asked", [b"", b"pre-receive\n\n", b"proc-receive\n0000"])
    def test_ends_when_git_is_silent(self, asked: bytes) -> None:
        """Before a question, and in the middle of one."""
        output, kept = os.pipe()
        try:
            with hooks.conversation(lambda _: [], lambda _: {}, seconds=0.05) as talk:
                with Path(talk.variables["BAZAAR_ASK"]).open("wb", buffering=0) as ask:
                    ask.write(asked)
                with pytest.raises(GitFailed):
                    talk.goes_on_until_readable(output)
        finally:
            os.close(output)
            os.close(kept)
