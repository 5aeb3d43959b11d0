from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.broadcasts.rules import Channel, Unreachable
from alerts.checkins.cases.models import HelpCase
from alerts.deliveries.call_list.queries import outcomes_of
from alerts.deliveries.evidence import mark_answered
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.factories.checkins import Person, make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import HATAY, SYRIA, make_incident

SignIn = Callable[..., dict[str, str]]
_keys = count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"calls-{next(_keys)}"}


def contact() -> dict[str, str]:
    return {"who": "meja konsuler", "when": datetime.now(UTC).isoformat(), "how": "telepon"}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


class Sent:
    """People to whom one message each went, and how their deliveries stand."""

    def __init__(self, session: Session, keyring: Keyring, incident: Incident) -> None:
        self.session, self.keyring, self.incident = session, keyring, incident

    def to(self, state: str, *, silent_minutes: int = 60, **more: Any) -> tuple[Person, AudienceMember]:
        person = make_citizen(self.session, self.keyring, **more)
        unreachable = {"channel": Channel.NONE, "phone_id": None, "number_country": None, "unreachable": Unreachable.NO_ADDRESS}
        member = make_member(self.session, self.incident, person, **(unreachable if state == "unreachable" else {}))
        stored = "failed" if state == "unreachable" else state
        make_delivery(self.session, member, stored, ago=timedelta(minutes=silent_minutes))
        self.session.commit()
        return person, member


@pytest.fixture
def sent(session: Session, keyring: Keyring, incident: Incident) -> Sent:
    return Sent(session, keyring, incident)


@pytest.fixture
def staff(sign_in: SignIn) -> dict[str, str]:
    return sign_in("mission_staff", "kbri-ankara")


