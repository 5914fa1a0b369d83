"""The hub of a test (`python -m bazaar.testing.server`): quick to sign in, and nothing waits for a disk."""

from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = True
LOG_ACCESS = False
DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
# The market's nodes are heard the moment they speak, and no test trades too often.
MARKET_METER_GRACE_SECONDS = 0
MARKET_RATE_USER = MARKET_RATE_ANONYMOUS = 10**9
