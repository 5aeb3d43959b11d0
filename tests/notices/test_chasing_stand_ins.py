"""Whoever stands in for a mission is asked in its place, and what was filed in a merged incident counts in the one that goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alerts.incidents.actions import change_incident
from alerts.incidents.merging import merge_incident
from alerts.incidents.queries import claim_incident, incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.db import begin
from alerts.kit.errors import ConflictError, NotFoundError
from alerts.reports.chasing import actions
from alerts.reports.chasing.board import board_of
from alerts.reports.chasing.clock import pace_of
from alerts.reports.chasing.queries import IS_ASKED
from alerts.reports.chasing.rules import Basis, Chaser
from alerts.reports.chasing.schemas import CoverIn
from tests.factories.incidents import HATAY, OPENER, SYRIA
from tests.notices.conftest import Office
from tests.notices.test_chasing import ANKARA, DAMASCUS, asked, clock, later, open_pages, opened, overdue, owed, report, say, words

People = Callable[..., Any]


@pytest.mark.usefixtures("embassy")
def test_the_mission_that_covers_another_is_asked_instead_and_released_afterwards(office: Office, people: People) -> None:
    incident_id = opened(office)
    asked(office)
    people("mission_staff", mission_code=DAMASCUS)
    say(office, actions.cover, incident_id, command=CoverIn(mission_code=DAMASCUS, reason="KBRI terkena"))
    assert clock(office) == 0, "its own first report is not due yet"
    assert owed(office, incident_id).state is Chaser.COVERED
    assert owed(office, incident_id, DAMASCUS).involved.places == owed(office, incident_id).involved.places
    overdue(office, incident_id)
    clock(office)
    assert [page["mission_code"] for page in open_pages(office)] == [DAMASCUS]
    report(office, incident_id, mission=DAMASCUS)
    assert clock(office) == 0
    with pytest.raises(ConflictError):
        say(office, actions.cover, incident_id, mission=DAMASCUS, command=CoverIn(mission_code=ANKARA, reason="lingkaran"))
    say(office, actions.resume, incident_id)
    clock(office)
    assert [page["mission_code"] for page in open_pages(office)] == [ANKARA]
    with pytest.raises(NotFoundError):
        owed(office, incident_id, DAMASCUS)


@pytest.mark.usefixtures("embassy")
def test_a_cover_by_word_outlives_a_change_of_the_areas(office: Office) -> None:
    incident_id = opened(office)
    say(office, actions.cover, incident_id, command=CoverIn(mission_code=DAMASCUS, reason="KBRI terkena"))
    with begin(office.sessions) as session:
        etag = incident_etag(claim_incident(session, incident_id, OPENER))
        change = IncidentChange.model_validate({"areas": [HATAY, {"kind": "province", "code": "TR-01"}]})
        change_incident(session, actor=OPENER, incident_id=incident_id, command=change, if_match=etag, report_due=timedelta(minutes=5))
    assert owed(office, incident_id, DAMASCUS).involved.is_by_word


@pytest.mark.usefixtures("embassy")
def test_a_mission_whose_stand_in_left_the_incident_is_asked_itself_again(office: Office) -> None:
    """The stand-in was there by an area of its own; the area goes, and it with it."""
    incident_id = opened(office, areas=[HATAY, SYRIA])
    say(office, actions.cover, incident_id, command=CoverIn(mission_code=DAMASCUS, reason="KBRI terkena"))
    with begin(office.sessions) as session:
        etag = incident_etag(claim_incident(session, incident_id, OPENER))
        change = IncidentChange.model_validate({"areas": [HATAY]})
        change_incident(session, actor=OPENER, incident_id=incident_id, command=change, if_match=etag, report_due=timedelta(minutes=5))
    assert clock(office) == 1
    assert [page["mission_code"] for page in open_pages(office)] == [ANKARA]
    assert owed(office, incident_id).state is Chaser.CHASING
    assert words(office, incident_id) == ["covered", "resumed", "chased"]
    assert clock(office) == 1
    assert words(office, incident_id) == ["covered", "resumed", "chased"], "it is written down once"


@pytest.mark.usefixtures("embassy")
def test_what_was_filed_in_a_merged_incident_counts_in_the_one_that_goes_on(office: Office) -> None:
    theirs, ours = opened(office), opened(office, title="Gempa Hatay")
    report(office, theirs, next_report_at=later(hours=2).isoformat())
    assert clock(office) == 1, "in the other one it still owes its first"
    with begin(office.sessions) as session:
        merge_incident(session, actor=OPENER, incident_id=theirs, into=ours, reason="sama", report_due=timedelta(minutes=5))
    assert clock(office) == 0
    assert open_pages(office) == []
    assert owed(office, ours).state is Chaser.WAITING
    with begin(office.sessions) as session:
        board = board_of(session, OPENER, pace_of(office.settings), IS_ASKED)
        [row] = [each for each in board.items if each.mission_code == ANKARA]
        assert (row.incident_id, row.reports, row.due_basis) == (ours, 1, Basis.PROMISED)
        assert row.completeness.axes["condition"]
    report(office, ours)
    with begin(office.sessions) as session:
        [row] = [each for each in board_of(session, OPENER, pace_of(office.settings), IS_ASKED).items if each.mission_code == ANKARA]
        assert row.reports == 2
