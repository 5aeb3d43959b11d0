"""What a scene of true processes stands on: servers, a migrated database with accounts in it, and code that is loaded already.

Making one takes longer than most scenes. So those that break no server have one after the other: each gets a copy of the database,
an empty Valkey and an empty folder, and what the last one started has ended.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass

import redis

from alerts import embedded
from alerts.embedded import foreign
from alerts.embedded.launch import database_name
from alerts.stage import PROCESSES, Account, Stage

# What the processes of a Siaga load: once, before they are forked.
PARTS = (
    "alerts.cli",
    "alerts.app",
    "alerts.sandbox.server",
    "celery.apps.worker",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "psycopg",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "workers.inbound",
    "workers.liveness",
    "workers.relay",
    "workers.staff",
    "workers.tasks",
)


@dataclass(frozen=True)
class Ground:
    """Servers on whose database a stage may start, and who has an account there."""

    services: embedded.Services
    accounts: Mapping[str, Account]


@contextmanager
def own_ground(*, is_durable: bool) -> Iterator[Ground]:
    """For one scene alone: it may kill the servers (`is_durable`); otherwise Postgres waits for no disk."""
    with embedded.services(purpose="flow", is_durable=is_durable) as services:
        with closing(Stage(services, mode="test")) as stage:
            stage.migrate()
            accounts = stage.make_accounts({"kbri-ankara": "ankara"})
            services.warm_up(*PARTS, environ=stage.environment)
        yield Ground(services, accounts)


class KeptGround:
    """One ground for the scenes of this process, made when the first one comes. A scene that fails takes it along."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._ground: Ground | None = None

    @contextmanager
    def lent(self) -> Iterator[Ground]:
        """For one scene at a time; what it leaves is gone afterwards."""
        self._ground = ground = self._ground or self._stack.enter_context(own_ground(is_durable=False))
        services, template = ground.services, ground.services.database_url
        assert not database_name(template).endswith("_scene"), "one scene at a time"
        kept = set(services.folder.iterdir())
        services.database_url = services.create_database("scene", template=database_name(template))
        try:
            yield ground
            end_processes(services)
            foreign.drop_database(template, database_name(services.database_url))
            with redis.Redis.from_url(services.redis_url) as valkey:
                valkey.flushall()
            for path in set(services.folder.iterdir()) - kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except BaseException:
            self.close()
            raise
        services.database_url = template

    def close(self) -> None:
        """Stop the servers; the next scene gets new ones."""
        self._ground = None
        self._stack.close()


KEPT = KeptGround()


def end_processes(services: embedded.Services) -> None:
    """All are asked at once, for each needs a second or two to end."""
    for name in PROCESSES:
        if pid := services.process_pid(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    for name in PROCESSES:
        services.stop_process(name)
