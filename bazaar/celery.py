"""The Celery application and its timetable (beat)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")

app = Celery("bazaar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# One line a sweep: the name says what it does, the number how many seconds lie between two runs.
app.conf.beat_schedule = {}
