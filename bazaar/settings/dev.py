"""The embedded form: one machine, plain HTTP on loopback. What `script/server` runs."""

from bazaar.settings.base import *  # noqa: F403
