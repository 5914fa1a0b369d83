"""Facts that are read from a repository's files: pure functions from bytes to plain values.

Nothing here touches git, the database or Django, and nothing raises on a malformed file: a bad card or header
gives no facts, and at most a sentence about what is wrong.
"""
