"""The broker's transport for hints: what was taken and not begun is not put back, when a connection is given up.

A hint may be lost: the relay rings again until its event is answered. kombu's own channel puts back what it holds when it is
closed; where the broker has died and a channel beside it could not be closed, it does so by a connection that is gone
already, and that error ends the whole worker.
"""

from __future__ import annotations

from collections.abc import Iterable

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import RedisError

SCHEMES = ("redis", "rediss")
BROKER_FAULTS = (BrokerError, RedisError, OSError)


class HintChannel(redis.Channel):
    """Gives up what it holds."""

    do_restore = False


class HintTransport(redis.Transport):
    """Valkey or Redis, for hints."""

    Channel = HintChannel


def register_transport() -> None:
    """From now on the addresses of a broker lead here; how they are read (also that they ask for TLS) stays kombu's."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:{HintTransport.__name__}"))


def queue_length(celery: Celery, queues: Iterable[str]) -> int:
    """Hints that wait in these queues, by a connection of its own. Raises one of BROKER_FAULTS."""
    with celery.connection_for_read() as connection:
        client = connection.default_channel.client
        return sum(int(client.llen(queue)) for queue in queues)
