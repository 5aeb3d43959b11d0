"""A carrier that shares no code with the project stands in the sandbox's place, and the judge comes to the same verdict."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from alerts.embedded.scratch import CHECKOUT
from alerts.stage import CARRIER_VARIABLE, other_carrier
from tests.support.breaking import LOST_AT_ONCE, Scene, Size, scene_of
from tests.support.kills import Watch, kill_workers

CARRIER = shlex.join([sys.executable, "-m", "tests.support.other_carrier"])
TINY = Size(people=120, per_second=80, kills=2, freeze_seconds=1)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Scene]:
    with scene_of(TINY, is_durable=False, **{CARRIER_VARIABLE: CARRIER}) as scene:
        yield scene


@pytest.mark.breaks_servers
def test_workers_killed_while_another_carrier_takes_the_message(elsewhere: Scene) -> None:
    """Nobody missed, nobody twice, nobody unknown whom it took: as with our own. The command says so too."""
    with Watch(elsewhere) as watch:
        under_way = elsewhere.alert()
        kill_workers(under_way, TINY.kills, watch)
        count = under_way.keeps_the_promise(unknown=LOST_AT_ONCE * TINY.kills)
    assert count["handed_over"] >= TINY.people - count["unknown"] > 0
    stage = elsewhere.stage
    argv = [sys.executable, "-m", "alerts.cli", "judge", str(stage.log_path), "--json"]
    said = subprocess.run(argv, env=stage.environment, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(said.stdout)["by_broadcast"][under_way.id] == stage.judge()["by_broadcast"][under_way.id]
    spoilt = stage.folder / "doubled.jsonl"
    accepted = next(line for line in stage.log_path.read_text().splitlines() if '"accepted"' in line)
    spoilt.write_text(stage.log_path.read_text() + accepted + "\n")
    facts = subprocess.run([*argv[:3], "facts"], env=stage.environment, capture_output=True, text=True, timeout=120, check=True)
    (stage.folder / "export.json").write_text(facts.stdout)
    again = [*argv[:4], str(spoilt), "--facts", str(stage.folder / "export.json")]
    said = subprocess.run(again, env=stage.environment, capture_output=True, text=True, timeout=120, check=False)
    assert (said.returncode, "BROKEN: sent_twice 1" in said.stdout) == (1, True), said.stdout + said.stderr


def test_it_shares_nothing_with_the_project() -> None:
    """Not even a library: the standard one is all that it takes."""
    source = (CHECKOUT / "tests" / "support" / "other_carrier.py").read_text()
    imported = {line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def test_the_command_is_words_of_a_shell() -> None:
    assert other_carrier({CARRIER_VARIABLE: "'/my carrier' --fast"}) == ["/my carrier", "--fast"]
    assert other_carrier({}) == []
