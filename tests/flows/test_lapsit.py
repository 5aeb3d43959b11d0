"""Real processes: a mission's text message comes in by the hook, stands on the answer sheet, and is confirmed by a text."""

from __future__ import annotations

import json
import uuid
from typing import Any

import requests
from sqlalchemy import select, text
from twilio.request_validator import RequestValidator

from alerts.kit.db import begin, rows_of
from alerts.staff.models import Staff
from tests.factories.notices import make_contact
from tests.support.stages import INCIDENT, Ministry, running, wait_until

HOOK = "/hooks/twilio/inbound"
PHONE = "+905327778899"


def rows(ministry: Ministry, query: str) -> list[dict[str, Any]]:
    with begin(ministry.stage.sessions) as session:
        return rows_of(session.execute(text(query)))


def text_in(ministry: Ministry, body: str, sid: str) -> None:
    """The carrier posts what a phone wrote, signed."""
    settings = ministry.stage.settings
    form = {"MessageSid": sid, "From": PHONE, "To": settings.twilio.from_, "Body": body}
    token = settings.twilio.auth_token.get_secret_value()
    signed = RequestValidator(token).compute_signature(settings.public_url + HOOK, form)
    answer = requests.post(ministry.stage.url + HOOK, data=form, headers={"X-Twilio-Signature": signed}, timeout=30)
    assert answer.ok, answer.text


def taken_by_carrier(ministry: Ministry) -> list[str]:
    lines = [json.loads(line) for line in ministry.stage.log_path.read_text().splitlines()]
    return [line["attempt"] for line in lines if line["kind"] == "accepted" and line["attempt"].startswith("n")]


def test_a_report_by_sms_stands_on_the_sheet_and_is_confirmed_by_the_carrier_once() -> None:
    with running(people=20) as ministry:
        with begin(ministry.stage.sessions) as session:
            head = session.scalars(select(Staff).where(Staff.username == ministry.accounts["ankara"].username)).one()
            make_contact(session, ministry.stage.settings.keyring, head, address=PHONE)
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        body, sid = f"LAPSIT {incident['sms_code']} TR-31 LBR7 MGL-", f"SM{uuid.uuid4().hex}"
        for _ in range(2):
            text_in(ministry, body, sid)

        [report] = wait_until(lambda: ministry.done("GET", f"/api/v1/incidents/{incident['id']}/reports")["items"])
        assert (report["source"], report["state"]) == ("mission:kbri-ankara", "accepted")
        sheet = f"/api/v1/incidents/{incident['id']}/summary"
        wait_until(lambda: str(report["id"]) in json.dumps(ministry.done("GET", sheet, who="minister")))
        wait_until(lambda: rows(ministry, "SELECT 1 FROM notice WHERE kind = 'lapsit' AND accepted_at IS NOT NULL"))
        [notice] = rows(ministry, "SELECT id, body FROM notice WHERE kind = 'lapsit'")
        # The crew of the incident is called too, the head of mission among them.
        assert [name for name in taken_by_carrier(ministry) if notice["id"].hex in name] == [f"n{notice['id'].hex}-1"]
        assert "TR-31 LBR7 MGL-" in notice["body"]
