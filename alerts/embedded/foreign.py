"""Servers that are not ours: we make one database and one key prefix there, and take exactly these away again."""

import json
import re
import secrets
import sys
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from alerts.embedded.errors import EmbeddedError, SafetyError

OLDEST_POSTGRES = 180_000
CONNECT_SECONDS = 5
DELETE_BATCH = 500
# Somebody's own database may well be called siaga_production: only what `own_name` made is ever taken away.
OWN_DATABASE = re.compile(r"siaga_[a-z]+_[0-9a-f]{12}(_[a-z0-9_]+)?")
OWN_PREFIX = re.compile(r"siaga_[a-z]+_[0-9a-f]{12}:")


def driver_url(url: str) -> str:
    """A SQLAlchemy URL as psycopg itself wants it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"


def sqlalchemy_url(url: str) -> str:
    """Any Postgres URL with the driver that the product uses."""
    return f"postgresql+psycopg://{url.partition('://')[2]}"


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def own_name(purpose: str) -> str:
    """A name that nobody else has: `siaga_<purpose>_<random>`."""
    return f"siaga_{purpose}_{secrets.token_hex(6)}"


def require_supported_postgres(version_number: int) -> None:
    """Refuse a Postgres older than 18 (`server_version_num`), in one sentence: tables need its `uuidv7()`."""
    if version_number < OLDEST_POSTGRES:
        major = OLDEST_POSTGRES // 10_000
        raise EmbeddedError(
            f"Siaga needs Postgres {major} or newer and SIAGA_DATABASE_URL names a Postgres {version_number // 10_000}: "
            "upgrade that server, or unset SIAGA_DATABASE_URL to use the embedded one."
        )


def require_postgres(url: str) -> None:
    """Fail readably when the server of SIAGA_DATABASE_URL is not there or too old; changes nothing."""
    with connect(url) as connection:
        require_supported_postgres(connection.info.server_version)


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection outside transactions, for creating and dropping databases."""
    try:
        return psycopg.connect(driver_url(url), autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error as error:
        host = urlsplit(url).hostname
        raise EmbeddedError(f"The Postgres of SIAGA_DATABASE_URL ({host}) does not let us in: {str(error).strip()}") from None


def create_database(url: str, name: str, *, template: str | None = None) -> str:
    """Create `name` on the server of `url`; returns its URL."""
    with connect(url) as connection:
        copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), copied))
        except psycopg.errors.InsufficientPrivilege:
            raise EmbeddedError(
                "The user of SIAGA_DATABASE_URL may not create databases: "
                f"allow it with ALTER ROLE {connection.info.user} CREATEDB, or unset SIAGA_DATABASE_URL."
            ) from None
    return with_database(url, name)


def drop_database(url: str, name: str) -> None:
    """Drop a database that we created, with whoever is still connected."""
    if not OWN_DATABASE.fullmatch(name):
        raise SafetyError(f"The database {name} is not one of ours and is left alone.")
    with connect(url) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_databases(url: str, base: str) -> None:
    """Drop `base` and the copies that the test workers made of it (`<base>_…`)."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = %s OR starts_with(datname, %s)", (base, f"{base}_")
        ).fetchall()
    for (name,) in rows:
        drop_database(url, str(name))


def delete_keys(url: str, prefix: str) -> int:
    """Delete the keys below `prefix` and no other; returns how many."""
    if not OWN_PREFIX.fullmatch(prefix):
        raise SafetyError(f"The key prefix {prefix!r} is not one of ours and is left alone.")
    client = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    deleted = 0
    with client:
        for key in client.scan_iter(match=f"{prefix}*", count=DELETE_BATCH):
            deleted += client.unlink(key)
    return deleted


def require_redis(url: str) -> None:
    """Fail early and readably when the server of SIAGA_REDIS_URL does not answer."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS) as client:
            client.ping()
    except redis.RedisError as error:
        raise EmbeddedError(f"The Redis of SIAGA_REDIS_URL ({urlsplit(url).hostname}) does not answer: {error}") from None


def clean(servers: dict[str, str]) -> None:
    """Take away what a run made on foreign servers: `database_url` + `database`, `redis_url` + `prefix`."""
    with suppress(EmbeddedError, psycopg.Error):
        if servers.get("database_url") and servers.get("database"):
            drop_databases(servers["database_url"], servers["database"])
    with suppress(EmbeddedError, redis.RedisError):
        if servers.get("redis_url") and servers.get("prefix"):
            delete_keys(servers["redis_url"], servers["prefix"])


def names(servers: dict[str, str]) -> dict[str, str]:
    """What of it may be written to a file: the names and the hosts, no password."""
    return {
        "database": servers.get("database", ""),
        "database_host": server_of(servers.get("database_url", "")),
        "prefix": servers.get("prefix", ""),
        "redis_host": server_of(servers.get("redis_url", "")),
    }


def server_of(url: str) -> str:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if url else ""


if __name__ == "__main__":  # the guardian asks so, on the standard input, to be free of a server that hangs
    clean(json.load(sys.stdin))
