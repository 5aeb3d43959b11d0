"""How Alembic connects, and which tables it compares with."""

from __future__ import annotations

import importlib
import pkgutil

from alembic import context
from sqlalchemy import create_engine, pool, text

import alerts
from alerts.kit import audit, idempotency, outbox, vitals  # noqa: F401 - their tables
from alerts.kit.db import Base

MIGRATION_LOCK = 7_104_221


def import_all_models() -> None:
    """Every slice's tables, and those of its parts."""
    for module in pkgutil.walk_packages(alerts.__path__, "alerts."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)


def run() -> None:
    """Migrate online, one transaction for each, so that no lock outlives its migration; one process at a time."""
    import_all_models()
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


run()
