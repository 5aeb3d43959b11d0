"""Starts Postgres and Valkey from their wheels for the demo, the tests and the benchmarks.

`with embedded.services(purpose="demo") as s:` gives their addresses. Never part of the production image: there
`SIAGA_DATABASE_URL` and `SIAGA_REDIS_URL` name real servers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alerts.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from alerts.embedded.launch import Services, services

__all__ = ["EmbeddedError", "Services", "services"]


def __getattr__(name: str) -> Any:
    """Load the launcher when it is asked for: the guardian lives in this package and needs no database driver."""
    if name in __all__:
        return getattr(import_module("alerts.embedded.launch"), name)
    raise AttributeError(name)
