"""Starts Postgres and Valkey from their wheels for the demo, the tests and the benchmarks.

Never part of the production image: there `SIAGA_DATABASE_URL` and `SIAGA_REDIS_URL` name real servers.
"""

from alerts.embedded.errors import EmbeddedError
from alerts.embedded.services import Services, services

__all__ = ["EmbeddedError", "Services", "services"]
