"""What no dialect covers: sign-up, organizations, tokens, statistics."""
