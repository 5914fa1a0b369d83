"""The support bundle: the state of a hub for somebody who helps from elsewhere, without anything secret.

Values are shown only of settings that are numbers, yes or no; of all others the bundle says whether they are
set. A secret can then not slip in by a setting that nobody thought of.
"""

from __future__ import annotations

import io
import json
import os
import platform
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from bazaar import metrics, readiness, sweeps

# Shorter parts of addresses are not removed.
PART_CHARS_MIN = 5
PREFIXES = ("BAZAAR_", "DATABASE_URL", "REDIS_URL", "CELERY_", "PROMETHEUS_", "OTEL_")


def write(file: Any) -> list[str]:
    """Write the bundle as a zip archive; return the names of what is in it.

    A part that cannot be made holds the kind of the error, so that a broken hub can still be described.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, make in PARTS.items():
            try:
                text = make()
            except Exception as error:  # noqa: BLE001 - a broken part is a finding
                text = f"This part could not be made: {type(error).__name__}.\n"
            archive.writestr(name, text)
    return list(PARTS)


def _versions() -> str:
    packages = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return _json(
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "database": connection.vendor,
            "cpus": os.cpu_count(),
            "packages": dict(sorted(packages.items())),
        }
    )


def _settings() -> str:
    return _json(
        {name: shown(getattr(settings, name)) for name in sorted(dir(settings)) if name.isupper()}
        | {"environment": shown_environment(os.environ)}
    )


def shown(value: Any) -> Any:
    """The bundle's word on a setting: a number or a yes/no as it is, of others whether there is a value."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return "set" if value else "empty"


def shown_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The names of the variables that are set for the bazaar, without their values."""
    return {
        name: "set" if value else "empty"
        for name, value in sorted(variables.items())
        if name.startswith(PREFIXES)
    }


def _doctor() -> str:
    out = io.StringIO()
    try:
        call_command("doctor", stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        out.write(f"{error}\n")
    return redacted(out.getvalue())


def redacted(text: str) -> str:
    """A text without the values of variables and settings that may be secret, and parts of addresses."""
    values: list[Any] = [settings.SECRET_KEY, settings.METRICS_TOKEN, settings.REDIS_URL]
    values += [connection.settings_dict.get(name) for name in ("PASSWORD", "HOST", "USER")]
    values += [value for name, value in os.environ.items() if name.startswith(PREFIXES)]
    secrets = {part for value in values if value for part in _parts(str(value))}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "‹removed›")
    return text


def _parts(value: str) -> Iterator[str]:
    """A value, and the user, password and host of an address. Short ones stand in many other words."""
    found = [value]
    if "://" in value:
        with suppress(ValueError):
            address = urlsplit(value)
            found += [address.username or "", address.password or "", address.hostname or "", address.netloc]
    yield from (part for part in found if len(part) >= PART_CHARS_MIN)


def _state() -> str:
    applied = MigrationRecorder(connection).applied_migrations()
    return _json(
        {
            "dependencies": {
                name: "failed" if problem else "ok" for name, problem in readiness.report().items()
            },
            "queues": readiness.queue_lengths(),
            "sweeps": {
                sweep.key: [sweep.ran_at.isoformat() if sweep.ran_at else None, sweep.error.partition(":")[0]]
                for sweep in sweeps.report()
            },
            "migrations": sorted(f"{app}.{name}" for app, name in applied),
        }
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


PARTS: dict[str, Callable[[], str]] = {
    "versions.json": _versions,
    "settings.json": _settings,
    "doctor.txt": _doctor,
    "metrics.txt": metrics.text,
    "state.json": _state,
}
