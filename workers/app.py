"""The Celery application: hints only, and one engine and one event loop per child process."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.carriers import Carriers
from alerts.kit.db import STEADY_PLANS, Sessions, make_engine, make_sessions
from alerts.kit.logging import configure_logging
from alerts.kit.memory import settle
from alerts.kit.vitals import Pulse
from alerts.settings import Settings
from workers.broker import HintBroker, register_transport
from workers.wiring import QUICK

TASK_SECONDS_MAX = 900
MODULES = ("workers.tasks", "workers.staff", "workers.inbound", "workers.liveness")


@dataclass(frozen=True)
class Runtime:
    """What a task works with; made after the fork, never shared between processes. `sending`: sessions of the hot path."""

    settings: Settings
    sessions: Sessions
    sending: Sessions
    carriers: Carriers
    senders: SenderSets
    pulse: Pulse = field(default_factory=lambda: Pulse(f"{socket.gethostname()}:{os.getpid()}"))


class _Child:
    """The runtime of this child process (set once by the signal below)."""

    runtime: Runtime | None = None


def make_celery(settings: Settings) -> Celery:
    """A broker client with every wait bounded: a frozen Valkey must not hang a publisher (stack notes, measured)."""
    register_transport()
    app = Celery(
        "siaga",
        amqp=HintBroker,
        broker=settings.redis.url.get_secret_value(),
        include=["workers.tasks", "workers.staff", "workers.inbound", "workers.liveness"],
    )
    app.conf.update(
        broker_transport_options={
            "global_keyprefix": settings.redis.prefix,
            "visibility_timeout": 300,
            "socket_timeout": 5,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
        },
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=20,
        worker_enable_soft_shutdown_on_idle=True,
        worker_max_tasks_per_child=2000,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,  # otherwise what a child logs is lost
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        task_time_limit=TASK_SECONDS_MAX,
        task_soft_time_limit=TASK_SECONDS_MAX - 60,
        task_default_queue=QUICK,
        task_publish_retry=False,
    )
    app.set_current()
    return app


def start_runtime(settings: Settings) -> Runtime:
    """The engine, sessions and carriers of one process."""
    database = settings.database
    # A worker that stands still in the middle of a transaction must not hold a cancel, or its batch, until its lease ends.
    idle_seconds = max(2.0, settings.delivery.lease_seconds / 6)
    url = database.url.get_secret_value()
    engine = make_engine(url, pool_size=4, statement_timeout_seconds=300, idle_seconds=idle_seconds)
    hot = make_engine(url, pool_size=2, plans=STEADY_PLANS)
    return Runtime(settings, make_sessions(engine), make_sessions(hot), Carriers(settings), SenderSets.of(settings))


def connect_child_signals(settings: Settings) -> None:
    """Give each child its own runtime after the fork, and close it when the child ends."""

    def on_start(**_: object) -> None:
        configure_logging()
        _Child.runtime = start_runtime(settings)
        settle()

    def on_stop(**_: object) -> None:
        if _Child.runtime is not None:
            _Child.runtime.carriers.close()

    worker_process_init.connect(on_start, weak=False)
    worker_process_shutdown.connect(on_stop, weak=False)


def child_runtime() -> Runtime:
    """The runtime of this process; raises RuntimeError outside a worker's child."""
    if _Child.runtime is None:
        raise RuntimeError("tasks run in a worker's child process")
    return _Child.runtime
