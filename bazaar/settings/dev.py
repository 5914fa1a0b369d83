"""The embedded form, which `script/server` runs: one machine, plain HTTP on loopback."""

from bazaar.settings.base import *  # noqa: F403
