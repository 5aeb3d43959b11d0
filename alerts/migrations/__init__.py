"""Alembic: linear, expand then contract, each with a lock timeout. `migrate` runs them from the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(database_url: str) -> Config:
    """A configuration without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    """Bring a database to the newest version. Safe to repeat; two at once wait for each other."""
    command.upgrade(alembic_config(database_url), "head")
