"""Namespaces, users, organizations and access tokens."""
