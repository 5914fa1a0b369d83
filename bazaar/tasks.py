"""The Celery tasks of `bazaar`."""

from celery import shared_task
from django.utils import timezone

from bazaar import figures


@shared_task(acks_late=True, soft_time_limit=50)
def take_figures(**_: object) -> None:
    figures.take(now=timezone.now())
