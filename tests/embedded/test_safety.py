"""Each line of what our own commands promise not to touch, proved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import redis

from alerts import embedded
from alerts.embedded import binaries, foreign, identity, safety, scratch
from alerts.embedded.errors import SafetyError
from alerts.embedded.launch import database_name, sweep
from tests.embedded.old_postgres import postgres_that_says
from tests.embedded.test_services import all_gone, held, query, wait_until
from tests.support.servers import Servers

LIVE = {
    "SIAGA_TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "SIAGA_TWILIO_AUTH_TOKEN": "live",
    "SIAGA_TWILIO_AUTH_TOKEN_FILE": "/run/secrets/token",
    "SIAGA_TWILIO_FROM": "+12025550143",
    "SIAGA_TWILIO_BASE_URL": "https://api.twilio.com",
    "SIAGA_FCM_PROJECT": "live",
    "SIAGA_FCM_CREDENTIALS_FILE": "/run/secrets/fcm",
    "SIAGA_EXERCISE_TWILIO_ACCOUNT_SID": "AC" + "2" * 32,
    "SIAGA_PUBLIC_URL": "https://siaga.example",
    "SIAGA_NEXT_YEARS_CARRIER_KEY": "live",
}


# -- live carriers ----------------------------------------------------------------------------------------------------


def test_every_live_setting_is_dropped_and_the_rest_kept() -> None:
    given = LIVE | {"PATH": "/bin", "SIAGA_DATABASE_URL": "postgresql://a/b", "SIAGA_WEB_PORT": "8001"}
    safe = safety.safe_environment(given)
    assert {name for name in safe if name.startswith("SIAGA_")} == {"SIAGA_DATABASE_URL", "SIAGA_WEB_PORT"}
    assert safe["PATH"] == "/bin"
    assert safety.dropped_settings(given) == sorted(LIVE)
    assert given["SIAGA_TWILIO_AUTH_TOKEN"] == "live", "the caller's own mapping stays as it was"


def test_a_proxy_does_not_get_what_is_meant_for_this_machine() -> None:
    safe = safety.safe_environment({"HTTP_PROXY": "http://proxy.example:3128", "no_proxy": "intern.example"})
    assert safe["no_proxy"].startswith("intern.example,127.0.0.1")
    assert "localhost" in safe["NO_PROXY"]


def test_the_processes_of_demo_bench_and_faults_get_no_live_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Stage` builds the environment of every process that those commands start."""
    from alerts.stage import Stage

    for name, value in LIVE.items():
        monkeypatch.setenv(name, value)
    servers = SimpleNamespace(folder=tmp_path, environment=lambda: {"SIAGA_DATABASE_URL": "postgresql+psycopg://a@127.0.0.1/b"})
    given = Stage(servers, mode="demo").environment
    assert not set(LIVE.values()) & set(given.values())
    assert safety.require_sandbox(given) == given


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "http://127.8.8.8/x", "http://[::1]:9000", "http://localhost:1", "http://LOCALHOST"]
)
def test_a_carrier_on_this_machine_is_allowed(url: str) -> None:
    assert safety.require_loopback(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.twilio.com",
        "https://fcm.googleapis.com",
        "http://192.0.2.1:9000",
        "http://[2001:db8::1]",
        "http://0.0.0.0:9000",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1@example.org",
        "http://localhost.example.org",
        "http://example.org#@127.0.0.1",
        "http://example.org\\@127.0.0.1",
        "http://127.0.0.1\n.example.org",
        "http://2130706433.example.org",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:9000",
        "http://",
        "",
    ],
)
def test_any_other_carrier_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(SafetyError) as caught:
        safety.require_loopback(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["SIAGA_TWILIO_BASE_URL", "SIAGA_FCM_BASE_URL"])
def test_a_carrier_that_is_not_named_would_be_the_live_one(missing: str) -> None:
    sandbox = dict.fromkeys(("SIAGA_TWILIO_BASE_URL", "SIAGA_FCM_BASE_URL"), "http://127.0.0.1:9000")
    assert safety.require_sandbox(sandbox) == sandbox
    with pytest.raises(SafetyError, match=missing):
        safety.require_sandbox(sandbox | {missing: ""})
    with pytest.raises(SafetyError, match="not this machine"):
        safety.require_sandbox(sandbox | {"SIAGA_EXERCISE_FCM_BASE_URL": "https://fcm.googleapis.com"})


# -- somebody else's Postgres -----------------------------------------------------------------------------------------


@pytest.fixture
def their_postgres(servers: Servers) -> Iterator[str]:
    """A database with something in it, on a server that a run is told to use."""
    name = foreign.own_name("theirs")
    url = foreign.create_database(servers.database_url, name)
    query(url, "CREATE TABLE precious AS SELECT 1 AS id")
    yield url
    foreign.drop_database(servers.database_url, name)


def databases(url: str) -> set[str]:
    with psycopg.connect(foreign.driver_url(url)) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}


