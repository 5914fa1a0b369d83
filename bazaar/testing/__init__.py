"""The hub as a pytest fixture: `def test_x(model_hub): ...` (docs/testing.md).

The plugin depends on pytest alone; the server runs in a process of its own, perhaps with another
environment's Python.
"""
