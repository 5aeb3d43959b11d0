"""Persons, their own answers and the tallies beside each other: nobody twice, and what cannot both be true is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel, Contact
from alerts.incidents.models import Incident
from alerts.incidents.rules import Claim
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.live.queries import Asked, load_sheet
from alerts.live.rules.agreement import Answered, Disagreement, agree, disagreement_of, is_reached
from alerts.live.schemas import AnswerSheet, NamedPersons
from alerts.people.rules import GRAVITY, Axis, AxisState, Nationality, PersonState, Statement
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from tests.factories.citizens import make_citizen
from tests.factories.families import make_enquiry
from tests.factories.incidents import HATAY, OPENER, make_incident
from tests.factories.people import make_person, statement
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor

T0 = datetime(2026, 2, 6, tzinfo=UTC)
CONTACT = {"who": "meja konsuler", "when": "2023-02-07T08:00:00Z", "how": "telepon"}
REACHED = statement("contact", "contact_made", contact=CONTACT)


@pytest.fixture
def incident(session: Session) -> Incident:
    return make_incident(session, areas=[HATAY])


def person(nationality: Nationality = Nationality.OWN, **said: tuple[str, Claim]) -> PersonState:
    state = {Axis(axis): AxisState(Statement(uuid4(), Axis(axis), value, claim, T0, T0)) for axis, (value, claim) in said.items()}
    return PersonState(uuid4(), uuid4(), nationality, None, None, state)


def says(session: Session, keyring: Keyring, incident: Incident, answer: Answer, *, is_reached: bool = False, **fields: Any) -> Any:
    citizen = make_citizen(session, keyring, province_code="TR-31", **fields)
    again(session, keyring, incident, citizen, answer, is_reached=is_reached)
    return citizen


def again(session: Session, keyring: Keyring, incident: Incident, citizen: Any, answer: Answer, *, is_reached: bool = False) -> None:
    contact = Contact("meja konsuler", db_now(session), "telepon") if is_reached else None
    channel = Channel.STAFF if is_reached else Channel.SMS
    new = NewCheckin(incident.id, citizen.id, answer, channel, contact=contact)
    record_checkin(session, actor=make_actor(session) if is_reached else OPENER, keyring=keyring, new=new)


def named(sheet: AnswerSheet, category: str) -> NamedPersons:
    return next(row for row in sheet.named if row.category == category)


# -- the rules alone --------------------------------------------------------------------------------------------------------------


states = st.fixed_dictionaries(
    {},
    optional={
        axis.value: st.tuples(st.sampled_from(sorted(GRAVITY[axis])), st.sampled_from(Claim))
        for axis in (Axis.CONDITION, Axis.CONTACT, Axis.PLACE)
    },
)
moments = st.none() | st.integers(-60, 60).map(lambda minutes: T0 + timedelta(minutes=minutes))
answers = st.builds(Answered, needs_help=st.booleans(), help_at=moments, safe_at=moments, confirmed_at=moments)


@given(st.lists(st.tuples(states, st.none() | answers, st.sampled_from(Nationality)), max_size=8))
def test_nobody_counts_twice_and_the_dead_are_never_safe(drawn: list[tuple[dict[str, Any], Answered | None, Nationality]]) -> None:
    people = [person(nationality, **said) for said, _, nationality in drawn]
    heard = {each.citizen_id: answer for each, (_, answer, _) in zip(people, drawn, strict=True) if answer and each.citizen_id}
    found = agree(people, heard)
    assert found == agree(reversed(people), heard)
    assert 0 <= found.reached_in_both <= found.reached <= len(people)
    assert sum(found.disagreements.values()) <= len(heard)
    for each in people:
        contact = each.state.get(Axis.CONTACT)
        if is_reached(each):
            assert contact is not None
            assert contact.stands.claim in {Claim.CONTACT_MADE, Claim.VERIFIED}
            assert Axis.CONDITION not in each.state or each.state[Axis.CONDITION].stands.value != "dead"


@pytest.mark.parametrize(
    ("said", "answer", "wrong"),
    [
        ({"condition": ("dead", Claim.REPORTED)}, Answered(False, safe_at=T0 + timedelta(hours=1)), Disagreement.DEAD_BUT_ANSWERED),
        ({"condition": ("dead", Claim.REPORTED)}, Answered(False, safe_at=T0 - timedelta(hours=1)), None),
        ({"contact": ("contact_made", Claim.CONTACT_MADE)}, Answered(True, help_at=T0), Disagreement.REACHED_BUT_NEEDS_HELP),
        ({"contact": ("reported", Claim.REPORTED)}, Answered(True, help_at=T0), None),
        ({"contact": ("unaccounted", Claim.REPORTED)}, Answered(False, None, T0, T0), Disagreement.UNACCOUNTED_BUT_REACHED),
        ({"contact": ("reported_missing", Claim.REPORTED)}, Answered(False, None, T0), Disagreement.UNACCOUNTED_BUT_SAYS_SAFE),
        ({"contact": ("unaccounted", Claim.REPORTED)}, Answered(True, help_at=T0), None),
        ({"place": ("home", Claim.REPORTED)}, Answered(False, None, T0), None),
    ],
)
def test_what_cannot_both_be_true(said: dict[str, Any], answer: Answered, wrong: Disagreement | None) -> None:
    assert disagreement_of(person(**said), answer) is wrong


# -- on the sheet -----------------------------------------------------------------------------------------------------------------


def test_the_safe_are_those_whom_somebody_reached_each_once(session: Session, keyring: Keyring, incident: Incident) -> None:
    both = says(session, keyring, incident, Answer.SAFE, is_reached=True)
    says(session, keyring, incident, Answer.SAFE, is_reached=True)
    says(session, keyring, incident, Answer.SAFE)
    make_person(session, keyring, incident, REACHED, citizen_external_id=both.external_id)
    make_person(session, keyring, incident, REACHED)
    make_person(session, keyring, incident, REACHED, nationality="foreign_family")
    make_person(session, keyring, incident, REACHED, statement("condition", "dead"))
    make_person(session, keyring, incident, statement("contact", "contact_made"))
    body = report_body(line("safe", 5, places=["TR-31"]))
    file_report(session, actor=make_actor(session, "mission_staff"), incident_id=incident.id, command=ReportIn.model_validate(body))
    safe = named(load_sheet(session, incident), "safe")
    assert (safe.tally, safe.named, safe.answered, safe.difference) == (5, 2, 1, 2)


def test_records_that_do_not_agree_are_shown_with_their_number(session: Session, keyring: Keyring, incident: Incident) -> None:
    for_help = says(session, keyring, incident, Answer.NEED_HELP)
    safe = says(session, keyring, incident, Answer.SAFE)
    make_person(session, keyring, incident, REACHED, citizen_external_id=for_help.external_id)
    make_person(session, keyring, incident, statement("contact", "unaccounted"), citizen_external_id=safe.external_id)
    then = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    sheet = load_sheet(session, incident)
    assert {each.key: each.people for each in sheet.agreement.disagreements} == {
        "reached_but_needs_help": 1,
        "unaccounted_but_says_safe": 1,
    }
    assert (sheet.agreement.need_help, sheet.agreement.help_cases) == (1, 1)
    again(session, keyring, incident, for_help, Answer.SAFE, is_reached=True)
    again(session, keyring, incident, safe, Answer.SAFE, is_reached=True)
    after = load_sheet(session, incident)
    assert {each.key: each.people for each in after.agreement.disagreements} == {"unaccounted_but_reached": 1}
    assert (after.agreement.need_help, after.agreement.help_cases) == (0, 0)
    past = load_sheet(session, incident, Asked(as_of=then, known_at=then))
    assert past.agreement.disagreements == sheet.agreement.disagreements
    assert past.agreement.help_cases is None


def test_families_stand_on_the_sheet_as_what_they_are(session: Session, keyring: Keyring, incident: Incident) -> None:
    assert load_sheet(session, incident).agreement.families.calls == 0
    make_enquiry(session, keyring, incident)
    make_enquiry(session, keyring, incident, caller_phone="+62 813 1111 111")
    sheet = load_sheet(session, incident)
    asking = sheet.agreement.families
    assert (asking.people, asking.calls, asking.waiting) == (2, 2, 2)
    assert (sheet.contact.missing, sheet.contact.unaccounted, sheet.named) == (None, None, [])
