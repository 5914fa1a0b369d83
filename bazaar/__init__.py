"""The package above both houses: settings, addresses, server. No house imports it.

Importing this module loads nothing else: the supervisor starts without Django and Celery.
`celery -A bazaar` finds `bazaar.celery` by itself, and Django loads it with `bazaar.apps`.
"""

# The one place: pyproject.toml, `bazaar --version` and the API's description read it.
__version__ = "1.0.0rc1"
