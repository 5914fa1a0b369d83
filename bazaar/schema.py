"""Are the migrations of this release applied?

A newer schema is none of this module's business: every release works with the schema of the next one
(docs/adr/0213-schemas-change-in-two-releases.md).
"""

from __future__ import annotations

import logging
import pkgutil
import time
from functools import cache
from importlib import import_module

from django.apps import apps
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
NAMES_SHOWN = 3


@cache
def known() -> frozenset[tuple[str, str]]:
    """The migrations of this release as (app, name). They are listed, not imported."""
    found = set()
    for config in apps.get_app_configs():
        name, is_explicit = MigrationLoader.migrations_module(config.label)
        if name is None:
            continue
        try:
            package = import_module(name)
        except ModuleNotFoundError:
            if is_explicit:
                raise
            continue
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg and module.name[0] not in "_~":
                found.add((config.label, module.name))
    return frozenset(found)


def pending() -> list[str]:
    """The migrations of this release that are not applied, as `app.name`. Raises: DatabaseError."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return sorted(f"{app}.{name}" for app, name in known() - applied)


def problem() -> str:
    """The migrations that wait, in words for an operator; empty if none does. Raises: DatabaseError."""
    if not (waiting := pending()):
        return ""
    shown = ", ".join(waiting[:NAMES_SHOWN]) + (", …" if len(waiting) > NAMES_SHOWN else "")
    return f"{len(waiting)} migrations pending ({shown}); run migrate"


def wait_until_current() -> None:
    """Return when no migration waits: a worker of a new release may be started before `migrate` is run.

    A database that does not answer is no reason to wait, because tasks are tried again.
    """
    while True:
        try:
            found = problem()
        except DatabaseError:
            return
        finally:
            connection.close()
        if not found:
            return
        log.warning("schema_pending problem=%s", found)
        time.sleep(LOOK_SECONDS)
