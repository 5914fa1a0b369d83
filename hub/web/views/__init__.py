"""Doors for people, one module a subject."""
