"""The two servers of a test session, shared by its workers, and the databases made from one migrated template."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from alerts import embedded
from alerts.embedded import foreign, scratch
from alerts.embedded.launch import copy_database, database_name

FOREIGN_REASON = "a configured server is not ours: tests that flush, freeze or kill a server leave it alone"


@dataclass(frozen=True)
class Servers:
    """What a worker must know of the servers that the session's controller started."""

    folder: str
    database_url: str
    redis_url: str
    redis_prefix: str
    is_own_postgres: bool
    is_own_valkey: bool

    @property
    def is_breakable(self) -> bool:
        return self.is_own_postgres and self.is_own_valkey

    def as_input(self) -> dict[str, str | bool]:
        return asdict(self)


class ServerStarter:
    """Starts the servers when somebody first needs them, and stops them with the session."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._stack = ExitStack()
        self._servers: Servers | None = None

    def servers(self) -> Servers:
        if self._servers is None:
            started = self._stack.enter_context(embedded.services(purpose="test", is_durable=False, environ=self._environ))
            self._servers = Servers(
                folder=str(started.folder),
                database_url=started.database_url,
                redis_url=started.redis_url,
                redis_prefix=started.redis_prefix,
                is_own_postgres=started.is_own_postgres,
                is_own_valkey=started.is_own_valkey,
            )
        return self._servers

    def stop(self) -> None:
        self._stack.close()


def migrated_template(servers: Servers) -> str:
    """The name of the template; the first worker to come migrates it and loads the missions, the others wait."""
    name = f"{database_name(servers.database_url)}_template"
    with _locked(Path(servers.folder) / "template"):
        done = Path(servers.folder) / "template.done"
        if not done.exists():
            foreign.drop_database(servers.database_url, name)  # of a worker that failed half-way
            _fill(copy_database(servers.database_url, "template"))
            done.touch()
    return name


def _fill(url: str) -> None:
    from alerts.kit.db import begin, make_engine, make_sessions
    from alerts.migrations import upgrade
    from alerts.missions.actions import load_missions

    upgrade(url)
    engine = make_engine(url)
    with begin(make_sessions(engine)) as session:
        load_missions(session)
    engine.dispose()


@contextmanager
def fresh_database(servers: Servers, suffix: str) -> Iterator[str]:
    """A migrated database of one's own, dropped afterwards."""
    template = migrated_template(servers)
    with _locked(Path(servers.folder) / "template"):  # a template may be copied by one at a time
        url = copy_database(servers.database_url, suffix, template=template)
    try:
        yield url
    finally:
        foreign.drop_database(servers.database_url, database_name(url))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def scratch_folder() -> Path:
    return scratch.RUN_FOLDER
