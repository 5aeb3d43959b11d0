"""The worker is killed while a message goes to browsers and mailboxes, of which no carrier can be asked afterwards what it took."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alerts.stage import get_json, load_register
from tests.faults.conftest import OTHER_WAYS
from tests.support.breaking import LOST_AT_ONCE, Scene, UnderWay, own_texts
from tests.support.kills import Watch, kill_workers
from tests.support.stages import INCIDENT

BROWSERS, MAILBOXES, KILLS = 40, 40, 2
PLAN: Mapping[str, Any] = {"push_per_second": 30, "latency_seconds": 0.2}


@pytest.mark.breaks_servers
def test_workers_killed_while_browsers_and_mailboxes_are_written_to(scene: Scene) -> None:
    """Nobody missed, nobody twice by us. What was in flight at a kill stays unknown, and reads so, or is sent once more as was approved."""
    enter(scene)
    with Watch(scene) as watch:
        under_way = alert(scene)
        kill_workers(under_way, KILLS, watch)
        count = under_way.settle()
        told = f"{count} (seed {scene.seed})"
        assert count["frozen"] == count["handed_over"] + count["unknown"] == BROWSERS + MAILBOXES, told
        assert (count["missed"], count["sent_twice"], count["outsiders"], count["unproven"]) == (0, 0, 0, 0), told
        assert count["unknown"] + count["accepted_reads_unknown"] + count["resent"] <= LOST_AT_ONCE * KILLS, told
        watch.judge(scene, count, slept_max=LOST_AT_ONCE)
    sent = scene.rows("SELECT channel, count(*) AS n FROM delivery WHERE broadcast_id = :id GROUP BY 1", id=under_way.id)
    assert {row["channel"]: row["n"] for row in sent} == {"email": MAILBOXES, "web_push": BROWSERS}


def alert(scene: Scene) -> UnderWay:
    """A message to these people alone: they live where nobody else of the register does."""
    scene.set_plan(**PLAN)
    before, strays = scene.accepted(), scene.stage.judge()["strays"]
    elsewhere = INCIDENT | {"areas": [{"kind": "country", "code": "MY"}]}
    incident = scene.ministry.done("POST", "/api/v1/incidents", elsewhere)
    return UnderWay(scene, scene.ministry.alert(incident["id"], channels=list(OTHER_WAYS), texts=own_texts()), before, strays)


def enter(scene: Scene) -> None:
    """Some with a browser alone and some with a mailbox alone: nobody has a second way."""
    stage = scene.stage
    load_register(stage.settings, stage.sessions, write(stage.folder / "few.csv"))
    for row in scene.rows("SELECT external_id, id FROM citizen WHERE external_id LIKE 'b%'"):
        given = get_json(f"{stage.carrier_url}/sandbox/browsers/browser-of-{row['external_id']}") or {}
        body = {"endpoint": given["endpoint"], "keys": given["keys"]}
        scene.ministry.done("POST", f"/api/v1/citizens/{row['id']}/browsers", body)


def write(path: Path) -> Path:
    rows = [{"external_id": f"b{number:03}", "email": ""} for number in range(BROWSERS)]
    rows += [{"external_id": f"m{number:03}", "email": f"orang{number:03}@example.org"} for number in range(MAILBOXES)]
    same = {"language": "id", "country": "MY"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["external_id", "name", "email", *same])
        writer.writeheader()
        writer.writerows(row | same | {"name": f"Orang {row['external_id']}"} for row in rows)
    return path
