"""The hub of a test (`python -m bazaar_testing.server`): quick to sign in, and nothing waits for a disk."""

from bazaar.settings.base import *  # noqa: F403
from bazaar.settings.base import DATABASES, INSTALLED_APPS

INSTALLED_APPS.insert(0, "bazaar_testing")
ROOT_URLCONF = "bazaar_testing.urls"
WSGI_APPLICATION = "bazaar_testing.wsgi.application"
# No worker runs: a task is carried out when it is enqueued.
CELERY_TASK_ALWAYS_EAGER = True

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = True
LOG_ACCESS = False
DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
# The market's nodes are heard the moment they speak, and no test trades too often.
MARKET_METER_GRACE_SECONDS = 0
MARKET_RATE_USER = MARKET_RATE_ANONYMOUS = 10**9
