"""Everything is asked for more than once: hints, approvals, requests. One message goes out."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.breaking import Scene, UnderWay
from tests.support.stages import INCIDENT, TEXTS
from workers.app import make_celery
from workers.wiring import QUEUES, QUICK

pytestmark = pytest.mark.breaks_servers
TIMES = 10
APPROVALS = 50


def test_every_hint_ten_times(scene: Scene) -> None:
    """Each task of each event of the message, and the clock's, ten times more than the relay rings them."""
    under_way = scene.alert()
    celery = make_celery(scene.stage.settings)
    batches = scene.rows("SELECT id FROM delivery_batch WHERE broadcast_id = :id", id=under_way.id)
    while not batches:
        batches = scene.rows("SELECT id FROM delivery_batch WHERE broadcast_id = :id", id=under_way.id)
    hints = [("deliveries.send", {"batch_id": row["id"]}) for row in batches]
    hints += [(task, {"broadcast_id": under_way.id}) for task in ("deliveries.release", "deliveries.stop")]
    hints += [
        (task, {})
        for task in ("deliveries.sweep", "deliveries.ring", "deliveries.apply_receipts", "deliveries.resend", "deliveries.look_up")
    ]
    with celery.connection_for_write() as connection:
        for task, payload in hints * TIMES:
            kwargs = {"event_id": None, "payload": payload}
            celery.send_task(task, kwargs=kwargs, queue=QUEUES.get(task, QUICK), connection=connection, expires=60)
    celery.close()
    under_way.keeps_the_promise()


def test_fifty_approvals_at_once(scene: Scene) -> None:
    """One of them approves; the others hear so. The list goes out once."""
    ministry = scene.ministry
    before, strays = scene.accepted(), scene.stage.judge()["strays"]
    scene.set_plan()
    incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
    drafted = ministry.done("POST", f"/api/v1/incidents/{incident['id']}/broadcasts", {"texts": TEXTS, "channels": ["sms"]})
    submitted = ministry.done("POST", f"/api/v1/broadcasts/{drafted['id']}/submit")
    cookies = signed_in(scene)

    def approve(_: int) -> requests.Response:
        return requests.post(
            f"{scene.stage.url}/api/v1/broadcasts/{drafted['id']}/approve",
            json={"content_hash": submitted["content_hash"]},
            headers={"Idempotency-Key": uuid.uuid4().hex, "Origin": scene.stage.url},
            cookies=cookies,
            timeout=60,
        )

    with ThreadPoolExecutor(APPROVALS) as pool:
        answers = list(pool.map(approve, range(APPROVALS)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] == 1, statuses
    assert set(statuses) <= {200, 409}, statuses
    [approved] = [answer.json() for answer in answers if answer.status_code == 200]
    UnderWay(scene, approved, before, strays).keeps_the_promise()


def test_the_same_key_with_another_body_is_refused_and_does_nothing(scene: Scene) -> None:
    ministry, key = scene.ministry, uuid.uuid4().hex
    first = ministry.call("POST", "/api/v1/incidents", INCIDENT, **{"Idempotency-Key": key})
    again = ministry.call("POST", "/api/v1/incidents", INCIDENT, **{"Idempotency-Key": key})
    other = ministry.call("POST", "/api/v1/incidents", INCIDENT | {"title": "Lain"}, **{"Idempotency-Key": key})
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    [row] = scene.rows("SELECT count(*) AS n FROM incident WHERE title = 'Lain'")
    assert row["n"] == 0


def signed_in(scene: Scene) -> dict[str, str]:
    """The approver's session."""
    account = scene.ministry.accounts["approver"]
    credentials = {"username": account.username, "password": account.password}
    with requests.Session() as session:
        assert session.post(f"{scene.stage.url}/api/v1/session", json=credentials, timeout=30).status_code == 201
        return dict(session.cookies)
