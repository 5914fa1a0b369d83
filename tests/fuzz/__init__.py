"""Random calls over every route: nothing that a caller sends may crash a view.

`script/fuzz` runs any number of calls; `tests/security/test_fuzz.py` runs the same few thousand each time.
Each call has a seed of its own, which is printed for a call that failed and repeats it.
"""
