"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from bazaar.server.worker import letting_sockets_go

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
application = letting_sockets_go(get_wsgi_application())
