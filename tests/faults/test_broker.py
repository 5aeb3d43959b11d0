"""The broker dies while hints lie taken and not yet begun: the connection is given up, and the worker lives to find the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from logging import getLogger
from typing import Any

import psutil
import pytest
from kombu import Connection, Consumer, Queue

from alerts import embedded
from alerts.settings import Settings
from tests.support.breaking import frozen
from tests.support.stages import wait_until
from workers.app import make_celery

pytestmark = pytest.mark.breaks_servers
QUEUE = "sending"
TRIES, OFTEN_SECONDS = 3, 2


def test_a_dead_broker_is_let_go_with_hints_in_hand(
    breakable_services: embedded.Services, make_settings: Callable[..., Settings], database_url: str
) -> None:
    """As Celery does when its connection breaks: what the old channel held is not put back by way of what is gone."""
    celery = make_celery(make_settings(database_url, SIAGA_REDIS_URL=breakable_services.redis_url))
    with celery.connection_for_write() as connection:
        celery.send_task("deliveries.send", kwargs={"event_id": None, "payload": {}}, queue=QUEUE, connection=connection)
    taken: list[object] = []
    connection = celery.connection_for_read()
    consumer = Consumer(connection, queues=[Queue(QUEUE)], callbacks=[lambda _, message: taken.append(message)], accept=["json"])
    consumer.consume()
    Consumer(connection.channel(), queues=[Queue("other")]).consume()  # as the channel for remote control beside that for tasks
    connection.drain_events(timeout=5)
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.2)  # it asks for the next one, and waits
    pid = breakable_services.valkey_pid
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=10)
    connection.collect(socket_timeout=1)
    connection.close()
    assert len(taken) == 1
    celery.close()


def test_a_hint_that_could_not_be_acknowledged_keeps_no_place(
    breakable_services: embedded.Services, make_settings: Callable[..., Settings], database_url: str
) -> None:
    """Valkey stands still while a task ends, and goes on: who takes one hint at a time takes the next one."""
    celery = make_celery(make_settings(database_url, SIAGA_REDIS_URL=breakable_services.redis_url))
    celery.conf.broker_transport_options |= {"socket_timeout": 0.3}
    taken: list[Any] = []
    with celery.connection_for_read() as connection, celery.connection_for_write() as writing:
        consumer = Consumer(connection, queues=[Queue(QUEUE)], callbacks=[lambda _, message: taken.append(message)], accept=["json"])
        consumer.qos(prefetch_count=1)
        consumer.consume()
        for count in (1, 2):
            celery.send_task("deliveries.send", kwargs={"event_id": None, "payload": {}}, queue=QUEUE, connection=writing)
            wait_until(lambda count=count: drained(connection) or len(taken) == count, seconds=10)
            if count == 1:
                with frozen(breakable_services.valkey_pid):
                    taken[0].ack_log_error(getLogger("kombu"), connection.connection_errors)
    celery.close()


def drained(connection: Connection) -> None:
    """Whatever is there now."""
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.2)


def test_a_broker_that_has_gone_is_looked_for_often(make_settings: Callable[..., Settings], database_url: str) -> None:
    """However long it was away, work goes on soon after it is back: no wait grows."""
    celery = make_celery(make_settings(database_url, SIAGA_REDIS_URL="redis://127.0.0.1:1/0"))
    waits: list[float] = []

    class SeenError(Exception):
        """Enough was seen."""

    def on_error(_: Exception, wait: float) -> None:
        waits.append(wait)
        if len(waits) == TRIES:
            raise SeenError

    with celery.connection_for_read() as connection, pytest.raises(SeenError):
        connection.ensure_connection(on_error, None, callback=lambda: None)
    assert max(waits) <= OFTEN_SECONDS
    celery.close()
