"""The application of a test's hub: the hub's own, with faults before it and machines behind it."""

from bazaar.celery import app
from bazaar.server.http.answering import WsgiApplication
from bazaar.wsgi import application as hub
from bazaar_testing.mock import faults, objects
from bazaar_testing.mock.market.clock import clock
from foundation.clock import keep_time_by

app.loader.import_default_modules()
keep_time_by(clock.now)
application: WsgiApplication = faults.with_faults(
    faults.with_machines(hub, clock.tend), owners_of=objects.owners
)
