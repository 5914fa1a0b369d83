"""Reads of the community, by subject."""
