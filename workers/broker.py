"""The broker of hints: what was taken and not begun is not put back when a connection is given up, and a lost broker is looked for often.

A hint may be lost: the relay rings again until its event is answered. kombu's own channel puts back what it holds when it is
closed; where the broker has died and a channel beside it could not be closed, it does so by a connection that is gone
already, and that error ends the whole worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.exceptions import OperationalError as BrokerError
from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import RedisError

SCHEMES = ("redis", "rediss")
OFTEN = {"interval_start": 1, "interval_step": 1, "interval_max": 1}
"""Seconds between two tries."""
BROKER_FAULTS = (BrokerError, RedisError, OSError)


class HintQoS(redis.QoS):
    """What is done counts as done, also where the broker could not be told.

    With kombu's own, a hint whose acknowledgement failed (a broker that stood still for some seconds, say) takes up its place
    for good: the worker lives, is connected, and takes nothing any more. If the hint comes again, that is harmless.
    """

    def ack(self, delivery_tag: str) -> None:
        """Raises what the broker's client raises, after the place was given back."""
        try:
            self._remove_from_indices(delivery_tag).execute()  # type: ignore[no-untyped-call]
        finally:
            self._quick_ack(delivery_tag)


class HintChannel(redis.Channel):
    """Gives up what it holds."""

    do_restore = False
    QoS = HintQoS


class HintTransport(redis.Transport):
    """Valkey or Redis, for hints."""

    Channel = HintChannel


class HintConnection(Connection):
    """Looks for a broker that has gone every second or two; kombu's own waits longer each time, up to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """As kombu's, with its waits."""
        return super().ensure_connection(*args, **(OFTEN | options))  # type: ignore[no-untyped-call]


class HintBroker(AMQP):  # type: ignore[misc]
    """What Celery is given in place of its own."""

    Connection = HintConnection


def register_transport() -> None:
    """From now on the addresses of a broker lead here; how they are read (also that they ask for TLS) stays kombu's."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:{HintTransport.__name__}"))


def queue_length(celery: Celery, queues: Iterable[str]) -> int:
    """Hints that wait in these queues, by a connection of its own. Raises one of BROKER_FAULTS."""
    with celery.connection_for_read() as connection:
        client = connection.default_channel.client
        return sum(int(client.llen(queue)) for queue in queues)
