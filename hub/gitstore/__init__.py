"""Bare git repositories on disk, read and written in process."""
