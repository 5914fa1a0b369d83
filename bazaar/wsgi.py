"""The WSGI entry point."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from bazaar.server.http.answering import WsgiApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
application: WsgiApplication = get_wsgi_application()
if settings.MOCK:
    from celery.app.task import Task

    from bazaar.celery import app
    from bazaar.mock import objects, tasks, wsgi
    from bazaar.mock.market.clock import clock
    from foundation.clock import keep_time_by

    app.loader.import_default_modules()
    keep_time_by(clock.now)
    served = wsgi.with_machines(application, clock.tend)
    application = wsgi.with_faults(served, owners_of=objects.owners)
    Task.apply_async = tasks.with_faults(Task.apply_async)  # type: ignore[method-assign]
