"""The agent by which a bazaar offers its own machine's processors on its market (`manage.py local_node`).

It knows no Django: the supervisor starts the agent from what the first start left in the data folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from compute_market.runners import assemble
from foundation.environment import flag

FOLDER = "local-node"
# One-time key, part (`cpu1-x86-2g`) and how many, as `compute_market.demo.local` writes them.
KEY_FILE = "enrolment"
# The agent itself, made anew at each start.
PROGRAM = "agent.py"
UNPRIVILEGED = "nobody"


def is_wanted(data: Path) -> bool:
    """True if there is a local node to run, and neither the demo nor the node was turned off.

    Raises: VariableInvalid.
    """
    is_on = flag("BAZAAR_MARKET_DEMO", default=True) and flag("BAZAAR_MARKET_LOCAL_NODE", default=True)
    return is_on and (data / FOLDER / KEY_FILE).exists()


def words(data: Path, *, hub: str) -> list[str]:
    """The command line of the agent. Raises: OSError, ValueError (the file is not as it was written)."""
    key, part, count = (data / FOLDER / KEY_FILE).read_text().split()
    is_root = os.geteuid() == 0
    folder = _shared_folder(data) if is_root else data / FOLDER / "agent"
    program = data / FOLDER / PROGRAM
    assemble.write(program)
    command = [sys.executable, str(program), "--hub", hub, "--folder", str(folder)]
    command += ["--cpu", part, "--gpus", count, "--allow-processes"]
    if is_root:
        command += ["--run-as", UNPRIVILEGED]
    if not (folder / "identity.json").exists():
        command += ["--key", key]
    return command


def _shared_folder(data: Path) -> Path:
    """A folder that another user's work can be in: the data folder is closed to all but its owner.

    Raises: OSError when somebody else has it.
    """
    name = sha256(str(data).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"bazaar-node-{name}"
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else.")
    folder.chmod(0o711)
    return folder
