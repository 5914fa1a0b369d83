"""The hub's own API: sign-up, organizations, tokens, statistics."""
