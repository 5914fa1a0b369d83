"""The repository record, its names and its permissions."""
