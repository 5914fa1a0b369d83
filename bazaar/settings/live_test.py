"""A live server under test: as it is deployed, but quick to sign in and free to call loopback."""

from bazaar.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = True
