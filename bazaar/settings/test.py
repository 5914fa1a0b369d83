"""Tests: cheap password hashes, and everything in a folder that the run removes."""

from bazaar.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = True
