"""The market's REST API."""
