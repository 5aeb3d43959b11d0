"""What stands beside reach: calls by their outcome, and phones abroad that nobody adds to persons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.deliveries.call_list.models import CallOutcome, CallRow
from alerts.deliveries.call_list.rules import Outcome
from alerts.deliveries.roaming.models import RoamingBroadcast, RoamingCount
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.checkins import make_citizen, make_member
from tests.factories.deliveries import make_delivery

SignIn = Callable[..., dict[str, str]]
NOW = datetime.now(UTC)
EARLIER = NOW - timedelta(minutes=30)


def set_up(session: Session, keyring: Keyring, incident: Incident) -> Broadcast:
    """A message an hour old: somebody was called twice, and an operator counted twice, before and after `EARLIER`."""
    person = make_citizen(session, keyring)
    member = make_member(session, incident, person)
    make_delivery(session, member, "failed", ago=timedelta(hours=1))
    long_ago, just_now = NOW - timedelta(minutes=50), NOW - timedelta(minutes=5)
    session.execute(update(Broadcast).where(Broadcast.id == member.broadcast_id).values(released_at=NOW - timedelta(hours=1)))
    row = CallRow(incident_id=incident.id, citizen_id=person.id, member_id=member.id)
    asked = RoamingBroadcast(
        broadcast_id=member.broadcast_id,
        country="TR",
        operator="nusantara",
        language="id",
        text_sha256=b"x",
        asked_by="staff:x",
        asked_at=long_ago,
    )
    session.add_all([row, asked])
    session.flush()
    for at, outcome, phones in ((long_ago, Outcome.NO_ANSWER, 900), (just_now, Outcome.WRONG_NUMBER, 1200)):
        call = {"call_row_id": row.id, "broadcast_id": member.broadcast_id, "outcome": outcome, "caller": "staff:x", "at": at}
        session.add(CallOutcome(**call))
        session.add(RoamingCount(roaming_broadcast_id=asked.id, as_of=at, known_at=at, phones_found=phones))
        session.flush()
    session.commit()
    return session.get_one(Broadcast, member.broadcast_id)


def reach(client: TestClient, headers: dict[str, str], broadcast: Broadcast, **asked: str) -> Any:
    answer = client.get(f"/api/v1/broadcasts/{broadcast.id}/reach", headers=headers, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_calls_and_phones_abroad_stand_beside_the_counts(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, sign_in: SignIn
) -> None:
    broadcast, officer = set_up(session, keyring, incident), sign_in("duty_officer")
    found = reach(client, officer, broadcast)
    assert found["calls"] == [{"outcome": "wrong_number", "people": 1}]
    [phones] = found["roaming"]
    assert (phones["country"], phones["operator"], phones["phones_found"], phones["phones_delivered"]) == ("TR", "nusantara", 1200, None)
    assert (found["frozen"], found["handed_over"]) == (1, 0), "neither a call nor a phone is a person handed over"


def test_as_known_at_an_earlier_moment(client: TestClient, session: Session, keyring: Keyring, incident: Incident, sign_in: SignIn) -> None:
    broadcast, officer = set_up(session, keyring, incident), sign_in("duty_officer")
    found = reach(client, officer, broadcast, known_at=EARLIER.isoformat())
    assert found["calls"] == [{"outcome": "no_answer", "people": 1}]
    assert [each["phones_found"] for each in found["roaming"]] == [900]
    before = reach(client, officer, broadcast, known_at=(NOW - timedelta(minutes=55)).isoformat())
    assert (before["calls"], before["roaming"]) == ([], [])
    assert session.execute(text("SELECT count(*) FROM call_outcome")).scalar_one() == 2
