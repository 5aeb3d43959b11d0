"""What is dear to count is counted once for all who ask; everything else of a sheet is of now."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel
from alerts.incidents.actions import change_incident
from alerts.incidents.queries import incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import SYSTEM
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.live.actions import refresh
from alerts.live.models import LiveState
from alerts.live.queries import Asked, load_sheet
from alerts.live.schemas import AnswerSheet
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import OPENER, REPORT_DUE, SYRIA, make_incident
from tests.factories.reports import line, report_body


def test_what_is_dear_to_count_is_as_old_as_the_last_count_and_what_staff_filed_is_of_now(session: Session, keyring: Keyring) -> None:
    incident = make_incident(session)
    member = make_member(session, incident, make_citizen(session, keyring))
    refresh(session, incident.id, no_more_often=timedelta(0))
    state = session.get_one(LiveState, incident.id)
    assert state.counted is not None
    state.counted = state.counted | {"took_seconds": 0.0}

    def sheet() -> AnswerSheet:
        session.commit()
        return load_sheet(session, incident)

    def claim() -> None:
        said = NewCheckin(incident.id, member.citizen_id, Answer.SAFE, Channel.LINK, member.id)
        record_checkin(session, actor=SYSTEM, keyring=keyring, new=said)

    claim()
    assert sheet().contact.safe == 1, "counting was quick: it is counted for each who asks"
    state.counted = state.counted | {"took_seconds": 5.0}
    kept = sheet()
    assert kept.contact.safe == 0
    assert kept.counted_at == datetime.fromisoformat(state.counted["counted_at"])
    said_now = report_body(line("dead", "asked_none_reported"), source="ministry", as_of=db_now(session).isoformat())
    command = ReportIn.model_validate(said_now)
    file_report(session, actor=OPENER, incident_id=incident.id, command=command)
    assert "belum ada laporan" in sheet().sentence.id
    assert load_sheet(session, incident, Asked(known_at=db_now(session))).contact.safe == 1, "a moment is counted for itself"
    refresh(session, incident.id, no_more_often=timedelta(0))
    assert sheet().contact.safe == 1
    state.counted = state.counted | {"took_seconds": 5.0, "counted_at": (db_now(session) - timedelta(minutes=5)).isoformat()}
    claim()
    assert sheet().counted_at is not None
    assert sheet().counted_at != datetime.fromisoformat(state.counted["counted_at"]), "nobody renews it any more"


def test_a_count_of_other_ground_or_of_fewer_messages_is_not_used_however_dear_counting_is(session: Session, keyring: Keyring) -> None:
    incident = make_incident(session)
    make_citizen(session, keyring)
    member = make_member(session, incident, make_citizen(session, keyring))

    def kept() -> AnswerSheet:
        refresh(session, incident.id, no_more_often=timedelta(0))
        state = session.get_one(LiveState, incident.id)
        assert state.counted is not None
        state.counted = state.counted | {"took_seconds": 5.0}
        session.commit()
        return load_sheet(session, incident)

    assert _people(kept()) > 0
    elsewhere = IncidentChange.model_validate({"areas": [SYRIA]})
    change_incident(
        session, actor=OPENER, incident_id=incident.id, command=elsewhere, if_match=incident_etag(incident), report_due=REPORT_DUE
    )
    session.commit()
    assert _people(load_sheet(session, incident)) == 0, "nobody lives there"
    counted_at = kept().counted_at
    assert load_sheet(session, incident).counted_at == counted_at
    session.execute(update(Broadcast).where(Broadcast.id == member.broadcast_id).values(released_at=func.now()))
    session.commit()
    assert load_sheet(session, incident).counted_at != counted_at, "a message was released since"


def _people(sheet: AnswerSheet) -> int:
    assert sheet.registered is not None
    return sheet.registered.people
