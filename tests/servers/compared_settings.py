"""A live server under test whose answers are compared with their descriptions (`tests.servers.compared`)."""

from bazaar.settings.live_test import *  # noqa: F403
from bazaar.settings.live_test import MIDDLEWARE

MIDDLEWARE = ["tests.servers.compared.RecordAnswers", *MIDDLEWARE]
