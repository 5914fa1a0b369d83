"""The agent of a node in one file, as a provider has it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from compute_market.runners import assemble


@cache
def agent_file() -> Path:
    """Its path. The file is made when the first test asks for it, and removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="bazaar-agent-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    assemble.write(folder / "agent")
    return folder / "agent"
