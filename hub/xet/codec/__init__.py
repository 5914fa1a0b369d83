"""The bytes of the Xet protocol: hashes, xorbs, shards and chunking. Pure; knows no Django.

A hash is 32 raw bytes everywhere in this package. Its text form (addresses, JSON, headers, columns)
is not plain hex: `hashes.to_text` and `hashes.from_text` translate.
"""
