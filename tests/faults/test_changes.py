"""People change what is under way: a cancel, opt-outs, edits of the register. And clocks that are an hour wrong."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from alerts.sandbox.judge import read_facts, read_journal
from alerts.stage import load_register
from tests.support.breaking import Scene
from tests.support.stages import wait_until, write_register

pytestmark = pytest.mark.breaks_servers
CANCEL_SECONDS = 2.0
HOUR = 3600


def test_no_send_begins_two_seconds_after_a_cancel(scene: Scene) -> None:
    """Judged by the carrier's own times: an acceptance may come later than its beginning, and still none is too late."""
    under_way = scene.alert({"sms_per_second": scene.size.per_second / 2})
    under_way.reach_share(0.2)
    scene.ministry.done("POST", f"/api/v1/broadcasts/{under_way.id}/cancel", {"reason": "salah wilayah"})
    [row] = scene.rows("SELECT cancelled_at FROM broadcast WHERE id = :id", id=under_way.id)
    count = under_way.settle()
    assert 0 < count["handed_over"] < count["frozen"]
    assert count["sent_twice"] == count["accepted_reads_unknown"] == count["unknown"] == 0
    states = {r["state"] for r in scene.rows("SELECT DISTINCT state FROM delivery WHERE broadcast_id = :id", id=under_way.id)}
    assert states <= {"cancelled", "accepted", "sent", "delivered"}
    last = max(accepted_at(scene, under_way.id))
    assert last <= row["cancelled_at"] + timedelta(seconds=CANCEL_SECONDS), f"{last} after {row['cancelled_at']} (seed {scene.seed})"


def test_who_opts_out_on_the_way_gets_nothing_more(scene: Scene) -> None:
    under_way = scene.alert()
    under_way.reach_share(0.2)
    last = scene.size.people // 5
    scene.run(
        "UPDATE citizen SET opted_out_at = clock_timestamp() WHERE id IN ("
        "SELECT citizen_id FROM audience_member WHERE broadcast_id = :id ORDER BY id DESC LIMIT :last)",
        id=under_way.id,
        last=last,
    )
    count = under_way.keeps_the_promise()
    assert 0 < count["unreachable"] <= last
    scene.run("UPDATE citizen SET opted_out_at = NULL")


def test_an_edit_of_the_register_changes_no_frozen_list(scene: Scene) -> None:
    """More people, and the same people again, come in while the message goes out."""
    under_way = scene.alert()
    under_way.reach_share(0.1)
    path = write_register(scene.stage.folder / "more.csv", scene.size.people + 20)
    load_register(scene.stage.settings, scene.stage.sessions, path)
    count = under_way.keeps_the_promise()
    assert (count["handed_over"], count["outsiders"]) == (scene.size.people, 0)
    scene.run(
        "UPDATE citizen SET opted_out_at = now() WHERE id NOT IN (SELECT citizen_id FROM audience_member WHERE broadcast_id = :id)",
        id=under_way.id,
    )
    scene.run("UPDATE citizen SET province_code = NULL, country_iso2 = NULL WHERE opted_out_at IS NOT NULL")
    scene.run("UPDATE citizen SET opted_out_at = NULL")


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_workers_whose_clock_is_an_hour_wrong(scene: Scene, skew: int) -> None:
    """The clock that Python reads in the workers (`time`, `datetime`) is moved; those of Postgres and Valkey decide."""
    stage = scene.stage
    names, original = ("worker", "quick", "evidence"), dict(stage.environment)
    stage.environment |= {"PYTHONPATH": f"{stage.folder}/skewed:{original['PYTHONPATH']}", "TEST_CLOCK_SKEW_SECONDS": str(skew)}
    folder = stage.folder / "skewed"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SKEWED)
    try:
        for name in names:
            stage.services.stop_process(name)
            stage.start(name)
        under_way = scene.alert({"rules": [{"share": 0.2, "first": 1, "fault": "error_but_sent"}, {"share": 0.5, "receipts": "missing"}]})
        wait_until(lambda: under_way.share() > 0)
        under_way.keeps_the_promise()
        assert "clock moved" in stage.services.log_of("worker")
    finally:
        stage.environment = original
        for name in names:
            stage.services.stop_process(name)
            stage.start(name)


SKEWED = """
import os, sys, datetime
skew = float(os.environ.pop("TEST_CLOCK_SKEW_SECONDS", "0"))
if skew:
    import time_machine
    now = datetime.datetime.now(datetime.timezone.utc)
    time_machine.travel(now + datetime.timedelta(seconds=skew), tick=True).start()
    print("clock moved by", round((datetime.datetime.now(datetime.timezone.utc) - now).total_seconds()), file=sys.stderr, flush=True)
"""


def accepted_at(scene: Scene, broadcast: str) -> list[datetime]:
    """When the carrier took each of a message, by its own journal."""
    path = scene.stage.folder / "facts.json"
    mine = {attempt.attempt for attempt in read_facts(path).attempts if attempt.broadcast == broadcast}
    assert mine <= set(read_journal(scene.stage.log_path).accepted) | mine
    lines = (json.loads(line) for line in scene.stage.log_path.read_bytes().split(b"\n")[:-1])
    return [datetime.fromisoformat(line["at"]) for line in lines if line["kind"] == "accepted" and line["attempt"] in mine]
