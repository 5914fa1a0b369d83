"""The Xet content store: xorbs, shards, files and the chunk index."""
