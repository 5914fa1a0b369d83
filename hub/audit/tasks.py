"""The Celery tasks of the audit log. A lost or doubled task does no harm."""

from celery import shared_task

from hub.audit import chain


@shared_task(acks_late=True, soft_time_limit=300)
def append_new(**_: object) -> None:
    chain.append_new()
