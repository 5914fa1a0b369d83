"""Smart HTTP and the git-lfs batch API."""
