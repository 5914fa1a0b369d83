"""Settings that take more than one variable or a check of their own: secrets, database, Redis, object store.

Every variable is optional. `docs/configuration.md` lists them for operators.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from bazaar.server import redis
from foundation import redis_addresses
from foundation.environment import VariableInvalid, choice, flag, split_address, text
from hub.accounts.token_text import DEFAULT_PREFIX, PREFIX


def token_prefix() -> str:
    """The prefix of new access tokens: letters, digits and `_`. Raises VariableInvalid."""
    prefix = text("BAZAAR_TOKEN_PREFIX").strip() or DEFAULT_PREFIX
    if not PREFIX.fullmatch(prefix):
        raise VariableInvalid(f"BAZAAR_TOKEN_PREFIX must be 1 to 20 of A-Z, a-z, 0-9 and _, not {prefix!r}.")
    return prefix


def folder(path: Path) -> Path:
    """The folder, made if it was not there."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def public_url() -> str:
    """BAZAAR_PUBLIC_URL without a slash at its end, or an empty text. Raises VariableInvalid."""
    url = text("BAZAAR_PUBLIC_URL").strip().rstrip("/")
    parts = split_address("BAZAAR_PUBLIC_URL", url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise VariableInvalid(f"BAZAAR_PUBLIC_URL must be like https://hub.example.org, not {url!r}.")
    return url


def error_dsn() -> str:
    """BAZAAR_ERROR_DSN, or an empty text. Raises VariableInvalid: logging would hide which variable it is."""
    if dsn := text("BAZAAR_ERROR_DSN"):
        from bazaar.error_reports import check_dsn  # imported only where reports are on

        check_dsn(dsn)
    return dsn


def secret(data: Path) -> str:
    """The signing key: from BAZAAR_SECRET_KEY, else generated once for this data folder."""
    if given := text("BAZAAR_SECRET_KEY"):
        return given
    path = data / "secret_key"
    data.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    key = path.read_text().strip()
    if len(key) < 32:
        raise VariableInvalid(f"{path} is empty or cut short; delete it to get a new key.")
    return key


def database(data: Path) -> dict[str, Any]:
    """Django's DATABASES entry for DATABASE_URL, or SQLite in the data folder. Raises VariableInvalid."""
    url = text("DATABASE_URL")
    if not url:
        return sqlite(data / "db.sqlite3")
    parts = split_address("DATABASE_URL", url)
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise VariableInvalid(f"DATABASE_URL: {parts.scheme!r} is not postgresql or sqlite.")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    # Prepared statements are kept by their session from the sixth execution on. A pooler that lends
    # one session to many cannot have that: `?prepare_threshold=off`.
    threshold = options.pop("prepare_threshold", "5")
    if threshold != "off" and not threshold.isdecimal():
        raise VariableInvalid(f"DATABASE_URL: prepare_threshold must be off or a number, not {threshold!r}.")
    options["prepare_threshold"] = None if threshold == "off" else int(threshold)
    return {
        "ENGINE": "bazaar.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or "") or text("BAZAAR_DATABASE_PASSWORD"),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # Such a pooler gives the next transaction another session, which has not the cursor of the last one.
        "DISABLE_SERVER_SIDE_CURSORS": threshold == "off",
    }


def sqlite(path: Path) -> dict[str, Any]:
    """SQLite as one writer and many readers: WAL, and every transaction takes the lock at BEGIN."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                " PRAGMA cache_size=-16000; PRAGMA mmap_size=268435456;"
            ),
        },
    }


def redis_url(data: Path) -> str:
    """REDIS_URL, or the private socket on which `script/server` starts its own. Raises VariableInvalid."""
    return redis_addresses.checked(text("REDIS_URL") or f"unix://{redis.socket_path(data)}")


def broker(url: str, prefix: str) -> tuple[str, dict[str, Any]]:
    """Celery's address of the Redis at `url`, and the options of its transport.

    They bound how long a request waits that sends a task. By Celery's defaults that is six seconds where
    nothing listens, and for ever where Redis hangs.
    """
    options: dict[str, Any] = {
        "global_keyprefix": f"{prefix}:celery:",
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "max_retries": 0,
    }
    if (sentinels := redis_addresses.sentinels_of(url)) is None:
        return url.replace("unix://", "redis+socket://", 1), options
    sign_in = ""
    if sentinels.password is not None:
        sign_in = f"{quote(sentinels.username or '', safe='')}:{quote(sentinels.password, safe='')}@"
    hosts = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sentinels.hosts]
    addresses = [f"sentinel://{sign_in}{host}/{sentinels.database}" for host in hosts]
    return ";".join(addresses), options | {"master_name": sentinels.name}


def object_store() -> dict[str, Any] | None:
    """The S3 bucket for object bytes, or None: then they are kept in the data folder.

    Raises VariableInvalid when other S3 variables are given without a bucket.
    """
    bucket = text("BAZAAR_S3_BUCKET")
    if not bucket:
        if text("BAZAAR_S3_ENDPOINT"):
            raise VariableInvalid("BAZAAR_S3_ENDPOINT is set, but BAZAAR_S3_BUCKET is not.")
        return None
    return {
        "bucket": bucket,
        "endpoint": text("BAZAAR_S3_ENDPOINT"),
        "public_endpoint": text("BAZAAR_S3_PUBLIC_ENDPOINT"),
        "region": text("BAZAAR_S3_REGION", default="us-east-1"),
        "access_key": text("BAZAAR_S3_ACCESS_KEY"),
        "secret_key": text("BAZAAR_S3_SECRET_KEY"),
        "prefix": text("BAZAAR_S3_PREFIX"),
        "presign": flag("BAZAAR_S3_PRESIGN", default=True),
        "is_virtual_host": choice("BAZAAR_S3_ADDRESSING", ("PATH", "VIRTUAL"), default="PATH") == "VIRTUAL",
    }


def content_policy(store: Mapping[str, Any] | None) -> str:
    """The content security policy of pages: they run only the hub's own scripts and load nothing from other
    hosts.

    If clients fetch from the object store directly, pages may also send files to it and show pictures from
    it.
    """
    origin = ""
    if store and store["presign"]:
        bucket, region = store["bucket"], store["region"]
        address = urlsplit(store["public_endpoint"] or store["endpoint"])
        origin = f" {address.scheme}://{bucket + '.' if store['is_virtual_host'] else ''}{address.netloc}"
        if not address.netloc:
            origin = f" https://{bucket}.s3.amazonaws.com https://{bucket}.s3.{region}.amazonaws.com"
    return (
        f"default-src 'self'; connect-src 'self'{origin}; img-src 'self' data: blob:{origin};"
        f" media-src 'self'{origin}; style-src 'self' 'unsafe-inline'; object-src 'none';"
        " base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


def git_fronts() -> Path | None:
    """The folder of the fronts of this node; None: each repository's folder is its own front (ADR 0209)."""
    folder = text("BAZAAR_GIT_FRONT_DIR")
    return Path(folder) if folder else None
