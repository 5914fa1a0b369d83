"""The code of the last release, as a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import released
from tests.servers.remote import ROOT


def last_release(folder: Path) -> Path:
    """The checkout of the last release, made in the folder: of its tag, or of the commit that is recorded.

    Skips where the history is not there (a shallow clone). Fails there if BAZAAR_TEST_HISTORY is set
    (`script/upgrade`).
    """
    last = released.last()
    for name in (f"v{last.version}", last.commit):
        if _git("cat-file", "-e", f"{name}^{{commit}}").returncode == 0:
            break
    else:
        text = f"The history lacks release {last.version} ({last.commit}): fetch all of it"
        pytest.fail(text) if "BAZAAR_TEST_HISTORY" in os.environ else pytest.skip(text)
    packed = _git("archive", "--format=tar", name)
    assert packed.returncode == 0, packed.stderr
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x"], input=packed.stdout, cwd=folder, check=True)
    return folder


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)


if __name__ == "__main__":
    last_release(Path(sys.argv[1]))
