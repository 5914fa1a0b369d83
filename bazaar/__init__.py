"""The roof: composes both houses; nobody below imports it.

Importing it loads nothing: `bazaar.testing` must work where neither Django nor Celery is installed.
`celery -A bazaar` finds `bazaar.celery` by itself, and Django's processes load it with `bazaar.apps`.
"""
