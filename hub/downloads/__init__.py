"""Download counters."""
