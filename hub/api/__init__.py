"""Doors for programs, one folder a dialect."""
