"""The mock mode: faults on demand, a record of requests, and a reset (BAZAAR_MOCK; docs/testing.md).

For tests only: every caller of `/_mock/` may change everything. Its state is in memory, so one process
serves.
"""
