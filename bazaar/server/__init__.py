"""Starts, watches and stops the processes of a bazaar that runs on one machine."""
