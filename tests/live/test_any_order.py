"""Whatever is done in whatever order: the sheet kept step by step is the one computed from scratch, and no old answer changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel
from alerts.incidents.actions import change_incident, close_incident, reopen_incident
from alerts.incidents.merging import merge_incident
from alerts.incidents.models import IncidentArea
from alerts.incidents.queries import get_incident, incident_etag, with_merged
from alerts.incidents.schemas import IncidentChange
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import AppError
from alerts.live.actions import refresh
from alerts.live.queries import Asked, latest_snapshot, load_sheet, minute_series, sheet_of
from alerts.live.rules.changes import content_hash, content_of, main_figures
from alerts.live.schemas import AnswerSheet
from alerts.people.actions import add_statement, open_person, withdraw_statement
from alerts.people.models import Person, PersonStatement
from alerts.people.schemas import PersonIn, StatementIn, WithdrawalIn
from alerts.reports.actions import confirm_lines, file_report, resolve_conflict
from alerts.reports.models import Report, ReportLine
from alerts.reports.schemas import ConflictResolve, LinesConfirm, ReportIn
from alerts.settings import Settings
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import HATAY, OPENER, REPORT_DUE, TURKEY, make_incident
from tests.factories.people import statement
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor

STEPS = 14
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WHERE = st.sampled_from([("TR",), ("TR-31",), ("TR", "TR-31"), ("SY",)])
WHAT = st.sampled_from(["dead", "injured", "seriously_injured", "safe", "evacuated", "unaccounted", "registered"])
VALUE = st.sampled_from([1, 2, 12, 21, 300, "asked_none_reported", "not_asked", "belasan", 0, -1])
SOURCE = st.sampled_from(["mission:kbri-ankara", "mission:kjri-istanbul", "ministry", "host_state", "media"])
HOUR = st.integers(0, 30)
WHICH = st.integers(0, 50)
SAID = st.sampled_from([("condition", "dead"), ("condition", "unhurt"), ("contact", "unaccounted"), ("contact", "contact_made")])
PAST_HAS_NO = {"help_cases"}
"""A call for help may come to an incident later: the past does not say how many there were."""


@dataclass
class World:
    """What lasts from one example to the next."""

    settings: Settings
    sessions: Sessions
    actors: dict[str, Any] = field(default_factory=dict)

    def populate(self) -> None:
        with begin(self.sessions) as session:
            for source, role, code in (
                ("mission:kbri-ankara", "mission_staff", "kbri-ankara"),
                ("mission:kjri-istanbul", "mission_staff", "kjri-istanbul"),
                ("ministry", "duty_officer", None),
            ):
                self.actors[source] = make_actor(session, role, mission_code=code)

    def actor(self, source: str) -> Any:
        return self.actors.get(source, self.actors["ministry"])


class Sheets(RuleBasedStateMachine):
    """One incident, everything that may be said in it, and all that was ever answered. `world` is set by the test."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.answered: list[tuple[datetime, dict[str, Any]]] = []

    @initialize(is_replayed=st.booleans())
    def it_begins(self, is_replayed: bool) -> None:
        with begin(self.world.sessions) as session:
            incident = make_incident(session, areas=[TURKEY, HATAY], is_replayed=is_replayed)
            people = [make_citizen(session, self.world.settings.keyring) for _ in range(3)]
            for person in people:
                make_member(session, incident, person)
        self.incident_id, self.people, self.is_replayed = incident.id, people, is_replayed
        self.look()

    # -- reports ------------------------------------------------------------------------------------------------------

    @rule(source=SOURCE, what=WHAT, value=VALUE, where=WHERE, hour=HOUR, how=st.booleans())
    def files(self, source: str, what: str, value: Any, where: tuple[str, ...], hour: int, how: bool) -> None:
        self._file(source, hour, line(what, value, places=where, how="ditanya" if how else None))

    @rule(source=SOURCE, hour=HOUR, parts=st.tuples(st.integers(1, 9), st.integers(1, 9)), whole=st.integers(1, 18))
    def files_parts(self, source: str, hour: int, parts: tuple[int, int], whole: int) -> None:
        """They do not sum, more often than not."""
        lines = [line("evacuated", part, kind="of_which", of="evacuated", words=f"rombongan {at}") for at, part in enumerate(parts)]
        self._file(source, hour, line("evacuated", whole), *lines)

    @rule(source=SOURCE, hour=HOUR, own=st.integers(1, 20), foreign=st.integers(1, 9), gap=st.integers(0, 3))
    def checks_nationality(self, source: str, hour: int, own: int, foreign: int, gap: int) -> None:
        self._file(source, hour, line("evacuated", own + foreign - gap, nationality="mixed"))
        foreigners = line("evacuated", foreign, nationality="foreign_helped")
        self._file(source, hour + 2, line("evacuated", own, how="paspor diperiksa"), foreigners)

    @rule(which=WHICH, hour=HOUR, value=VALUE)
    def supersedes(self, which: int, hour: int, value: Any) -> None:
        with begin(self.world.sessions) as session:
            report = self._one(session, select(Report).where(Report.incident_id == self.incident_id).order_by(Report.id), which)
            first = session.scalars(select(ReportLine).where(ReportLine.report_id == report.id)).first() if report else None
        if report is not None and first is not None:
            more = {"supersedes": str(report.id), "supersede_reason": "dihitung ulang", "author": report.author}
            self._file(report.source, hour, line(first.category, value, places=first.places), **more)

    @rule(which=WHICH, hour=HOUR)
    def withdraws(self, which: int, hour: int) -> None:
        with begin(self.world.sessions) as session:
            found = self._one(session, self._lines(), which)
        if found is not None:
            back = line(found.category, None, places=found.places, withdraws=str(found.id), withdraw_reason="orang yang sama")
            self._file("ministry", hour, back)

    @rule(which=WHICH)
    def confirms(self, which: int) -> None:
        with begin(self.world.sessions) as session:
            held = self._one(session, self._lines().where(ReportLine.state == "held"), which)
        if held is not None:
            command = LinesConfirm(line_ids=[held.id], reason="memang demikian")
            self._act(confirm_lines, actor=self.world.actor("ministry"), report_id=held.report_id, command=command)

    @rule(which=WHICH)
    def resolves(self, which: int) -> None:
        with begin(self.world.sessions) as session:
            conflicts = self._sheet(session).conflicts
        if conflicts:
            conflict = conflicts[which % len(conflicts)]
            keep = conflict.figures[which % len(conflict.figures)].line_id
            command = ConflictResolve.model_validate({"keep_line_id": keep, "reason": "dihitung di tempat"})
            self._act(resolve_conflict, actor=self.world.actor("ministry"), conflict_id=conflict.id, command=command)

    # -- persons and answers ------------------------------------------------------------------------------------------

    @rule(said=SAID, nationality=st.sampled_from(["own", "unverified", "foreign_family"]), which=st.integers(0, 6))
    def names_somebody(self, said: tuple[str, str], nationality: str, which: int) -> None:
        citizen = self.people[which].external_id if which < len(self.people) else None
        fields = {"incident_id": self.incident_id, "name": "Orang Uji", "nationality": nationality, "citizen_external_id": citizen}
        command = PersonIn.model_validate(fields | {"mission_code": "kbri-ankara", "statements": [statement(*said)]})
        self._act(lambda session, **_: open_person(session, actor=OPENER, keyring=self.world.settings.keyring, command=command))

    @rule(said=SAID, which=WHICH)
    def says_of_somebody(self, said: tuple[str, str], which: int) -> None:
        with begin(self.world.sessions) as session:
            person = self._one(session, select(Person).where(Person.incident_id == self.incident_id).order_by(Person.id), which)
        if person is not None:
            command = StatementIn.model_validate(statement(*said, as_of="2026-01-02T08:00:00Z"))
            keyring = self.world.settings.keyring
            self._act(lambda session, **_: add_statement(session, actor=OPENER, keyring=keyring, person_id=person.id, command=command))

    @rule(which=WHICH)
    def takes_a_statement_back(self, which: int) -> None:
        query = select(PersonStatement).join(Person, Person.id == PersonStatement.person_id)
        query = query.where(Person.incident_id == self.incident_id, PersonStatement.withdraws.is_(None)).order_by(PersonStatement.id)
        with begin(self.world.sessions) as session:
            said = self._one(session, query, which)
        if said is not None:
            command = WithdrawalIn.model_validate({"said_by": "meja konsuler", "reason": "orang lain", "as_of": "2026-01-02T09:00:00Z"})
            of = {"person_id": said.person_id, "statement_id": said.id}
            self._act(lambda session, **_: withdraw_statement(session, actor=OPENER, **of, command=command))

    @rule(who=st.integers(0, 2), answer=st.sampled_from(list(Answer)), channel=st.sampled_from([Channel.LINK, Channel.SMS]))
    def somebody_answers(self, who: int, answer: Answer, channel: Channel) -> None:
        new = NewCheckin(self.incident_id, self.people[who].id, answer, channel)
        self._act(lambda session, **_: record_checkin(session, actor=OPENER, keyring=self.world.settings.keyring, new=new))

    # -- the incident itself ------------------------------------------------------------------------------------------

    @rule()
    def closes(self) -> None:
        self._act(close_incident, actor=self.world.actor("ministry"), reason="selesai")

    @rule()
    def reopens(self) -> None:
        self._act(reopen_incident, actor=self.world.actor("ministry"), reason="belum selesai")

    @rule(value=st.integers(1, 9), hour=HOUR, what=WHAT)
    def merges_another(self, value: int, hour: int, what: str) -> None:
        body = report_body(line(what, value), source="mission:kjri-istanbul", as_of=BEGAN + timedelta(hours=hour))
        with suppress(AppError), begin(self.world.sessions) as session:
            other = make_incident(session, areas=[TURKEY], is_replayed=self.is_replayed)
            actor, officer = self.world.actor("mission:kjri-istanbul"), self.world.actor("ministry")
            file_report(session, actor=actor, incident_id=other.id, command=ReportIn.model_validate(body))
            where = {"incident_id": other.id, "into": self.incident_id}
            merge_incident(session, actor=officer, **where, reason="kejadian yang sama", report_due=REPORT_DUE)

    @rule(title=st.sampled_from(["Gempa Hatay", "Gempa uji"]), severity=st.sampled_from(["Extreme", "Severe"]))
    def renames(self, title: str, severity: str) -> None:
        self._change(title=title, severity=severity)

    @rule(level=st.sampled_from(["I", "II", "III", None]), which=st.integers(0, 1))
    def sets_a_level(self, level: str | None, which: int) -> None:
        with begin(self.world.sessions) as session:
            query = select(IncidentArea).where(IncidentArea.incident_id == self.incident_id, IncidentArea.removed_at.is_(None))
            area = self._one(session, query.order_by(IncidentArea.id), which)
        if area is not None:
            self._change(levels=[{"area_id": area.id, "siaga_level": level, "level_basis": "minister" if level else None}])

    @rule(areas=st.sampled_from([[TURKEY], [HATAY], [TURKEY, HATAY]]))
    def moves(self, areas: list[dict[str, str]]) -> None:
        self._change(areas=areas)

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_sheet_is_the_one_computed_from_scratch(self) -> None:
        self.look()

    def look(self) -> None:
        """Refresh, as the event of the last action would; then compute anew, and ask about now as of a moment that is past later."""
        with begin(self.world.sessions) as session:
            refresh(session, self.incident_id, no_more_often=timedelta(0))
        with begin(self.world.sessions) as session:
            sheet, kept = self._sheet(session), latest_snapshot(session, self.incident_id)
            assert kept is not None
            assert content_hash(content_of(sheet)) == content_hash(content_of(sheet_of(kept)))
            assert {point.figure: point.value for point in minute_series(session, self.incident_id) if point.value is not None} == (
                main_figures(sheet)
            )
            now = db_now(session)
            past = content_of(self._sheet(session, now))
            assert content_hash(of_the_past(past)) == content_hash(of_the_past(content_of(sheet)))
            self.answered.append((now, past))

    def teardown(self) -> None:
        with begin(self.world.sessions) as session:
            for at, answer in self.answered:
                assert content_of(self._sheet(session, at)) == answer, f"asked again as known at {at}"

    # -- by hand ------------------------------------------------------------------------------------------------------

    def _sheet(self, session: Session, at: datetime | None = None) -> AnswerSheet:
        return load_sheet(session, get_incident(session, self.incident_id), Asked(as_of=at, known_at=at))

    def _act(self, action: Any, **arguments: Any) -> None:
        """What its state forbids (a closed incident, a person named twice) is refused, and nothing of it stays."""
        with suppress(AppError), begin(self.world.sessions) as session:
            action(session, incident_id=self.incident_id, **arguments)

    def _file(self, source: str, hour: int, *lines: dict[str, Any], **more: Any) -> None:
        if source in ("host_state", "media"):
            more = {"author": "AFAD"} | {key: value for key, value in more.items() if value is not None}
        body = report_body(*lines, source=source, as_of=BEGAN + timedelta(hours=hour), **more)
        self._act(file_report, actor=self.world.actor(source), command=ReportIn.model_validate(body))

    def _change(self, **fields: Any) -> None:
        def change(session: Session, incident_id: UUID) -> None:
            etag = incident_etag(get_incident(session, incident_id))
            command = IncidentChange.model_validate(fields)
            officer = self.world.actor("ministry")
            change_incident(session, actor=officer, incident_id=incident_id, command=command, if_match=etag, report_due=REPORT_DUE)

        self._act(change)

    def _lines(self) -> Any:
        own = Report.incident_id.in_(with_merged(self.incident_id))
        return select(ReportLine).join(Report, Report.id == ReportLine.report_id).where(own).order_by(ReportLine.id)

    @staticmethod
    def _one(session: Session, query: Any, which: int) -> Any:
        rows = session.scalars(query).all()
        return rows[which % len(rows)] if rows else None


def of_the_past(value: Any) -> Any:
    """A sheet without what the past does not say."""
    if isinstance(value, dict):
        return {key: of_the_past(item) for key, item in value.items() if key not in PAST_HAS_NO}
    return [of_the_past(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("examples", [6, pytest.param(400, marks=pytest.mark.long)])
def test_any_order_of_actions(sessions: Sessions, committed_settings: Settings, examples: int) -> None:
    world = World(committed_settings, sessions)
    world.populate()
    machine = type("Sheets", (Sheets,), {"world": world})
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    profile = hypothesis_settings(max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=quiet)
    run_state_machine_as_test(machine, settings=profile)
