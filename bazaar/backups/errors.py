"""Failures of backups, in a sentence for the operator."""

from __future__ import annotations


class BackupFailed(Exception):
    """The command stops here; the message says why and what to do."""


class Damaged(BackupFailed):
    """Stored bytes are not those that were written."""
