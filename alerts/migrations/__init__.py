"""Alembic: linear, expand then contract, each with a lock timeout. `migrate` runs them from the package.

Alembic is imported where it runs: every web process asks which version is the newest, and it is a quarter of a second of their start.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent


@cache
def newest_revision() -> str:
    """The version that this code needs: files are called as their revisions, which are linear (there is a test)."""
    return max(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))


def alembic_config(database_url: str) -> Config:
    """A configuration without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    """Bring a database to the newest version. Safe to repeat; two at once wait for each other."""
    from alembic import command

    command.upgrade(alembic_config(database_url), "head")
