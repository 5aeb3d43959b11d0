from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.kit.crypto import Keyring
from alerts.people.queries import Moment, TallyRow, states_of, tally
from alerts.people.rules import Axis
from tests.factories.incidents import make_incident
from tests.factories.people import make_person, statement


def counted(rows: list[TallyRow], axis: Axis) -> dict[tuple[str, str, str], int]:
    return {(row.value, row.claim.value, row.nationality.value): row.count for row in rows if row.axis is axis}


def test_each_axis_is_counted_by_itself(session: Session, keyring: Keyring) -> None:
    incident = make_incident(session)
    dead = statement("condition", "dead", claim="verified", authority_confirmed=True)
    make_person(session, keyring, incident, dead, statement("place", "in_hospital"))
    make_person(session, keyring, incident, dead, nationality="own_child_dual")
    make_person(session, keyring, incident, dead, nationality="foreign_family")
    make_person(session, keyring, incident, statement("condition", "dead"), mission_code=None)
    make_person(session, keyring, incident, statement("wish", "stay"), statement("contact", "unaccounted"))
    make_person(session, keyring, incident)
    make_person(session, keyring, make_incident(session), dead)
    rows = tally(session, incident.id)
    assert counted(rows, Axis.CONDITION) == {
        ("dead", "verified", "own"): 1,
        ("dead", "verified", "own_child_dual"): 1,
        ("dead", "verified", "foreign_family"): 1,
        ("dead", "reported", "own"): 1,
    }
    assert counted(rows, Axis.PLACE) == {("in_hospital", "reported", "own"): 1}
    assert counted(rows, Axis.CONTACT) == {("unaccounted", "reported", "own"): 1}
    assert counted(rows, Axis.WISH) == {("stay", "reported", "own"): 1}
    assert sum(row.count for row in tally(session, incident.id, mission_code="kbri-ankara")) == 6


def test_the_tally_of_an_earlier_minute(session: Session, keyring: Keyring) -> None:
    incident = make_incident(session)
    person = make_person(
        session,
        keyring,
        incident,
        statement("contact", "unaccounted", as_of="2023-02-07T00:00:00Z"),
        statement("contact", "verified", as_of="2023-02-09T00:00:00Z"),
    )
    assert counted(tally(session, incident.id), Axis.CONTACT) == {("verified", "verified", "own"): 1}
    eighth = datetime(2023, 2, 8, tzinfo=UTC)
    assert counted(tally(session, incident.id, Moment(as_of=eighth)), Axis.CONTACT) == {("unaccounted", "reported", "own"): 1}
    first = session.execute(text("SELECT min(known_at) FROM person_statement")).scalar_one()
    assert counted(tally(session, incident.id, Moment(known_at=first)), Axis.CONTACT) == {("unaccounted", "reported", "own"): 1}
    assert tally(session, incident.id, Moment(known_at=eighth)) == []
    assert states_of(session, [person.id], Moment(as_of=eighth))[person.id][Axis.CONTACT].stands.value == "unaccounted"