def test_a_configured_postgres_gets_one_database_and_loses_it_again(tmp_path: Path, their_postgres: str) -> None:
    environ = {"SIAGA_DATABASE_URL": their_postgres}
    with embedded.services(tmp_path, "demo", environ=environ) as services:
        own = database_name(services.database_url)
        copy = database_name(services.create_database("gw0"))
        assert own.startswith("siaga_demo_")
        assert {own, copy} <= databases(their_postgres)
        assert not services.is_own_postgres
        assert services.postgres_pid is None
        query(services.database_url, "CREATE TABLE precious AS SELECT 2 AS id")
    assert not {own, copy} & databases(their_postgres)
    assert query(their_postgres, "SELECT id FROM precious") == (1,)


@pytest.mark.parametrize("victims", ["command", "guardian command"])
def test_kill_9_leaves_nothing_on_a_configured_postgres(
    tmp_path: Path, process_environment: dict[str, str], their_postgres: str, victims: str
) -> None:
    environ = {"SIAGA_DATABASE_URL": their_postgres}
    with held(tmp_path, process_environment | environ) as (process, told):
        own = database_name(told["database_url"])
        assert own in databases(their_postgres)
        for victim in victims.split():
            os.kill(process.pid if victim == "command" else told["guardian"], signal.SIGKILL)
        wait_until(lambda: all_gone([*told["pids"], told["guardian"]]), "the run is over")
    sweep(tmp_path, environ)
    assert own not in databases(their_postgres)
    assert query(their_postgres, "SELECT id FROM precious") == (1,)


@pytest.mark.parametrize("name", ["postgres", "register", "siagax", "", "siaga_production", "siaga_test_0123456789ab; x"])
def test_only_databases_of_ours_are_ever_dropped(servers: Servers, name: str) -> None:
    with pytest.raises(SafetyError):
        foreign.drop_database(servers.database_url, name)


def test_no_password_is_written_to_disk(tmp_path: Path, their_postgres: str) -> None:
    password = their_postgres.partition("@")[0].rpartition(":")[2]
    with embedded.services(tmp_path, "demo", environ={"SIAGA_DATABASE_URL": their_postgres}) as services:
        record = (services.folder / scratch.RECORD_NAME).read_text()
    assert database_name(services.database_url) in record
    assert password not in record


def test_an_old_postgres_is_refused_in_one_sentence_and_asked_for_nothing(tmp_path: Path) -> None:
    with postgres_that_says("15.18 (Debian 15.18-0+deb12u1)") as (url, asked):
        with pytest.raises(embedded.EmbeddedError) as caught, embedded.services(tmp_path, environ={"SIAGA_DATABASE_URL": url}):
            pass
        assert str(caught.value) == (
            "Siaga needs Postgres 18 or newer and SIAGA_DATABASE_URL names a Postgres 15: "
            "upgrade that server, or unset SIAGA_DATABASE_URL to use the embedded one."
        )
    assert not [data for data in asked if b"DATABASE" in data]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "is_refused"), [(90624, True), (170009, True), (180000, False), (180004, False), (190000, False)])
def test_which_postgres_is_too_old(number: int, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(embedded.EmbeddedError, match=f"a Postgres {number // 10_000}:"):
            safety.require_supported_postgres(number)
    else:
        safety.require_supported_postgres(number)


def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match="does not let us in"):
        foreign.connect("postgresql://nobody:secret@127.0.0.1:1/x")
    with pytest.raises(embedded.EmbeddedError, match="does not answer"):
        foreign.require_redis("redis://:secret@127.0.0.1:1/0")


# -- somebody else's Redis --------------------------------------------------------------------------------------------


