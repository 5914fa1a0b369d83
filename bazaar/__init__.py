"""The roof: composes both houses; nobody below imports it."""

from bazaar.celery import app as celery_app

__all__ = ["celery_app"]
