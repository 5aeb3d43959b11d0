"""The minister's digest: when it is sent, to whom, and that nothing goes out by text that may not be said in public."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from alerts.channels.texts import Encoding, measure
from alerts.incidents.models import Incident, IncidentArea
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.live.actions import refresh
from alerts.live.briefing.actions import draft, publish
from alerts.live.digests import KIND, list_due, note_changed, tell
from alerts.live.rules.digest import CHARACTERS, LOOK, NEUTRAL, Reason, reasons_between, text_of
from alerts.live.rules.facts import MissionFacts
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet
from alerts.notices.messages import with_address
from alerts.notices.rules import ready_text
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.staff.rules import Role
from alerts.statements.schemas import Hotline, StatementIn
from tests.factories.incidents import OPENER, make_incident
from tests.factories.notices import make_reachable
from tests.factories.reports import Filing, incident_facts, line, report_body
from tests.factories.staff import make_actor

T0 = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def all_channels(_: str) -> frozenset[str]:
    return frozenset({"sms", "whatsapp", "push", "voice", "email"})


def sheet_of(*lines: dict[str, Any], title: str = "Gempa uji", status: str = "Actual", **body: Any) -> AnswerSheet:
    filing = Filing()
    if lines or body:
        filing.file(report_body(*lines, source="ministry", as_of=T0.isoformat(), **body))
    return build_sheet(
        filing.facts(incident_facts(title=title, status=status, opened_at=T0, occurred_at=T0)), T0 + timedelta(hours=2), LATER
    )


def sheet_with_office(value: object) -> AnswerSheet:
    """As the embassy in Ankara reports of its house."""
    filing = Filing()
    filing.file(report_body(source="mission:kbri-ankara", as_of=T0.isoformat(), mission_status={"office": value, "staff_reached": 1}))
    ankara = MissionFacts("kbri-ankara", "KBRI Ankara", "accreditation", False, ("TR",), None)
    facts = filing.facts(incident_facts(opened_at=T0, occurred_at=T0), [ankara])
    return build_sheet(facts, T0 + timedelta(hours=2), LATER)


def test_the_first_victim_is_told_once_and_a_death_every_time_it_changes() -> None:
    nobody, hurt, more = sheet_of(), sheet_of(line("injured", 2)), sheet_of(line("injured", 5))
    assert reasons_between(None, nobody) == {Reason.OPENED}
    assert reasons_between(nobody, hurt) == {Reason.FIRST_VICTIM}
    assert reasons_between(hurt, more) == set()
    dead, two = sheet_of(line("injured", 5), line("dead", 1)), sheet_of(line("injured", 5), line("dead", 2))
    assert reasons_between(more, dead) == {Reason.OWN_DEATH}
    assert reasons_between(dead, two) == {Reason.OWN_DEATH}
    assert reasons_between(two, two) == set()


ADDRESSES = st.sampled_from(["http://127.0.0.1:8000", "https://siaga.kemlu.go.id", "https://" + "peringatan." * 9 + "example"])


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from(["asked_none_reported", "asked_no_answer", None]),
    st.text(max_size=80),
    st.sampled_from(["Actual", "Exercise"]),
    ADDRESSES,
)
def test_a_digest_is_one_message_of_160_characters_as_it_goes_out_whatever_the_title(
    injured: int, lost: int, dead: str | None, title: str, status: str, address: str
) -> None:
    lines = [line("injured", injured), line("unaccounted", lost), *([line("dead", dead)] if dead else [])]
    sheet = sheet_of(*lines, title=title, status=status)
    link = f"{address}{'/exercise' if status == 'Exercise' else ''}/incidents/{uuid4()}/minister"
    said = text_of(sheet, {Reason.PROMISED}, is_quiet=False)
    for words in (said, LOOK, NEUTRAL):
        for body in (words.id, words.en):
            ready = ready_text(body, status=status)
            for sent in (ready, with_address(ready, link, kind=KIND)):
                size = measure(sent)
                assert (size.encoding, size.segments) == (Encoding.GSM7, 1), sent
                assert len(sent) <= CHARACTERS
                assert sent.startswith(ready), "nothing of what is said is cut"
    assert f"WNI luka {injured:,}".replace(",", ".") in said.id
    assert ("belum ada laporan WNI meninggal" in said.id) is (dead == "asked_none_reported")


def test_the_address_goes_along_where_there_is_room() -> None:
    link = "https://siaga.kemlu.go.id/incidents/0199a0b1-0000-7000-8000-000000000000/minister"
    assert with_address(LOOK.id, link, kind=KIND) == f"{LOOK.id} {link}"
    assert with_address("x" * 120, link, kind="approval").endswith(link), "a page's address is never left out"


@pytest.mark.parametrize("value", [1, 3])
def test_a_possible_death_never_goes_by_text(value: int) -> None:
    before, after = sheet_of(line("injured", 2)), sheet_of(line("injured", 2), line("dead", value))
    reasons = reasons_between(before, after)
    assert text_of(after, reasons, is_quiet=False) == LOOK
    later = text_of(after, {Reason.PROMISED}, is_quiet=False)
    assert "meninggal" not in later.id
    assert "dead" not in later.en
    assert "death" not in later.en


def test_a_quiet_incident_says_nothing_on_a_locked_phone() -> None:
    assert text_of(sheet_of(line("injured", 2)), {Reason.FIRST_VICTIM}, is_quiet=True) == NEUTRAL


@pytest.fixture
def minister(session: Session, keyring: Keyring) -> object:
    return make_reachable(session, keyring, "minister", "phone", "push")


def test_a_minister_with_whatsapp_is_told_there_too(session: Session, keyring: Keyring) -> None:
    make_reachable(session, keyring, "minister", "whatsapp", "phone")
    incident = make_incident(session)
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    told(session, incident)
    said = dict(notices(session))
    assert set(said) == {"sms", "whatsapp"}
    assert said["whatsapp"] == said["sms"]


def file(session: Session, incident: Incident, *lines: dict[str, Any]) -> None:
    body = report_body(*lines, source="ministry", as_of=db_now(session).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()


def told(session: Session, incident: Incident) -> set[Reason]:
    reasons = tell(session, incident.id, configured=all_channels, every_seconds=3600)
    session.commit()
    return reasons


def notices(session: Session) -> list[tuple[str, str]]:
    return [tuple(row) for row in session.execute(text("SELECT channel, body FROM notice WHERE kind = 'digest' ORDER BY id"))]


def pass_time(session: Session, *, minutes: int) -> None:
    back = f"interval '{minutes} minutes'"
    session.execute(text(f"UPDATE digest_state SET told_at = told_at - {back}, next_at = next_at - {back}"))
    session.commit()


def test_told_at_opening_on_the_list_and_at_the_promised_time(session: Session, minister: object) -> None:
    incident = make_incident(session, severity="Severe")
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    assert list_due(session) == [incident.id]
    assert told(session, incident) == {Reason.OPENED}
    assert {channel for channel, _ in notices(session)} == {"sms", "push"}, "no call: nobody need answer"
    assert list_due(session) == []
    assert told(session, incident) == set()
    file(session, incident, line("injured", 3))
    assert told(session, incident) == set(), "too soon after the last"
    assert list_due(session) == [incident.id], "and not forgotten"
    pass_time(session, minutes=2)
    assert told(session, incident) == {Reason.FIRST_VICTIM}
    pass_time(session, minutes=61)
    assert told(session, incident) == {Reason.PROMISED}
    assert len(notices(session)) == 6


def test_a_level_and_a_mission_that_is_hit_are_told(session: Session, minister: object) -> None:
    incident = make_incident(session)
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    told(session, incident)
    pass_time(session, minutes=2)
    session.execute(update(IncidentArea).values(siaga_level="I", level_basis="minister", level_set_by="x", level_set_at=db_now(session)))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    assert told(session, incident) == {Reason.LEVEL_CHANGED}
    assert "Siaga I" in notices(session)[-1][1]
    body = report_body(source="mission:kbri-ankara", as_of=db_now(session).isoformat(), mission_status={"office": "hit"})
    head = make_actor(session, Role.HEAD_OF_MISSION, mission_code="kbri-ankara")
    file_report(session, actor=head, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    pass_time(session, minutes=2)
    assert told(session, incident) == {Reason.MISSION_HIT}


@pytest.mark.parametrize(
    "typed", ["not_working", "NOT_WORKING ", "partly", "tidak berfungsi", "Berfungsi sebagian", "not working", False, "hit", "-", "rusak"]
)
def test_a_house_that_cannot_be_used_is_a_hit_however_it_was_typed(typed: object) -> None:
    before, after = (sheet_with_office(office) for office in ("working", typed))
    assert reasons_between(before, after) == {Reason.MISSION_HIT}
    assert reasons_between(after, after) == set()


@pytest.mark.parametrize("typed", ["working", "berfungsi", "not_known", "belum diketahui", True, None, ""])
def test_a_house_that_works_or_of_which_nothing_is_known_is_no_hit(typed: object) -> None:
    assert reasons_between(sheet_with_office("working"), sheet_with_office(typed)) == set()


def test_an_exercise_says_so_and_a_replay_tells_nobody(session: Session, minister: object) -> None:
    exercise = make_incident(session, status="Exercise")
    replay = make_incident(session, is_replayed=True)
    session.commit()
    for incident in (exercise, replay):
        refresh(session, incident.id, no_more_often=timedelta(0))
        session.commit()
    assert told(session, replay) == set()
    assert told(session, exercise) == {Reason.OPENED}
    assert all(body.startswith("LATIHAN") for _, body in notices(session))


def test_only_ministers_are_told(session: Session, keyring: Keyring) -> None:
    for role in (Role.DUTY_OFFICER, Role.APPROVER):
        make_reachable(session, keyring, role, "phone")
    incident = make_incident(session)
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    assert told(session, incident) == {Reason.OPENED}
    assert notices(session) == []


def publish_brief(session: Session, incident: Incident) -> None:
    writer = make_actor(session, Role.PUBLIC_INFORMATION)
    command = StatementIn(clauses=["as_of", "injured", "appeal"], hotlines=[Hotline(name="KBRI Ankara", number="+90 532 135 2298")])
    made = draft(session, actor=writer, incident=incident, command=command)
    # A hotline is typed words: whoever wrote them does not publish them.
    publish(session, actor=make_actor(session, Role.PUBLIC_INFORMATION), statement_id=made.id)
    session.commit()


def test_whoever_hears_of_a_change_may_die_before_telling(session: Session, minister: object) -> None:
    incident = make_incident(session)
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    told(session, incident)
    pass_time(session, minutes=2)
    file(session, incident, line("injured", 3))
    note_changed(session, {incident.id})
    session.commit()
    assert list_due(session) == [incident.id], "the event is answered, and what it was about still waits"
    assert told(session, incident) == {Reason.FIRST_VICTIM}
    assert list_due(session) == []


def test_a_published_figure_that_changed_is_told_once(session: Session, keyring: Keyring, minister: object) -> None:
    incident = make_incident(session)
    file(session, incident, line("injured", 3))
    told(session, incident)
    publish_brief(session, incident)
    pass_time(session, minutes=2)
    assert told(session, incident) == set()
    file(session, incident, line("injured", 5))
    assert told(session, incident) == {Reason.PUBLISHED_FIGURE}
    pass_time(session, minutes=2)
    session.execute(text("UPDATE statement SET stale_at = stale_at - interval '2 minutes' WHERE stale_at IS NOT NULL"))
    session.commit()
    assert told(session, incident) == set()
