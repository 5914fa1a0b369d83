"""The one refusal of this package."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes break the format; the message says where and how, fit to be shown to the sender."""
