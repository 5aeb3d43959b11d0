"""A night with one person, in real processes: press, stop, press again, latecomers, one-click correction; the carrier's log judges."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import requests
from sqlalchemy import func, select

from alerts.kit.db import begin
from tests.factories.citizens import make_citizen
from tests.support.stages import INCIDENT, Ministry, comes_to_rest, running, wait_until

PEOPLE = 30
QUICK = {"SIAGA_DELIVERY_HOLD_SECONDS": "2", "SIAGA_DELIVERY_CLOCK_SECONDS": "0.2", "SIAGA_DELIVERY_WAVE_SECONDS": "0.5"}
FIRST = {
    "template_code": "gempa",
    "kind": "first_alert",
    "title": "Gempa",
    "texts": {"id": "Gempa di {place}. Jauhi gedung retak.", "en": "Earthquake in {place}. Keep away from cracked buildings."},
}
CANCEL = {
    "template_code": "batal",
    "kind": "cancel",
    "title": "Batal",
    "texts": {"id": "Abaikan pesan kami sebelumnya.", "en": "Disregard our earlier message."},
}


class Person:
    """Somebody signed in at a screen: what one person may release, a token may not."""

    def __init__(self, ministry: Ministry, role: str) -> None:
        self.url, self._session = ministry.stage.url, requests.Session()
        account = ministry.accounts[role]
        credentials = {"username": account.username, "password": account.password}
        assert self._session.post(f"{self.url}/api/v1/session", json=credentials, timeout=30).status_code == 201

    def post(self, path: str, body: Any = None) -> Any:
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Origin": self.url}
        answer = self._session.post(f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=60)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()


def test_one_person_alerts_stops_and_corrects() -> None:
    with running(people=PEOPLE, overrides=QUICK) as ministry:
        officer, approver = Person(ministry, "duty_officer"), Person(ministry, "approver")
        templates = {}
        for draft in (FIRST, CANCEL):
            written = officer.post("/templates", draft)
            approver.post(f"/templates/{written['id']}/approve", {"content_hash": written["content_hash"]})
            templates[draft["kind"]] = written["id"]
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        body = {"template_id": templates["first_alert"], "area_id": incident["areas"][0]["id"]}

        stopped = officer.post(f"/incidents/{incident['id']}/first-alerts", body)
        officer.post(f"/broadcasts/{stopped['id']}/cancel", {"reason": "Salah tekan"})
        wait_until(lambda: _now(ministry) > datetime.fromisoformat(stopped["hold_until"]))
        sent = officer.post(f"/incidents/{incident['id']}/first-alerts", body)
        assert (sent["state"], sent["audience_count"]) == ("held", PEOPLE)
        assert ministry.reach(sent["id"])["frozen"] == 0
        wait_until(lambda: ministry.reach(sent["id"])["handed_over"] == PEOPLE)
        assert _released_at(ministry, sent["id"]) >= datetime.fromisoformat(sent["hold_until"])

        with begin(ministry.stage.sessions) as session:
            make_citizen(session, ministry.stage.settings.keyring, province_code="TR-31", phones=("+6281266600001",))
        wait_until(lambda: ministry.reach(sent["id"])["handed_over"] == PEOPLE + 1)

        correction = officer.post(f"/broadcasts/{sent['id']}/correct", {"msg_type": "Cancel", "template_id": templates["cancel"]})
        assert correction["audience_count"] == PEOPLE + 1
        wait_until(lambda: ministry.reach(correction["id"])["handed_over"] == PEOPLE + 1)
        assert ministry.reach(stopped["id"])["frozen"] == 0
        judged = ministry.stage.judge()["total"]
        assert (judged["missed"], judged["sent_twice"], judged["handed_over"]) == (0, 0, 2 * (PEOPLE + 1))
        comes_to_rest(ministry.stage)


def _now(ministry: Ministry) -> datetime:
    with begin(ministry.stage.sessions) as session:
        now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _released_at(ministry: Ministry, broadcast_id: str) -> datetime:
    view = ministry.done("GET", f"/api/v1/broadcasts/{broadcast_id}")
    return datetime.fromisoformat(view["approved_at"])
