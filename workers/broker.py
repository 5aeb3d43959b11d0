"""The broker's transport for hints: what was taken and not begun is not put back, when a connection is given up.

A hint may be lost: the relay rings again until its event is answered. kombu's own channel puts back what it holds when it is
closed; where the broker has died and a channel beside it could not be closed, it does so by a connection that is gone
already, and that error ends the whole worker.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES, redis

SCHEMES = ("redis", "rediss")


class HintChannel(redis.Channel):
    """Gives up what it holds."""

    do_restore = False


class HintTransport(redis.Transport):
    """Valkey or Redis, for hints."""

    Channel = HintChannel


def register_transport() -> None:
    """From now on the addresses of a broker lead here; how they are read (also that they ask for TLS) stays kombu's."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:{HintTransport.__name__}"))
