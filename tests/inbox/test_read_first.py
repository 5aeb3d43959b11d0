"""A message that may call for help, and is not one by the rules: somebody is paged until it is read, and its sender is not forgotten."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.evidence import mark_answered
from alerts.inbox.models import InboundMessage
from alerts.inbox.paging import page_readers, still_waits
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.notices.models import Paging
from tests.factories.checkins import Person, make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import HATAY, SYRIA, make_incident
from tests.factories.notices import make_reachable
from workers.staff import STILL_WAITS
from workers.wiring import DRAINS, REACTIONS

TextUs = Callable[..., Response]
Understand = Callable[[], list[InboundMessage]]
SignIn = Callable[..., dict[str, str]]
_keys = count(1)


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring, incident: Incident) -> Person:
    """To whom an alert was delivered an hour ago."""
    person = make_citizen(session, keyring)
    make_delivery(session, make_member(session, incident, person), "delivered")
    session.commit()
    return person


@pytest.fixture
def gaps(client: TestClient, incident: Incident, sign_in: SignIn) -> Callable[[], list[str]]:
    """Why people are on the call list, in its order."""
    headers = sign_in("duty_officer")

    def ask() -> list[str]:
        answer = client.get(f"/api/v1/incidents/{incident.id}/call-list", headers=headers).json()
        return [row["gap"] for row in answer["items"]]

    return ask


def read(client: TestClient, headers: dict[str, str], row: InboundMessage, act: str = "handle", **body: Any) -> Response:
    return client.post(f"/api/v1/inbox/{row.id}/{act}", json=body, headers=headers | {"Idempotency-Key": f"first-{next(_keys)}"})


def hear(session: Session) -> None:
    """What deliveries do with all answers so far."""
    heard = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'checkin.recorded'")).scalars()
    mark_answered(session, list(heard))
    session.commit()


def urgent_ids(session: Session) -> list[str]:
    published = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'inbound.urgent' ORDER BY id")).scalars()
    return [each["message_id"] for each in published]


def page(session: Session) -> list[tuple[str, str | None, str | None, str]]:
    """What the worker does with all that was published; every page so far."""
    page_readers(session, [each for (each,) in session.execute(text("SELECT id FROM inbound_message"))])
    session.commit()
    return [(row.role.value, row.mission_code, row.status, row.path) for row in session.query(Paging).order_by(Paging.id)]


def test_the_event_pages_and_the_clock_asks_whether_it_was_read() -> None:
    assert REACTIONS["inbound.urgent"] == ("inbox.page_readers",)
    assert "inbox.page_readers" in DRAINS
    assert STILL_WAITS["urgent_message"] is still_waits


@pytest.mark.parametrize("body", ["tolong, terjebak", "2 kaki patah", "SOS!!"])
def test_the_mission_of_the_place_is_paged_until_somebody_has_read_it(
    client: TestClient,
    session: Session,
    keyring: Keyring,
    text_us: TextUs,
    understand: Understand,
    person: Person,
    sign_in: SignIn,
    body: str,
) -> None:
    make_reachable(session, keyring, "mission_staff", mission_code="kbri-ankara")
    text_us(person.e164, body)
    (row,) = understand()
    assert (row.understood, row.mission_code, urgent_ids(session)) == ("urgent_unread", "kbri-ankara", [str(row.id)])
    assert page(session) == page(session) == [("mission_staff", "kbri-ankara", "Actual", "/inbox")], "once, however often it rings"
    paging = session.query(Paging).one()
    assert paging.texts["en"] == "SIAGA: unread messages that may call for help: 1. Gempa uji"
    assert still_waits(session, paging)
    assert read(client, sign_in("mission_staff", "kbri-ankara"), row).status_code == 200
    assert not still_waits(session, paging)


def test_somebody_unknown_is_read_by_the_ministry_and_then_by_whom_it_says(
    client: TestClient, session: Session, keyring: Keyring, text_us: TextUs, understand: Understand, incident: Incident, sign_in: SignIn
) -> None:
    for role, mission in (("duty_officer", None), ("mission_staff", "kbri-damascus")):
        make_reachable(session, keyring, role, mission_code=mission)
    text_us("+60999999999", "tolong kami di atap")
    text_us("+60999999998", "halo")
    row, _ = understand()
    assert page(session) == [("duty_officer", None, "Actual", "/inbox")]
    assert read(client, sign_in("duty_officer"), row, "assign", mission_code="kbri-damascus").status_code == 200
    assert urgent_ids(session) == [str(row.id)] * 2
    assert page(session)[1:] == [("mission_staff", "kbri-damascus", "Actual", "/inbox")]
    first, second = session.query(Paging).order_by(Paging.id)
    assert (still_waits(session, first), still_waits(session, second)) == (False, True)


def test_whoever_may_have_called_for_help_is_called_until_it_was_read(
    client: TestClient, session: Session, keyring: Keyring, text_us: TextUs, understand: Understand, person: Person, incident: Incident,
    sign_in: SignIn, gaps: Callable[[], list[str]],
) -> None:  # fmt: skip
    other = make_citizen(session, keyring)
    make_delivery(session, make_member(session, incident, other), "failed")
    session.execute(text("UPDATE broadcast SET validity_seconds = 60"))
    session.commit()
    assert gaps() == ["unanswered", "failed"]
    for sender, body in ((other.e164, "selamat pagi"), (person.e164, "tolong, terjebak"), (person.e164, "tolong!")):
        text_us(sender, body)
    _, *calls = understand()
    hear(session)
    assert gaps() == ["urgent_unread"], "an unclear answer is an answer; what may be a call for help keeps them on the list"
    duty = sign_in("duty_officer")
    for row, left in zip(calls, (["urgent_unread"], []), strict=True):
        assert read(client, duty, row).status_code == 200
        assert gaps() == left


def test_who_was_spoken_to_needs_no_second_call(
    client: TestClient,
    session: Session,
    text_us: TextUs,
    understand: Understand,
    person: Person,
    sign_in: SignIn,
    gaps: Callable[[], list[str]],
) -> None:
    text_us(person.e164, "2 tolong")
    understand()
    hear(session)
    staff = sign_in("mission_staff", "kbri-ankara")
    member = session.execute(text("SELECT id FROM audience_member")).scalar_one()
    url = f"/api/v1/call-list/{member}"
    assert client.post(f"{url}/open", headers=staff | {"Idempotency-Key": "first-open"}).status_code == 200
    contact = {"who": "meja konsuler", "when": "2026-01-01T00:00:00Z", "how": "telepon"}
    ended = client.post(
        f"{url}/outcome", json={"outcome": "reached_safe", "contact": contact}, headers=staff | {"Idempotency-Key": "first-end"}
    )
    assert ended.status_code == 200
    assert gaps() == []
    assert session.execute(text("SELECT urgent_at FROM call_row")).scalar_one() is None
