"""The servers come up, survive what a test does to them, and are gone with the command that started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from alerts import embedded
from alerts.embedded import foreign, scratch
from alerts.embedded.launch import sweep

WAIT_SECONDS = 30


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.02)


def all_gone(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    """A process may end between any two questions about it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def held(folder: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process that holds a pair of servers."""
    argv = [sys.executable, "-m", "tests.embedded.hold", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=scratch.CHECKOUT, env=environ)
    assert process.stdout
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def query(url: str, statement: str) -> Any:
    with psycopg.connect(foreign.driver_url(url), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


@pytest.mark.parametrize("victims", ["command", "guardian command"])
def test_kill_9_leaves_no_process_and_no_data(tmp_path: Path, process_environment: dict[str, str], victims: str) -> None:
    with held(tmp_path, process_environment) as (process, told):
        assert len(told["pids"]) == 3
        assert all(psutil.pid_exists(pid) for pid in told["pids"])
        for victim in victims.split():
            os.kill(process.pid if victim == "command" else told["guardian"], signal.SIGKILL)
        wait_until(lambda: all_gone(told["pids"]), f"the servers end after kill -9 of the {victims}")
    wait_until(lambda: not scratch.process_started(told["guardian"]), "the guardian ends")
    sweep(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_ends_everything(tmp_path: Path, process_environment: dict[str, str], number: signal.Signals) -> None:
    with held(tmp_path, process_environment) as (process, told):
        process.send_signal(number)
        wait_until(lambda: all_gone(told["pids"]), f"the servers end after {number.name}")
        wait_until(lambda: list(tmp_path.iterdir()) == [], "their data is deleted")


def test_frozen_servers_end_too(tmp_path: Path, process_environment: dict[str, str]) -> None:
    with held(tmp_path, process_environment) as (process, told):
        for pid in told["pids"]:
            os.kill(pid, signal.SIGSTOP)
        process.kill()
        wait_until(lambda: all_gone(told["pids"]), "frozen servers end")


def test_a_running_run_is_not_swept(tmp_path: Path, process_environment: dict[str, str]) -> None:
    with held(tmp_path, process_environment) as (_, told):
        sweep(tmp_path, {})
        assert Path(told["folder"], "pg18").is_dir()
        assert query(told["database_url"], "SELECT 1") == (1,)


def fail_inside(folder: Path, pids: list[int]) -> None:
    with embedded.services(folder, "test", is_durable=False, environ={}) as services:
        pids += [services.postgres_pid or 0, services.valkey_pid or 0, services.guardian_pid]
        raise ZeroDivisionError


def test_a_failure_inside_the_block_ends_everything(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail_inside(tmp_path, pids)
    assert len(pids) == 3
    assert all_gone(pids)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.breaks_servers
def test_what_fault_tests_need(breakable_services: embedded.Services) -> None:
    services = breakable_services
    assert query(services.database_url, "SHOW fsync") == ("on",)
    assert query(services.database_url, "SHOW server_version_num")[0] >= "180000"
    query(services.database_url, "CREATE TABLE kept AS SELECT uuidv7() AS id")
    client = redis.Redis.from_url(services.redis_url)
    client.set("kept", "yes")
    client.execute_command("WAITAOF", 1, 0, 5000)
    before = (services.postgres_pid, services.valkey_pid)

    for pid in before:
        os.kill(pid or 0, signal.SIGKILL)
    wait_until(lambda: services.postgres_pid is None and services.valkey_pid is None, "both are seen to be dead")
    services.restart_postgres()
    services.restart_valkey()

    assert query(services.database_url, "SELECT count(*) FROM kept") == (1,)
    client.close()
    assert client.get("kept") == b"yes"
    client.close()
    after = (services.postgres_pid, services.valkey_pid)
    assert None not in after
    assert set(after).isdisjoint(before)
    services.restart_postgres(signal.SIGQUIT)
    assert query(services.database_url, "SELECT count(*) FROM kept") == (1,)


@pytest.mark.breaks_servers
def test_both_refuse_a_stranger(breakable_services: embedded.Services) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(foreign.driver_url(breakable_services.database_url).replace("siaga:", "siaga:x", 1))
    stranger = redis.Redis.from_url("redis://" + breakable_services.redis_url.partition("@")[2], protocol=2)
    with pytest.raises(redis.AuthenticationError), stranger:
        stranger.ping()
    listening = psutil.Process(breakable_services.postgres_pid).net_connections()
    listening += psutil.Process(breakable_services.valkey_pid).net_connections()
    addresses = {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


def test_a_server_that_cannot_start_says_what_it_said(tmp_path: Path) -> None:
    with embedded.services(tmp_path, "test", is_durable=False, environ={}) as services:
        services.stop_postgres()
        (services.folder / "pg18" / "PG_VERSION").write_text("12\n")
        with pytest.raises(embedded.EmbeddedError, match="The embedded postgres did not start"):
            services.start_postgres()


def test_a_folder_that_is_not_writable_is_named_with_a_remedy(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(embedded.EmbeddedError, match="not writable") as caught, embedded.services(blocked / "run", environ={}):
        pass
    assert str(blocked) in str(caught.value)
