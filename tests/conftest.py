"""Fixtures for every test: real Postgres and Valkey, a savepoint per test, nothing outside this machine.

`session`, `app` and `client` share one connection whose transaction is rolled back after the test. A test that needs
two true connections (claims, locks, processes) takes `engine`, `sessions`, `committed_app` or `committed_client`:
they work on a database that they have to themselves, a copy of the migrated template, emptied afterwards.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.embedded import scratch
from alerts.embedded.safety import safe_environment

# Before anything reads them: no live carrier, no folder outside the checkout, no foreign server by accident.
CONFIGURED = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("SIAGA_DATABASE_", "SIAGA_REDIS_"))}
for _name in set(os.environ) - set(safe_environment(os.environ)):
    del os.environ[_name]
os.environ.update(safe_environment(os.environ))
scratch.use_checkout_scratch(os.environ)
tempfile.tempdir = None
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(scratch.RUN_FOLDER / "cache" / "hypothesis")

from fastapi import FastAPI  # noqa: E402 - the environment above comes first
from fastapi.testclient import TestClient  # noqa: E402
from hypothesis import HealthCheck  # noqa: E402
from hypothesis import settings as hypothesis_settings  # noqa: E402
from hypothesis.configuration import set_hypothesis_home_dir  # noqa: E402
from hypothesis.database import DirectoryBasedExampleDatabase  # noqa: E402
from sqlalchemy import Engine, text  # noqa: E402
from sqlalchemy.orm import Session, sessionmaker  # noqa: E402

from alerts import embedded  # noqa: E402
from alerts.kit.crypto import Keyring  # noqa: E402
from alerts.kit.db import Sessions, make_engine, make_sessions  # noqa: E402
from alerts.settings import Settings, new_key  # noqa: E402
from tests.support.apps import lent  # noqa: E402
from tests.support.databases import KeptDatabase  # noqa: E402
from tests.support.loopback import forbid_outside_world  # noqa: E402
from tests.support.servers import FOREIGN_REASON, Servers, ServerStarter, fresh_database  # noqa: E402
from tests.support.skips import StrictSkips  # noqa: E402

BASE_URL = "http://testserver"
STARTER = pytest.StashKey[ServerStarter]()
HYPOTHESIS_FOLDER = scratch.RUN_FOLDER / "cache" / "hypothesis"
# Production's waits at 1/60, so that what takes two minutes there takes two seconds here.
QUICK_WAITS = {
    "SIAGA_DELIVERY_LEASE_SECONDS": "1",
    "SIAGA_DELIVERY_SWEEP_SECONDS": "0.1",
    "SIAGA_DELIVERY_LOOKUP_AFTER_SECONDS": "2",
    "SIAGA_DELIVERY_RESEND_AFTER_SECONDS": "5",
    "SIAGA_DELIVERY_RETRY_SECONDS": "0.25",
    "SIAGA_RELAY_POLL_SECONDS": "0.05",
    "SIAGA_RELAY_RERING_SECONDS": "0.1",
    "SIAGA_LIVE_REFRESH_SECONDS": "0.05",
    "SIAGA_LIVE_REPUBLISH_SECONDS": "0.25",
    "SIAGA_LIVE_REACH_SECONDS": "0",
}
LONG_FOLDERS = {"faults", "flows", "browser"}


# -- the session ------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STARTER] = ServerStarter(CONFIGURED)
    config.pluginmanager.register(StrictSkips(is_strict=os.environ.get("SIAGA_STRICT_SKIPS") == "1"), "strict-skips")
    set_hypothesis_home_dir(HYPOTHESIS_FOLDER)
    database = DirectoryBasedExampleDatabase(HYPOTHESIS_FOLDER / "examples")
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    for name, is_fixed in (("fixed", True), ("wander", False)):
        hypothesis_settings.register_profile(
            name, deadline=None, derandomize=is_fixed, database=None if is_fixed else database, print_blob=True, suppress_health_check=quiet
        )
    hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
    forbid_outside_world(url for name, url in CONFIGURED.items() if name.endswith("_URL"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: otherwise one worker begins the longest when the other has nothing left to do."""
    items.sort(key=lambda item: item.path.parent.name not in LONG_FOLDERS)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the servers of this controller to an xdist worker."""
    node.workerinput["servers"] = node.config.stash[STARTER].servers().as_input()


def pytest_collection_finish() -> None:
    """What was loaded up to here stays: the collector need not look through all of it again and again (a twelfth of the tests' time)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    if grounds := sys.modules.get("tests.support.grounds"):  # who had no scene need not load it to stop nothing
        grounds.KEPT.close()
    config.stash[STARTER].stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("breaks_servers") and CONFIGURED:
        pytest.skip(FOREIGN_REASON)


# -- servers and databases --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The running pair of servers."""
    given = getattr(request.config, "workerinput", {}).get("servers")
    return Servers(**given) if given else request.config.stash[STARTER].servers()


@pytest.fixture(scope="session")
def worker_database_url(servers: Servers, worker_name: str) -> Iterator[str]:
    with fresh_database(servers, worker_name) as url:
        yield url


@pytest.fixture(scope="session")
def make_settings(servers: Servers, worker_name: str) -> Callable[..., Settings]:
    """`make_settings(database_url, SIAGA_WEB_PORT="0", …)`: settings for tests, with the waits shortened."""
    keys = {f"SIAGA_KEYS_{name}": new_key() for name in ("DATA", "INDEX", "LINK", "CALLBACK")}

    def make(database_url: str, **more: str) -> Settings:
        fixed = {
            "SIAGA_MODE": "test",
            "SIAGA_PUBLIC_URL": BASE_URL,
            "SIAGA_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "SIAGA_FCM_PROJECT": "siaga-tests",
            "SIAGA_DATABASE_URL": database_url,
            "SIAGA_REDIS_URL": servers.redis_url,
            "SIAGA_REDIS_PREFIX": f"{servers.redis_prefix}siaga:{worker_name}:",
        }
        return Settings.from_environment(keys | QUICK_WAITS | fixed | more)

    return make


@pytest.fixture(scope="session")
def settings(make_settings: Callable[..., Settings], worker_database_url: str) -> Settings:
    """Settings of the savepoint database of this worker."""
    return make_settings(worker_database_url)


@pytest.fixture(scope="session")
def keyring(settings: Settings) -> Keyring:
    return settings.keyring


# -- one connection, rolled back after the test ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _worker_engine(worker_database_url: str) -> Iterator[Engine]:
    engine = make_engine(worker_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def savepoint_sessions(_worker_engine: Engine) -> Iterator[Sessions]:
    """Sessions on one connection: their commits are savepoints of a transaction that is rolled back."""
    with _worker_engine.connect() as connection:
        outer = connection.begin()
        yield sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        outer.rollback()


@pytest.fixture
def session(savepoint_sessions: Sessions) -> Iterator[Session]:
    """A session that sees what `client`'s requests wrote, and they what it flushed; everything is rolled back."""
    with savepoint_sessions() as session:
        yield session


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> FastAPI:
    """One application for all tests of a process: its routes are worked out once, which takes longer than most tests."""
    from alerts.app import create_app

    return create_app(settings)


@pytest.fixture
def app(shared_app: FastAPI, settings: Settings, savepoint_sessions: Sessions) -> Iterator[FastAPI]:
    """The shared one on this test's database."""
    with lent(shared_app, settings, savepoint_sessions) as app:
        yield app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """The application in this process. One request at a time: it shares the test's connection."""
    with TestClient(app, base_url=BASE_URL) as client:
        yield client


# -- true connections -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _kept_database(servers: Servers, worker_name: str) -> Iterator[KeptDatabase]:
    kept = KeptDatabase(servers, f"{worker_name}_kept")
    yield kept
    kept.drop()


@pytest.fixture
def database_url(_kept_database: KeptDatabase) -> Iterator[str]:
    """A migrated database for this test alone: what is committed here stays until the test ends."""
    with _kept_database.lent() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Sessions with true connections and true commits, on `database_url`."""
    return make_sessions(engine)


@pytest.fixture
def committed_settings(make_settings: Callable[..., Settings], database_url: str) -> Settings:
    return make_settings(database_url)


@pytest.fixture
def committed_app(shared_app: FastAPI, committed_settings: Settings, sessions: Sessions) -> Iterator[FastAPI]:
    with lent(shared_app, committed_settings, sessions) as app:
        yield app


@pytest.fixture
def committed_client(committed_app: FastAPI) -> Iterator[TestClient]:
    """Like `client`, on true connections: requests may run at the same time."""
    with TestClient(committed_app, base_url=BASE_URL) as client:
        yield client


@pytest.fixture
def breakable_services(request: pytest.FixtureRequest) -> Iterator[embedded.Services]:
    """A durable pair of servers for this test alone, to be killed, frozen and flushed. Needs `breaks_servers`."""
    assert request.node.get_closest_marker("breaks_servers"), "mark the test with breaks_servers"
    with embedded.services(purpose="faults", environ={}) as services:
        yield services


@pytest.fixture
def process_environment() -> dict[str, str]:
    """The environment for a child process: as this one, without live carriers or foreign servers."""
    return safe_environment(os.environ)


# -- people who sign in ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sign_in(request: pytest.FixtureRequest, settings: Settings) -> Callable[..., dict[str, str]]:
    """`sign_in("duty_officer")`, `sign_in("mission_staff", "kbri-ankara", via="token")` → headers for `client`.

    With `committed_client` in the test, the account is committed where that client looks.
    """
    from tests.factories.staff import make_staff, session_headers, token_headers

    is_committed = bool({"committed_client", "committed_app", "sessions"} & set(request.fixturenames))

    def headers(role: str, mission_code: str | None = None, *, via: str = "session", **fields: object) -> dict[str, str]:
        name = "sessions" if is_committed else "savepoint_sessions"
        with request.getfixturevalue(name).begin() as session:
            staff = make_staff(session, role, mission_code=mission_code, **fields)
            return token_headers(session, staff) if via == "token" else session_headers(session, staff, settings)

    return headers


# -- invariants -----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _invariants(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that left deliveries, the database must still keep every promise that is written as SQL.

    Not after those marked `breaks_promises`: they write rows as no code of ours would. After `leaves_work` not the promises of
    pace either (what is late, an unknown that nobody looked up): such a test moves time and ends before a worker's turn. Those of
    the queues (`list_stalls`) need workers, so scenes of true processes look at them (`support/stages.py`).
    """
    name = _sessions_of(request)
    sessions: Sessions | None = request.getfixturevalue(name) if name else None
    yield
    if sessions is None:
        return
    from alerts.deliveries.lateness import LIVENESS
    from alerts.deliveries.queries import invariants, violations

    with sessions() as session:
        has_deliveries = session.execute(text(HAS_DELIVERIES)).scalar_one()
        broken = invariants(session) if has_deliveries else []
        if has_deliveries and not request.node.get_closest_marker("leaves_work"):
            broken += violations(session, LIVENESS, late=LATE_SECONDS, answer=ANSWER_SECONDS)
    assert not broken, f"invariants broken: {broken}"


LATE_SECONDS, ANSWER_SECONDS = 60, 600
HAS_DELIVERIES = """SELECT EXISTS (SELECT FROM delivery) OR EXISTS (SELECT FROM send_window) OR EXISTS (SELECT FROM roaming_broadcast)"""


def _sessions_of(request: pytest.FixtureRequest) -> str | None:
    """The fixture with which to look at the test's database; None when it has none, or breaks the promises on purpose."""
    names = set(request.fixturenames)
    if request.node.get_closest_marker("breaks_promises"):
        return None
    if names & {"sessions", "engine", "database_url"}:
        return "sessions"
    is_shared = bool(names & {"savepoint_sessions"}) or request.node.get_closest_marker("deliveries") is not None
    return "savepoint_sessions" if is_shared else None


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder for data of servers that a test starts itself."""
    return tmp_path
