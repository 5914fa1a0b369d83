"""The hub as a pytest fixture: `def test_x(model_hub): ...` (docs/testing.md).

The plugin depends on pytest and the market's client alone. The server (`bazaar_testing.server`) runs in a
process of its own, perhaps with another environment's Python.
"""
