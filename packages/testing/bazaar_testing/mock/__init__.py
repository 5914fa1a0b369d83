"""The mock mode, for hubs of tests only: faults on demand, a record of requests, a clock to set, and a reset.

Every caller of `/_mock/` may change everything. Its state is in memory, so one process serves.
"""
