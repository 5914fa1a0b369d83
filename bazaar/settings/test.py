"""Tests inside the process: cheap password hashes, and everything in a folder that the run removes."""

import atexit
import os
import shutil
import tempfile

# Before base reads it: tests never touch the data folder of the person who runs them.
_folder = tempfile.mkdtemp(prefix="bazaar-test-")
os.environ["BAZAAR_DATA_DIR"] = _folder
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

from bazaar.settings.base import *  # noqa: E402, F403
from bazaar.settings.base import DATA_DIR, DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = True

if "sqlite3" in DATABASES["default"]["ENGINE"]:
    # A file, not memory: threads of a test then meet SQLite's real locks.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
