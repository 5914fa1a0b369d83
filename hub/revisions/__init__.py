"""The content of a repository at a revision, and making commits."""
