"""One Postgres and one Valkey for a run, ours or somebody else's, and everything gone again afterwards."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from alerts.embedded import binaries, foreign, identity, scratch
from alerts.embedded.errors import EmbeddedError
from alerts.embedded.handle import GuardianHandle

USER = "siaga"
START_SECONDS = 30.0
LOOK_SECONDS = 0.02
PORT_TRIES = 5
INITDB_SECONDS = 60.0
LOG_TAIL = 600
KEPT_VARIABLES = ("PATH", "LANG", "PYTHONPYCACHEPREFIX")  # all that a process of ours takes over from the shell
LOOPBACK = "127.0.0.1"

COMMON_POSTGRES = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a checkout's has no limit
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is outside the checkout, and small in containers
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
}
FAST_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Services:
    """Addresses and handles of the two servers of a run. Make it with `services()`."""

    database_url: str
    """`postgresql+psycopg://…` of this run's own, empty database."""
    redis_url: str
    redis_prefix: str
    """Empty on our own Valkey; on a foreign Redis every key must begin with it."""
    is_own_postgres: bool
    is_own_valkey: bool

    def __init__(self, folder: Path, lock: int, *, is_durable: bool) -> None:
        self.folder = folder
        self.is_durable = is_durable
        self.redis_prefix = ""
        self._guardian = GuardianHandle(folder, lock)
        self._password = secrets.token_urlsafe(24)
        self._ports: dict[str, int] = {}

    # -- starting ---------------------------------------------------------------------------------------------------

    def use_postgres(self, configured: str | None, purpose: str) -> None:
        """Our own server, or an own database on the configured one."""
        self.is_own_postgres = configured is None
        if configured is None:
            self._make_cluster()
            self.start_postgres()
            self.database_url = self._create(self._server_url(), foreign.own_name(purpose))
        else:
            foreign.require_postgres(configured)
            name = foreign.own_name(purpose)
            self._guardian.remember(database_url=configured, database=name)
            self.database_url = foreign.sqlalchemy_url(foreign.create_database(configured, name))

    def use_valkey(self, configured: str | None, purpose: str) -> None:
        """Our own server, or an own prefix on the configured one."""
        self.is_own_valkey = configured is None
        if configured is None:
            self.start_valkey()
            self.redis_url = f"redis://:{self._password}@{LOOPBACK}:{self._ports['valkey']}/0"
        else:
            foreign.require_redis(configured)
            self.redis_url = configured
            self.redis_prefix = f"{foreign.own_name(purpose)}:"
            self._guardian.remember(redis_url=configured, prefix=self.redis_prefix)

    def _make_cluster(self) -> None:
        data = self.folder / f"pg{binaries.POSTGRES_MAJOR}"
        data.mkdir(mode=0o700)
        initdb = binaries.postgres_program("initdb")
        self._guardian.ask("identify", program=str(initdb), data=str(data))
        argv = [str(initdb), "-D", str(data), "-U", USER, "--encoding=UTF8", "--locale-provider=builtin"]
        argv += ["--builtin-locale=C.UTF-8", "--locale=C", "--auth=scram-sha-256", "--no-sync"]
        done = self._guardian.ask("run", argv=argv, secret=self._password, seconds=INITDB_SECONDS)
        if done["code"] != 0:
            raise EmbeddedError(f"Postgres could not make its data folder: {done['output'].strip()[-LOG_TAIL:]}")

    def start_postgres(self) -> None:
        """Start our Postgres (again) on its data and port, and wait until it answers."""
        options = COMMON_POSTGRES | ({} if self.is_durable else FAST_POSTGRES)
        argv = [str(binaries.postgres_program("postgres")), "-D", str(self.folder / f"pg{binaries.POSTGRES_MAJOR}")]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        self._start("postgres", lambda port: [*argv, "-p", str(port)], lambda _: "")

    def start_valkey(self) -> None:
        """Start our Valkey (again) on its data and port, and wait until it answers."""
        data = self.folder / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        lines = [f"dir {data}", f"bind {LOOPBACK}", f"requirepass {self._password}", 'save ""', "daemonize no"]
        lines += ["appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"]
        argv = [str(binaries.valkey_program()), "-"]
        self._start("valkey", lambda _: argv, lambda port: "\n".join([*lines, f"port {port}", ""]))

    def _start(self, name: str, argv: Any, stdin: Any) -> None:
        """Start on the known port, or on a free one; a port that somebody else took meanwhile is tried anew."""
        known = self._ports.get(name)
        for _ in range(PORT_TRIES):
            port = known or _free_port()
            self._ports[name] = port
            is_postgres = name == "postgres"
            self._guardian.ask("start", name=name, argv=argv(port), stdin=stdin(port), is_postgres=is_postgres)
            if self._answers(name):
                return
        raise EmbeddedError(f"The embedded {name} did not start: {self.log_of(name).strip()[-LOG_TAIL:]}")

    def _answers(self, name: str) -> bool:
        ready = self._postgres_answers if name == "postgres" else self._valkey_answers
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if ready():
                return True
            if self._guardian.ask("pid", name=name)["pid"] is None:
                return False
            time.sleep(LOOK_SECONDS)
        return False

    def _postgres_answers(self) -> bool:
        try:
            psycopg.connect(foreign.driver_url(self._server_url()), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _valkey_answers(self) -> bool:
        url = f"redis://:{self._password}@{LOOPBACK}:{self._ports['valkey']}/0"
        try:
            with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    # -- handles ----------------------------------------------------------------------------------------------------

    @property
    def postgres_pid(self) -> int | None:
        """The postmaster's pid; None when it is dead or not ours."""
        return self._pid("postgres")

    @property
    def valkey_pid(self) -> int | None:
        """The server's pid; None when it is dead or not ours."""
        return self._pid("valkey")

    @property
    def guardian_pid(self) -> int:
        """The guardian's pid, for tests that kill it."""
        return self._guardian.pid

    def _pid(self, name: str) -> int | None:
        pid: int | None = self._guardian.ask("pid", name=name)["pid"]
        return pid

    def stop_postgres(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop our Postgres: SIGINT is its fast shutdown, SIGQUIT the immediate one (a crash), SIGKILL the worst."""
        self._guardian.ask("stop", name="postgres", signal_name=how.name)

    def stop_valkey(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop our Valkey."""
        self._guardian.ask("stop", name="valkey", signal_name=how.name)

    def restart_postgres(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop by `how`, start on the same port with the same data."""
        self.stop_postgres(how)
        self.start_postgres()

    def restart_valkey(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop by `how`, start on the same port with what its append-only file holds."""
        self.stop_valkey(how)
        self.start_valkey()

    # -- processes of the product ---------------------------------------------------------------------------------------

    def warm_up(self, *modules: str, environ: Mapping[str, str]) -> None:
        """For tests: load these once, and fork `python -m <module>` from there whenever `start_process` is asked for one.

        `environ`: as it will be for them. Who is given other words for Python itself (`PYTHONPATH`, say) is started from nothing.
        """
        self._guardian.ask("warm_up", modules=list(modules), environ=dict(environ))

    def start_process(self, name: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Start a process that ends with this run, whatever happens to us; returns its pid.

        It gets exactly `environ`, leads a process group of its own, and writes to `<folder>/<name>.log`.
        """
        pid: int = self._guardian.ask("start", name=name, argv=list(argv), environ=dict(environ))["pid"]
        return pid

    def process_pid(self, name: str) -> int | None:
        """The pid of a process of `start_process`; None when it has ended."""
        return self._pid(name)

    def stop_process(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Send `how`, wait up to ten seconds, then kill it and what is left of its group."""
        self._guardian.ask("stop", name=name, signal_name=how.name)

    def log_of(self, name: str) -> str:
        """What a server or process has written so far."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- databases ------------------------------------------------------------------------------------------------------

    def create_database(self, suffix: str, *, template: str | None = None) -> str:
        """Create `<own database>_<suffix>`, empty or as a copy of another of ours; returns its URL."""
        return copy_database(self.database_url, suffix, template=template)

    def _create(self, server: str, name: str) -> str:
        return foreign.sqlalchemy_url(foreign.create_database(server, name))

    def _server_url(self) -> str:
        return f"postgresql+psycopg://{USER}:{self._password}@{LOOPBACK}:{self._ports['postgres']}/postgres"

    def environment(self) -> dict[str, str]:
        """The settings that point a `siaga` process at these servers, and its temporary files into the run's folder."""
        temporary = self.folder / "tmp"
        temporary.mkdir(mode=0o700, exist_ok=True)
        named = {"TMPDIR": str(temporary), "SIAGA_DATABASE_URL": self.database_url, "SIAGA_REDIS_URL": self.redis_url}
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return kept | named | ({"SIAGA_REDIS_PREFIX": self.redis_prefix} if self.redis_prefix else {})

    def stop(self) -> None:
        """Stop everything and delete the run's data. May be called twice."""
        self._guardian.end()


@contextmanager
def services(
    directory: Path | None = None,
    purpose: str = "demo",
    *,
    is_durable: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Services]:
    """Run the two servers for the length of the block.

    `SIAGA_DATABASE_URL` and `SIAGA_REDIS_URL` of `environ` (default: this process's environment) name foreign servers:
    there we make an own database and an own key prefix, and take these away again. Otherwise our own servers start on
    free ports of 127.0.0.1 with a random password, their data below `directory` (default `.run` of the checkout).
    `is_durable=False` gives up fsync, for tests that never pull a plug. Raises `EmbeddedError` with a remedy.
    """
    environ = os.environ if environ is None else environ
    if "MAKELEVEL" in os.environ:
        identity.end_with_parent()
    parent = (directory or scratch.RUN_FOLDER).resolve()
    sweep(parent, environ)
    folder, lock = scratch.new_run_folder(parent, purpose)
    started = Services(folder, lock, is_durable=is_durable)
    try:
        started.use_postgres(_setting(environ, "SIAGA_DATABASE_URL"), purpose)
        started.use_valkey(_setting(environ, "SIAGA_REDIS_URL"), purpose)
        yield started
    finally:
        started.stop()


def copy_database(database_url: str, suffix: str, *, template: str | None = None) -> str:
    """Create `<database of the URL>_<suffix>` beside it, empty or as a copy of `template`; returns its URL."""
    name = f"{database_name(database_url)}_{suffix}"
    return foreign.sqlalchemy_url(foreign.create_database(database_url, name, template=template))


def database_name(database_url: str) -> str:
    """The database's name in a URL."""
    return database_url.rpartition("/")[2].partition("?")[0]


def sweep(parent: Path, environ: Mapping[str, str]) -> None:
    """Clean up after runs that were killed: their data here, and their database and keys on foreign servers."""
    for folder in scratch.dead_runs(parent):
        left = scratch.read_record(folder).get("foreign", {})
        foreign.clean(_reachable(left, environ))
        scratch.remove_run(folder)


def _reachable(left: dict[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What a dead run left on the servers that are configured now; others cannot be reached without a password."""
    database_url, redis_url = _setting(environ, "SIAGA_DATABASE_URL"), _setting(environ, "SIAGA_REDIS_URL")
    found: dict[str, str] = {}
    if database_url and foreign.server_of(database_url) == left.get("database_host"):
        found |= {"database_url": database_url, "database": left.get("database", "")}
    if redis_url and foreign.server_of(redis_url) == left.get("redis_host"):
        found |= {"redis_url": redis_url, "prefix": left.get("prefix", "")}
    return found


def _setting(environ: Mapping[str, str], name: str) -> str | None:
    """A setting, or the content of the file that `<name>_FILE` names."""
    if environ.get(name):
        return environ[name]
    path = environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
