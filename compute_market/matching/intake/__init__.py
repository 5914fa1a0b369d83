"""Acceptance of orders and other requests of traders: they are checked, their money or GPUs held,
and logged.
"""
