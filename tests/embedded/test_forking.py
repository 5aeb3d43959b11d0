"""What is forked from the guardian is a process like any other: whoever kills it in a test kills a true one."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.embedded import scratch
from alerts.embedded.launch import Services
from tests.embedded.test_services import all_gone, wait_until

MODULE = "tests.embedded.forked"
ENVIRONMENT = {"WORD": "given", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Services]:
    """A guardian without servers."""
    folder, lock = scratch.new_run_folder(tmp_path, "test")
    run = Services(folder, lock, is_durable=False)
    yield run
    run.stop()


def begin(run: Services, name: str, *arguments: str, **more: str) -> dict[str, Any]:
    pid = run.start_process(name, [sys.executable, "-m", MODULE, *arguments], ENVIRONMENT | more)
    wait_until(lambda: run.log_of(name).endswith("}\n"), f"{name} says what it is")
    told: dict[str, Any] = json.loads(run.log_of(name))
    assert told.pop("pid") == pid
    return told | {"files": [Path(file).name.replace(name, "its own") for file in told["files"]]}


def test_started_and_forked_are_alike(run: Services) -> None:
    started = begin(run, "started", "one", "two")
    run.warm_up(MODULE, environ=ENVIRONMENT)
    forked = begin(run, "forked", "one", "two")
    assert forked == started
    assert forked["arguments"] == ["one", "two"]
    assert forked["environment"] == ENVIRONMENT
    assert forked["leads"]


def test_its_end_is_seen_however_it_comes(run: Services) -> None:
    run.warm_up(MODULE, environ=ENVIRONMENT)
    begin(run, "by_itself", "3")
    wait_until(lambda: run.process_pid("by_itself") is None, "one ends by itself")
    begin(run, "killed")
    os.kill(run.process_pid("killed") or 0, signal.SIGKILL)
    wait_until(lambda: run.process_pid("killed") is None, "one is killed")
    begin(run, "asked")
    pid = run.process_pid("asked") or 0
    run.stop_process("asked")
    assert all_gone([pid])
    assert begin(run, "after_them")["leads"], "the guardian is still there"


@pytest.mark.parametrize("is_killed", [True, False], ids=["guardian killed", "run ended"])
def test_it_ends_with_the_run(run: Services, is_killed: bool) -> None:
    run.warm_up(MODULE, environ=ENVIRONMENT)
    begin(run, "forked")
    pid = run.process_pid("forked") or 0
    if is_killed:
        os.kill(run.guardian_pid, signal.SIGKILL)
    else:
        run.stop()
    wait_until(lambda: all_gone([pid]), "it is gone")


def test_a_failure_is_told_in_its_log(run: Services) -> None:
    run.warm_up("json", environ=ENVIRONMENT)  # which has no main
    run.start_process("broken", [sys.executable, "-m", "json"], ENVIRONMENT)
    wait_until(lambda: run.process_pid("broken") is None, "it ends")
    assert "AttributeError: module 'json' has no attribute 'main'" in run.log_of("broken")


def test_who_tells_python_something_else_gets_a_python_of_its_own(run: Services) -> None:
    """What an interpreter reads when it starts would never come to a forked one."""
    (run.folder / "sitecustomize.py").write_text("import os; os.environ['WORD'] = 'of its own'")
    run.warm_up(MODULE, environ=ENVIRONMENT)
    assert begin(run, "forked")["environment"]["WORD"] == "given"
    assert begin(run, "started", PYTHONPATH=str(run.folder))["environment"]["WORD"] == "of its own"
