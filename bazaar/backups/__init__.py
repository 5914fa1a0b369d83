"""Backups: consistent copies of rows, git and objects, beside running writers (docs/operate/backup.md)."""
