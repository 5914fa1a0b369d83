"""ModelScope's wire."""
