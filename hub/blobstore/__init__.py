"""Object bytes, in a local directory or in S3."""