@pytest.fixture
def their_redis(servers: Servers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("precious", "theirs")
        yield client
        client.delete("precious")


def test_on_a_configured_redis_only_our_prefix_is_touched(tmp_path: Path, servers: Servers, their_redis: redis.Redis) -> None:
    with embedded.services(tmp_path, "demo", is_durable=False, environ={"SIAGA_REDIS_URL": servers.redis_url}) as services:
        assert services.redis_url == servers.redis_url
        assert services.valkey_pid is None
        assert services.environment()["SIAGA_REDIS_PREFIX"] == services.redis_prefix
        for number in range(1200):
            their_redis.set(f"{services.redis_prefix}{number}", "ours")
        prefix = services.redis_prefix
    assert prefix.startswith("siaga_demo_")
    assert list(their_redis.scan_iter(f"{prefix}*")) == []
    assert their_redis.get("precious") == b"theirs"


def test_a_prefix_with_a_pattern_in_it_cannot_widen_the_deletion(servers: Servers, their_redis: redis.Redis) -> None:
    for prefix in ("", "*", "p", "siaga", "siaga_*", "siaga_production:", "siaga_demo_0123456789a?:", "siaga_demo_0123456789ab:*"):
        with pytest.raises(SafetyError):
            foreign.delete_keys(servers.redis_url, prefix)
    assert their_redis.get("precious") == b"theirs"


def test_the_tests_obey_all_this_themselves(
    tmp_path: Path, process_environment: dict[str, str], servers: Servers, their_postgres: str, their_redis: redis.Redis
) -> None:
    """A run of its own with live settings, configured servers and an empty home: what it does is what it promises."""
    home = tmp_path / "home"
    home.mkdir()
    environ = process_environment | LIVE | {"HOME": str(home), "SIAGA_DATABASE_URL": their_postgres, "SIAGA_REDIS_URL": servers.redis_url}
    for name in ("TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        environ.pop(name)
    argv = [sys.executable, "-m", "pytest", "-v", "-rs", "-p", "no:xdist"]
    argv += ["tests/embedded/test_fixtures.py", "tests/embedded/test_services.py"]
    argv += ["-k", "begin_with_an_empty or no_live_setting or in_the_checkout or what_fault_tests_need"]
    said = subprocess.run(argv, env=environ, cwd=scratch.CHECKOUT, capture_output=True, text=True, check=False).stdout
    assert "3 passed, 1 skipped" in said, said
    assert "a configured server is not ours" in said
    ours = database_name(servers.database_url)  # this session's other worker makes and drops databases at the same time
    left = {name for name in databases(their_postgres) if name.startswith("siaga_test_") and not name.startswith(ours)}
    assert not left
    assert query(their_postgres, "SELECT id FROM precious") == (1,)
    assert their_redis.get("precious") == b"theirs"
    assert list(home.rglob("*")) == []


# -- the demo's database ------------------------------------------------------------------------------------------------


def test_the_demo_refuses_a_database_that_holds_a_person(their_postgres: str) -> None:
    safety.require_empty_register(their_postgres)
    query(their_postgres, "CREATE TABLE citizen (id int)")
    safety.require_empty_register(their_postgres)
    query(their_postgres, "INSERT INTO citizen VALUES (1)")
    with pytest.raises(SafetyError, match="holds people"):
        safety.require_empty_register(their_postgres)


# -- the checkout -------------------------------------------------------------------------------------------------------


def test_temporary_files_caches_and_profiles_are_sent_into_the_checkout(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    scratch.use_checkout_scratch(environ, tmp_path)
    assert {"TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"} == set(environ)
    assert all(Path(place).is_relative_to(tmp_path) for place in environ.values())
    assert all(Path(place).is_dir() for place in environ.values())
    assert scratch.RUN_FOLDER.is_relative_to(scratch.CHECKOUT)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that is no more closed than the checkout itself (pytest's own are for one user)."""
    folder = Path(tempfile.mkdtemp(dir=scratch.RUN_FOLDER))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_checkout_that_the_fallback_user_cannot_reach_is_said_with_the_remedy(open_folder: Path) -> None:
    closed = open_folder / "closed"
    program = closed / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    closed.chmod(0o700)
    named = identity.first_closed(open_folder / "x") or closed
    assert identity.first_closed(program) == named
    sentence = identity.unreachable_sentence(program, open_folder)
    assert f"may not enter {named}:" in sentence
    assert f"chmod o+x {named}" in sentence
    assert "uid 65534" in sentence
    assert "\n" not in sentence


NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root falls back to another user")


@NEEDS_ROOT
def test_root_without_namespaces_falls_back_to_nobody(process_environment: dict[str, str], open_folder: Path) -> None:
    done = without_namespaces("import os; print(os.stat(f'/proc/{s.postgres_pid}').st_uid)", open_folder, process_environment)
    closed = identity.first_closed(open_folder / "x") or identity.first_closed(binaries.postgres_program("postgres"))
    if closed is None:
        assert done.stdout.strip() == str(identity.FALLBACK_UID), done.stderr
    else:
        assert f"may not enter {closed}" in done.stderr


@NEEDS_ROOT
def test_root_without_namespaces_in_a_closed_place_ends_with_the_remedy(process_environment: dict[str, str], open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    done = without_namespaces("print('started')", closed / "run", process_environment)
    assert "started" not in done.stdout
    assert "chmod o+x" in done.stderr
    assert "uid 65534" in done.stderr
    assert list((closed / "run").iterdir()) == []


def without_namespaces(code: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[Any]:
    program = (
        "import sys\nfrom pathlib import Path\nfrom alerts import embedded\n"
        f"try:\n  with embedded.services(Path({json.dumps(str(folder))}), 'test', is_durable=False, environ={{}}) as s:\n    {code}\n"
        "except embedded.EmbeddedError as error:\n  sys.exit(str(error))"
    )
    helper = str(Path(__file__).with_name("without_namespaces.py"))
    argv = [sys.executable, helper, sys.executable, "-c", program]
    return subprocess.run(argv, env=environ, cwd=scratch.CHECKOUT, capture_output=True, text=True, check=False)
