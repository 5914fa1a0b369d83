"""The WSGI entry point."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from bazaar.server.worker import letting_sockets_go

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
application = letting_sockets_go(get_wsgi_application())
if settings.MOCK:
    from bazaar.mock.wsgi import with_faults

    application = with_faults(application)
