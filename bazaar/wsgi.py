"""The WSGI entry point."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

from bazaar import tracing

if TYPE_CHECKING:
    from bazaar.server.http.answering import WsgiApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
tracing.start()
application: WsgiApplication = get_wsgi_application()
