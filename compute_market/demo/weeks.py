"""Weeks as the demo counts them: the first begins on a Monday."""

from datetime import UTC, datetime, timedelta

WEEK = timedelta(days=7)
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
