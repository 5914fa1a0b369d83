"""The WSGI entry point."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from bazaar.server.worker import letting_sockets_go

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
application = letting_sockets_go(get_wsgi_application())
if settings.MOCK:
    from celery.app.task import Task

    from bazaar.mock import tasks, wsgi

    application = wsgi.with_faults(application)
    Task.apply_async = tasks.with_faults(Task.apply_async)  # type: ignore[method-assign]