@pytest.fixture
def calls(client: TestClient, incident: Incident, staff: dict[str, str]) -> Callable[..., dict[str, Any]]:
    def ask(headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        answer = client.get(f"/api/v1/incidents/{incident.id}/call-list", params=params, headers=headers or staff)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def post(client: TestClient, member: AudienceMember, act: str, headers: dict[str, str], **body: Any) -> Response:
    url = f"/api/v1/call-list/{member.id}/{act}"
    return client.post(url, headers=headers | key(), **({"json": body} if body else {}))


GAPS = [
    ("unreachable", "unreachable"),
    ("failed", "failed"),
    ("undelivered", "undelivered"),
    ("unknown", "unknown"),
    ("delivered", "unanswered"),
]


def test_whoever_no_message_reached_is_listed_in_the_order_of_sending(sent: Sent, calls: Callable[..., dict[str, Any]]) -> None:
    people = [sent.to(state) for state, _ in GAPS]
    for state in ("queued", "cancelled"):
        sent.to(state)
    sent.to("delivered", silent_minutes=0)
    found = calls()
    assert [(row["member_id"], row["gap"]) for row in found["items"]] == [
        (member.id, gap) for (_, member), (_, gap) in zip(people, GAPS, strict=True)
    ]
    assert found["counts"]["waiting"] == {gap: 1 for _, gap in GAPS}
    words = str(found)
    for person, _ in people:
        assert person.e164 not in words
        assert "Warga" not in words


def test_silence_counts_only_after_the_last_way(session: Session, sent: Sent, calls: Callable[..., dict[str, Any]]) -> None:
    _, member = sent.to("delivered")
    session.execute(text("""UPDATE audience_member SET further_ways = '[["voice", null, null]]' WHERE id = :id"""), {"id": member.id})
    session.execute(text("UPDATE broadcast SET validity_seconds = 36000"))
    session.commit()
    assert calls()["items"] == []
    session.execute(text("UPDATE broadcast SET validity_seconds = 60"))
    session.commit()
    assert [row["gap"] for row in calls()["items"]] == ["unanswered"], "no step comes after the message has ended"


def test_whoever_answers_leaves_the_list(session: Session, sent: Sent, calls: Callable[..., dict[str, Any]], incident: Incident) -> None:
    person, _ = sent.to("delivered")
    assert len(calls()["items"]) == 1
    mark_answered(session, [{"citizen_id": str(person.id), "incident_id": str(incident.id)}])
    session.commit()
    assert calls()["items"] == []


def test_each_mission_calls_its_own_people(
    client: TestClient, sent: Sent, calls: Callable[..., dict[str, Any]], staff: dict[str, str], sign_in: SignIn
) -> None:
    _, hatay = sent.to("failed")
    _, syria = sent.to("failed", country_iso2="SY", province_code=None)
    damascus = sign_in("mission_staff", "kbri-damascus")
    assert [row["member_id"] for row in calls()["items"]] == [hatay.id]
    assert [row["member_id"] for row in calls(damascus)["items"]] == [syria.id]
    assert len(calls(sign_in("duty_officer"))["items"]) == 2
    assert len(calls(sign_in("duty_officer"), mission="kbri-damascus")["items"]) == 1
    assert post(client, hatay, "open", damascus).status_code == 404
    assert client.get(f"/api/v1/call-list/{hatay.id}", headers=damascus).status_code == 404


def test_numbers_are_seen_by_whoever_opened_the_row_and_nobody_else(
    client: TestClient, session: Session, sent: Sent, staff: dict[str, str], sign_in: SignIn, calls: Callable[..., dict[str, Any]]
) -> None:
    person, member = sent.to("unknown")
    url, colleague = f"/api/v1/call-list/{member.id}", sign_in("mission_staff", "kbri-ankara")
    assert client.get(url, headers=staff).status_code == 409, "not opened yet"
    opened = post(client, member, "open", staff)
    assert (opened.status_code, opened.json()["numbers"], opened.json()["name"]) == (200, [], None)
    seen = client.get(url, headers=staff).json()
    assert (seen["numbers"], seen["name"][:9]) == ([person.e164], "Warga Uji")
    taken = post(client, member, "open", colleague)
    assert (taken.status_code, taken.json()["code"]) == (409, "called_by_another")
    assert "retry-after" in taken.headers
    assert client.get(url, headers=colleague).status_code == 409
    assert post(client, member, "outcome", colleague, outcome="no_answer").status_code == 409
    assert calls()["items"][0]["claimed_by"].startswith("staff:")
    assert session.execute(text("SELECT count(*) FROM action_log WHERE action = 'call.opened'")).scalar_one() == 1
    assert post(client, member, "release", staff).status_code == 200
    assert post(client, member, "open", colleague).status_code == 200


def test_a_lease_ends_by_itself(client: TestClient, session: Session, sent: Sent, staff: dict[str, str], sign_in: SignIn) -> None:
    _, member = sent.to("failed")
    assert post(client, member, "open", staff).status_code == 200
    session.execute(text("UPDATE call_row SET claimed_until = clock_timestamp() - interval '1 second'"))
    session.commit()
    assert post(client, member, "outcome", staff, outcome="no_answer").status_code == 409
    assert post(client, member, "open", sign_in("mission_staff", "kbri-ankara")).status_code == 200


def test_no_answer_is_tried_again_later_and_others_come_first(
    client: TestClient, sent: Sent, staff: dict[str, str], calls: Callable[..., dict[str, Any]]
) -> None:
    _, first = sent.to("failed")
    _, second = sent.to("failed")
    post(client, first, "open", staff)
    ended = post(client, first, "outcome", staff, outcome="no_answer", note="nada sibuk").json()
    assert (ended["tries"], ended["last_outcome"], ended["done_at"]) == (1, "no_answer", None)
    assert ended["history"][0]["note"] is None, "notes are not kept for replay"
    found = calls()
    assert [row["member_id"] for row in found["items"]] == [second.id, first.id]
    assert found["counts"]["outcomes"] == {"no_answer": 1}
    assert found["counts"]["calls"] == 1
    assert post(client, first, "open", staff).status_code == 200, "earlier is allowed"
    at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    assert post(client, first, "outcome", staff, outcome="call_back_at").status_code == 422
    assert post(client, first, "outcome", staff, outcome="call_back_at", call_back_at=at).status_code == 200


@pytest.mark.parametrize("outcome", ["wrong_number", "number_dead", "refused"])
def test_where_calling_ends(
    client: TestClient, sent: Sent, staff: dict[str, str], calls: Callable[..., dict[str, Any]], outcome: str
) -> None:
    _, member = sent.to("failed")
    post(client, member, "open", staff)
    assert post(client, member, "outcome", staff, outcome=outcome).json()["done_at"] is not None
    assert calls()["items"] == []
    assert calls()["counts"]["outcomes"] == {outcome: 1}
    assert post(client, member, "open", staff).status_code == 409


def test_a_later_message_that_fails_brings_back_whoever_was_called_before(
    client: TestClient, session: Session, sent: Sent, staff: dict[str, str], calls: Callable[..., dict[str, Any]]
) -> None:
    person, first = sent.to("failed")
    post(client, first, "open", staff)
    assert post(client, first, "outcome", staff, outcome="reached_safe", contact=contact()).status_code == 200
    mark_answered(session, [{"citizen_id": str(person.id), "incident_id": str(sent.incident.id)}])
    later = make_member(session, sent.incident, person)
    make_delivery(session, later, "failed")
    session.execute(text("UPDATE delivery SET created_at = clock_timestamp() WHERE member_id = :id"), {"id": later.id})
    session.commit()
    assert [(row["member_id"], row["gap"], row["tries"]) for row in calls()["items"]] == [(later.id, "failed", 1)]
    assert post(client, later, "open", staff).status_code == 200
    assert post(client, later, "outcome", staff, outcome="number_dead").status_code == 200
    assert calls()["items"] == [], "called to an end for this message too"
    assert post(client, later, "open", staff).status_code == 409
    again = make_member(session, sent.incident, person)
    make_delivery(session, again, "failed")
    session.execute(text("UPDATE delivery SET created_at = clock_timestamp() WHERE member_id = :id"), {"id": again.id})
    pair = {"old": later.broadcast_id, "new": again.broadcast_id}
    session.execute(text("UPDATE broadcast SET still_valid_texts = texts WHERE id = :old"), pair)
    said = """UPDATE broadcast n SET purpose = 'still_valid', "references" = ARRAY[o.id], approved_by = o.approved_by
        FROM broadcast o WHERE n.id = :new AND o.id = :old"""
    session.execute(text(said), pair)
    session.commit()
    assert calls()["items"] == [], "that nothing is new asks for no answer"


@pytest.mark.parametrize(("outcome", "answer"), [("reached_safe", "safe"), ("reached_need_help", "need_help")])
def test_somebody_reached_is_contact_made(
    client: TestClient, session: Session, sent: Sent, staff: dict[str, str], calls: Callable[..., dict[str, Any]], outcome: str, answer: str
) -> None:
    person, member = sent.to("unreachable")
    post(client, member, "open", staff)
    assert post(client, member, "outcome", staff, outcome=outcome).json()["field"] == "contact"
    assert session.execute(text("SELECT count(*) FROM checkin")).scalar_one() == 0
    assert post(client, member, "outcome", staff, outcome=outcome, contact=contact()).status_code == 200
    kept = session.execute(text("SELECT citizen_id, answer, channel, rung, contact_how FROM checkin")).one()
    assert tuple(kept) == (person.id, answer, "staff", "contact_made", "telepon")
    assert calls()["items"] == []
    assert outcomes_of(session, member.broadcast_id) == {outcome: 1}
    case = session.query(HelpCase).one_or_none()
    assert (case.owner_mission if case else None) == ("kbri-ankara" if answer == "need_help" else None)


def test_the_same_key_calls_once(client: TestClient, session: Session, sent: Sent, staff: dict[str, str]) -> None:
    _, member = sent.to("failed")
    post(client, member, "open", staff)
    once = key()
    for _ in range(2):
        url = f"/api/v1/call-list/{member.id}/outcome"
        assert client.post(url, json={"outcome": "no_answer"}, headers=staff | once).status_code == 200
    assert session.execute(text("SELECT tries FROM call_row")).scalar_one() == 1
    with pytest.raises(Exception, match="append"):
        session.execute(text("DELETE FROM call_outcome"))
    session.rollback()
