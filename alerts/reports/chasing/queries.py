"""Named reads of chasing: what every involved mission owes in open incidents, and the words that were said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident, IncidentMission
from alerts.incidents.queries import merged_under
from alerts.incidents.rules import State, Status, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import NotFoundError
from alerts.reports.chasing.models import ChaseWord
from alerts.reports.chasing.rules import Chaser, Clock, Filed, Pace, Said, Standing, chaser_of, clock_of, standing_of
from alerts.reports.models import Report
from alerts.staff.queries import names_of

Key = tuple[UUID, str]
"""An incident and a mission's code."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What one mission owes in one incident, and where its chasing stands."""

    incident: Incident
    involved: IncidentMission
    clock: Clock | None
    standing: Standing
    state: Chaser

    @property
    def key(self) -> Key:
        return self.involved.incident_id, self.involved.mission_code

    @property
    def chased_as(self) -> tuple[Status, str]:
        """Whose one page this belongs to: exercises have their own."""
        return self.incident.status, self.involved.mission_code


IS_ASKED = and_(Incident.state == State.OPEN, Incident.is_replayed.is_(False))
"""Incidents whose missions are asked. Of a replayed crisis nobody is: it is over."""


def list_owed(session: Session, pace: Pace, now: datetime, *conditions: ColumnElement[bool]) -> list[Owed]:
    """What every mission owes in these incidents, oldest incident first."""
    query = (
        select(Incident, IncidentMission)
        .join(IncidentMission, IncidentMission.incident_id == Incident.id)
        .where(IncidentMission.left_at.is_(None), Incident.is_synthetic.is_(False), *conditions)
        .order_by(Incident.id, IncidentMission.mission_code)
    )
    rows = [(incident, involved) for incident, involved in session.execute(query.execution_options(populate_existing=True))]
    ids = {incident.id for incident, _ in rows}
    filed, words = filed_by_mission(session, ids), words_by_mission(session, ids)
    return [_owed(incident, involved, filed, words, pace=pace, now=now) for incident, involved in rows]


def get_owed(session: Session, key: Key, *, actor: Actor, pace: Pace) -> Owed:
    """What this mission owes in this incident; NotFoundError for one that is not in it, or not the actor's to see."""
    incident_id, mission_code = key
    is_own = not is_bound_to_mission(actor) or actor.mission_code == mission_code
    here = (Incident.id == incident_id, IncidentMission.mission_code == mission_code)
    found = list_owed(session, pace, db_now(session), *here) if is_own else []
    if not found:
        raise NotFoundError("mission_not_involved", "This mission is not involved in this incident.")
    return found[0]


def covers_of(session: Session, incident_id: UUID) -> dict[str, str]:
    """Which missions of an incident others stand in for now: mission → who covers it."""
    standings = {code: standing_of(words, None) for (_, code), words in words_by_mission(session, [incident_id]).items()}
    return {code: each.cover.covered_by for code, each in standings.items() if each.cover and each.cover.covered_by}


def covered_by(session: Session, incident_ids: Iterable[UUID]) -> dict[Key, list[str]]:
    """For which missions of these incidents each one stands in now."""
    ids = list(incident_ids)
    words = words_by_mission(session, ids)
    here = select(IncidentMission).where(IncidentMission.incident_id.in_(ids), IncidentMission.left_at.is_(None))
    found: dict[Key, list[str]] = defaultdict(list)
    for row in session.scalars(here.order_by(IncidentMission.mission_code)):
        cover = standing_of(words.get((row.incident_id, row.mission_code), ()), None).cover
        if cover and cover.covered_by:
            found[row.incident_id, cover.covered_by].append(row.mission_code)
    return found


def filed_by_mission(session: Session, incident_ids: Iterable[UUID]) -> Mapping[Key, list[Filed]]:
    """The reports of missions in these incidents and in those merged into them, as far as clocks are concerned."""
    found: dict[Key, list[Filed]] = defaultdict(list)
    read_in = merged_under(session, incident_ids)
    columns = (Report.incident_id, Report.mission_code, Report.known_at, Report.next_report_at)
    query = select(*columns).where(Report.incident_id.in_(read_in), Report.mission_code.is_not(None))
    for row in session.execute(query):
        for incident_id in read_in[row.incident_id]:
            found[incident_id, row.mission_code].append(Filed(row.known_at, row.next_report_at))
    return found


def words_by_mission(session: Session, incident_ids: Iterable[UUID], *, known_at: datetime | None = None) -> Mapping[Key, list[Said]]:
    """What was said of each mission's clock by `known_at` (default: all), oldest first."""
    found: dict[Key, list[Said]] = defaultdict(list)
    query = select(ChaseWord).where(ChaseWord.incident_id.in_(list(incident_ids)))
    if known_at is not None:
        query = query.where(ChaseWord.known_at <= known_at)
    for row in session.scalars(query.order_by(ChaseWord.id)):
        found[row.incident_id, row.mission_code].append(said_of(row))
    return found


def said_by_name(session: Session, incident_id: UUID, known_at: datetime) -> dict[str, list[Said]]:
    """What was said of each mission's clock in one incident, with the name of whoever said it."""
    found = words_by_mission(session, [incident_id], known_at=known_at)
    keys = {said.by for words in found.values() for said in words if said.by}
    ids = {key: UUID(key.removeprefix("staff:")) for key in keys if key.startswith("staff:")}
    names = names_of(session, ids.values())
    return {code: [replace(said, by=_name(said.by, ids, names)) for said in words] for (_, code), words in found.items()}


def _name(key: str | None, ids: Mapping[str, UUID], names: Mapping[UUID, str]) -> str | None:
    return names.get(ids[key], key) if key and key in ids else key


def said_of(row: ChaseWord) -> Said:
    """A stored word as the rules read it."""
    names = Said.__dataclass_fields__
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    return Said(**values)


def _owed(
    incident: Incident,
    involved: IncidentMission,
    filed: Mapping[Key, list[Filed]],
    words: Mapping[Key, list[Said]],
    *,
    pace: Pace,
    now: datetime,
) -> Owed:
    key = (incident.id, involved.mission_code)
    own = filed.get(key, [])
    clock = clock_of(involved.report_due_at, own, pace.every(incident.severity), longest=pace.longest(incident.severity))
    standing = standing_of(words.get(key, ()), max((each.known_at for each in own), default=None))
    is_asked = incident.state is State.OPEN and not incident.is_replayed
    return Owed(incident, involved, clock, standing, chaser_of(clock, standing, now) if is_asked else Chaser.NONE)
