"""OpenCSG's wire."""
