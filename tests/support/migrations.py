"""`python -m tests.support.migrations check|new NAME`: Alembic against an embedded database of its own."""

from __future__ import annotations

import sys

from alembic import command
from alembic.util import CommandError

from alerts import embedded
from alerts.migrations import alembic_config, upgrade


def check(database_url: str) -> None:
    """Fail when the models and the migrations disagree."""
    try:
        command.check(alembic_config(database_url))
    except CommandError as error:
        sys.exit(f"migrations: {error}")


def new(database_url: str, name: str) -> None:
    """Write a migration with what the models have and the newest migration has not; read it before you commit it."""
    if not name.isidentifier():
        sys.exit("Give the migration a name: make migration NAME=add_flights")
    config = alembic_config(database_url)
    head = max(int(path.stem[:4]) for path in _versions())
    command.revision(config, message=name, autogenerate=True, rev_id=f"{head + 1:04d}")


def _versions() -> list:
    from pathlib import Path

    import alerts.migrations

    return list(Path(alerts.migrations.__file__).parent.glob("versions/[0-9]*.py"))


def main() -> None:
    with embedded.services(purpose="migrations", is_durable=False, environ={}) as services:
        upgrade(services.database_url)
        if sys.argv[1] == "check":
            check(services.database_url)
        else:
            new(services.database_url, sys.argv[2])


if __name__ == "__main__":
    main()
