"""What only a test's hub does: faults on demand, a record of requests, a clock to move, and a reset.

For tests only: anybody who reaches `/_mock/` may change everything. Its state is in memory, so one
process serves.
"""
