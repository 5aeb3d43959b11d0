"""People change what is under way: a cancel, opt-outs, edits of the register. And clocks that are an hour wrong."""

from __future__ import annotations

import itertools
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest
import requests
from twilio.request_validator import RequestValidator

from alerts.sandbox.judge import read_facts, read_journal
from alerts.stage import load_register
from tests.support.breaking import Scene, stop
from tests.support.stages import phone_of, wait_until, write_register

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
    """They text STOP to the carrier, which posts it to our door. Slower than usual, or the list would be through before they can."""
    under_way = scene.alert({"sms_per_second": scene.size.per_second / 4})
    under_way.reach_share(0.2)
    last = scene.rows(LAST_ON_THE_LIST, id=under_way.id, count=scene.size.people // 5)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(text_in, scene), [phone_of(row["number"]) for row in last], itertools.cycle(OPT_OUT)))
    assert set(answers) == {200}
    count = under_way.keeps_the_promise()
    wait_until(lambda: scene.rows(OPTED_OUT, ids=[row["citizen_id"] for row in last])[0]["n"] == len(last))
    assert 0 < count["unreachable"] <= len(last)
    assert scene.rows(BEGUN_AFTERWARDS, id=under_way.id) == [], f"seed {scene.seed}"
    scene.run("UPDATE citizen SET opted_out_at = NULL")  # the next test has the same people again


def test_an_edit_of_the_register_changes_no_frozen_list(scene: Scene) -> None:
    """More people, and the same people again, come in while the message goes out."""
    under_way = scene.alert()
    under_way.reach_share(0.1)
    path = write_register(scene.stage.folder / "more.csv", scene.size.people + 20)
    load_register(scene.stage.settings, scene.stage.sessions, path)
    count = under_way.keeps_the_promise()
    assert (count["handed_over"], count["outsiders"]) == (scene.size.people, 0)
    latecomers = "id NOT IN (SELECT citizen_id FROM audience_member WHERE broadcast_id = :id)"
    scene.run(f"UPDATE citizen SET died_at = now() WHERE {latecomers}", id=under_way.id)  # the next test has the same people again


@pytest.mark.parametrize("sign", [1, pytest.param(-1, marks=pytest.mark.long)], ids=["ahead_behind_ahead", "behind_ahead_behind"])
def test_workers_whose_clocks_are_an_hour_wrong(scene: Scene, sign: int) -> None:
    """The clock that Python reads in the workers (`time`, `datetime`) is moved; those of Postgres and Valkey decide."""
    stage, skews = scene.stage, {"worker": sign * HOUR, "quick": -sign * HOUR, "evidence": sign * HOUR}
    folder = stage.folder / "skewed"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SKEWED)
    original = dict(stage.environment)
    stop(stage, *skews)
    try:
        for name, skew in skews.items():
            moved = {"PYTHONPATH": f"{folder}:{original['PYTHONPATH']}", "TEST_CLOCK_SKEW_SECONDS": str(skew)}
            stage.environment = original | moved
            stage.start(name)
        stage.environment = original
        under_way = scene.alert({"rules": [{"share": 0.2, "first": 1, "fault": "error_but_sent"}, {"share": 0.5, "receipts": "missing"}]})
        under_way.keeps_the_promise()
        assert all(f"clock moved by {skew}" in stage.services.log_of(name) for name, skew in skews.items())
    finally:
        stage.environment = original
        stop(stage, *skews)
        stage.start(*skews)


OPT_OUT = ("STOP", "stop.", "Berhenti")
LAST_ON_THE_LIST = """
SELECT m.citizen_id, CAST(substr(c.external_id, 2) AS int) AS number FROM audience_member m JOIN citizen c ON c.id = m.citizen_id
WHERE m.broadcast_id = :id ORDER BY m.id DESC LIMIT :count
"""
OPTED_OUT = "SELECT count(*) AS n FROM citizen WHERE opted_out_at IS NOT NULL AND id = ANY (CAST(:ids AS uuid[]))"
BEGUN_AFTERWARDS = """
SELECT d.id FROM delivery d JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id
JOIN send_window w ON d.id = ANY (w.deliveries) WHERE m.broadcast_id = :id AND w.intent_at > c.opted_out_at + interval '1 second'
"""

SKEWED = """
import os, sys, datetime
skew = float(os.environ.pop("TEST_CLOCK_SKEW_SECONDS", "0"))
if skew:
    import time_machine
    now = datetime.datetime.now(datetime.timezone.utc)
    time_machine.travel(now + datetime.timedelta(seconds=skew), tick=True).start()
    print("clock moved by", round((datetime.datetime.now(datetime.timezone.utc) - now).total_seconds()), file=sys.stderr, flush=True)
"""


def text_in(scene: Scene, number: str, words: str) -> int:
    """A message of a citizen's as Twilio posts it; the status of our answer."""
    url, twilio = f"{scene.stage.url}/hooks/twilio/inbound", scene.stage.settings.twilio
    fields = {"MessageSid": f"SM{uuid.uuid4().hex}", "AccountSid": twilio.account_sid, "From": number, "To": twilio.from_, "Body": words}
    signature = RequestValidator(twilio.auth_token.get_secret_value()).compute_signature(url, fields)
    return requests.post(url, data=fields, headers={"X-Twilio-Signature": signature}, timeout=30).status_code


def accepted_at(scene: Scene, broadcast: str) -> list[datetime]:
    """When the carrier took each of a message, by its own journal."""
    path = scene.stage.folder / "facts.json"
    mine = {attempt.attempt for attempt in read_facts(path).attempts if attempt.broadcast == broadcast}
    assert mine <= set(read_journal(scene.stage.log_path).accepted) | mine
    lines = (json.loads(line) for line in scene.stage.log_path.read_bytes().split(b"\n")[:-1])
    return [datetime.fromisoformat(line["at"]) for line in lines if line["kind"] == "accepted" and line["attempt"] in mine]
