"""Named reads of incidents. What a mission is not involved in does not exist for its staff."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, Uuid, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.incidents.models import Incident, IncidentArea, IncidentList, IncidentListMember, IncidentMission, IncidentPast
from alerts.incidents.rules import State, Status, check_open, is_bound_to_mission
from alerts.incidents.schemas import AreaView, IncidentSummaryView, IncidentView, ListView, MissionView
from alerts.kit.actor import Actor
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging, etag_of
from alerts.places import AreaSpec

Past = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ListCount:
    """A current list of people, how many it names, and how many of them the register does not know."""

    row: IncidentList
    members: int
    unmatched: int


def get_incident(session: Session, incident_id: UUID, actor: Actor | None = None) -> Incident:
    """The incident; 404 when there is none, or none that this actor's mission is involved in."""
    query = select(Incident).where(Incident.id == incident_id)
    if actor is not None:
        query = query.where(visible_to(actor))
    return _found(session.scalars(query).one_or_none())


def statuses_of(session: Session, incident_ids: Iterable[UUID]) -> dict[UUID, Status]:
    """Actual or exercise, of each of these incidents."""
    ids = {*incident_ids}
    query = select(Incident.id, Incident.status).where(Incident.id.in_(ids))
    return {row.id: row.status for row in session.execute(query)} if ids else {}


def get_open_incident(session: Session, incident_id: UUID, actor: Actor | None = None) -> Incident:
    """The incident, locked against closing until this transaction ends; 409 when it is closed."""
    query = select(Incident).where(Incident.id == incident_id).with_for_update(read=True).execution_options(populate_existing=True)
    if actor is not None:
        query = query.where(visible_to(actor))
    incident = _found(session.scalars(query).one_or_none())
    check_open(incident.state)
    return incident


def claim_incident(session: Session, incident_id: UUID, actor: Actor) -> Incident:
    """The incident, locked for change."""
    query = select(Incident).where(Incident.id == incident_id, visible_to(actor)).with_for_update()
    return _found(session.scalars(query.execution_options(populate_existing=True)).one_or_none())


def list_incidents(
    session: Session, actor: Actor, page: Paging, *, state: State | None = None, status: Status | None = None
) -> list[Incident]:
    """Up to `limit + 1` incidents that the actor may see, newest first."""
    query = select(Incident).where(visible_to(actor))
    if page.cursor is not None:
        query = query.where(Incident.id < page.cursor)
    if state is not None:
        query = query.where(Incident.state == state)
    if status is not None:
        query = query.where(Incident.status == status)
    return list(session.scalars(query.order_by(Incident.id.desc()).limit(page.limit + 1)))


def list_open_incidents(session: Session) -> list[Incident]:
    """Every open incident, newest first; for tasks."""
    return list(session.scalars(select(Incident).where(Incident.state == State.OPEN).order_by(Incident.id.desc())))


def list_areas(session: Session, incident_id: UUID) -> list[IncidentArea]:
    """The areas of now, in the order in which they were added."""
    query = select(IncidentArea).where(IncidentArea.incident_id == incident_id, IncidentArea.removed_at.is_(None))
    return list(session.scalars(query.order_by(IncidentArea.id)))


def list_area_specs(session: Session, incident_id: UUID) -> list[AreaSpec]:
    """The ground of now, as the register is asked for it."""
    return [row.spec for row in list_areas(session, incident_id)]


def list_missions(session: Session, incident_id: UUID) -> list[IncidentMission]:
    """The missions that answer for it now. Empty says: none is known."""
    query = select(IncidentMission).where(IncidentMission.incident_id == incident_id, IncidentMission.left_at.is_(None))
    return list(session.scalars(query.order_by(IncidentMission.mission_code)))


def parts_query(incident_ids: Collection[UUID]) -> Select[Any]:
    """`list_missions` of several incidents, as plain columns: incident, mission, places, basis, assumed, part."""
    row = IncidentMission
    columns: list[Any] = [row.incident_id, row.mission_code, row.places, row.basis, row.is_assumed, row.part]
    here = row.incident_id.in_(incident_ids), row.left_at.is_(None)
    return select(*columns).where(*here).order_by(row.incident_id, row.mission_code)


def with_merged(incident_id: UUID, known_at: datetime | None = None) -> Select[Any]:
    """A Select of the ids of an incident and those merged into it by `known_at` (default: now), however many merges deep."""
    this = select(Incident.id).where(Incident.id == incident_id).cte("these", recursive=True)
    found = select(Incident.id).where(Incident.merged_into == this.c.id)
    return select(this.union(found if known_at is None else found.where(Incident.merged_at <= known_at)).c.id)


def merged_under(session: Session, incident_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Each of these incidents and each that was merged into one of them, however deep → in which of these it is read."""
    this = select(Incident.id, Incident.id.label("read_in")).where(Incident.id.in_(list(incident_ids))).cte("these", recursive=True)
    this = this.union(select(Incident.id, this.c.read_in).where(Incident.merged_into == this.c.id))
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for incident_id, read_in in session.execute(select(this.c.id, this.c.read_in)):
        found[incident_id].append(read_in)
    return found


def past_of(session: Session, incident_id: UUID, known_at: datetime) -> Past:
    """What of the incident, its areas and missions was changed after `known_at`, as it was known then.

    By table and by id (of a mission: its code); what is not in it is as it was.
    """
    query = select(IncidentPast.part, IncidentPast.key, IncidentPast.was).ext(distinct_on(IncidentPast.part, IncidentPast.key))
    query = query.where(IncidentPast.incident_id == incident_id, IncidentPast.until > known_at)
    rows = session.execute(query.order_by(IncidentPast.part, IncidentPast.key, IncidentPast.until, IncidentPast.id))
    return {(row.part, row.key): row.was for row in rows}


def find_involvement(session: Session, incident_id: UUID, mission_code: str) -> IncidentMission | None:
    """How this mission is involved now, or None."""
    query = select(IncidentMission).where(
        IncidentMission.incident_id == incident_id,
        IncidentMission.mission_code == mission_code,
        IncidentMission.left_at.is_(None),
    )
    return session.scalars(query).one_or_none()


def list_list_ids(session: Session, incident_id: UUID) -> list[UUID]:
    """Ids of the lists of people in force."""
    query = select(IncidentList.id).where(IncidentList.incident_id == incident_id, IncidentList.removed_at.is_(None))
    return list(session.scalars(query.order_by(IncidentList.id)))


def count_lists(session: Session, incident_id: UUID) -> list[ListCount]:
    """The lists of people in force, with how many they name."""
    member = IncidentListMember
    unknown = func.count(member.external_id).filter(member.citizen_id.is_(None))
    query = (
        select(IncidentList, func.count(member.external_id), unknown)
        .join(member, member.list_id == IncidentList.id, isouter=True)
        .where(IncidentList.incident_id == incident_id, IncidentList.removed_at.is_(None))
        .group_by(IncidentList.id)
        .order_by(IncidentList.id)
    )
    return [ListCount(row, members, unmatched) for row, members, unmatched in session.execute(query)]


def citizens_on_lists(list_ids: Sequence[UUID]) -> Select[Any]:
    """A Select of the citizens whom these lists name, for the choice of an audience."""
    member = IncidentListMember
    return select(member.citizen_id).where(member.list_id.in_(list_ids), member.citizen_id.is_not(None))


def incident_etag(incident: Incident) -> str:
    """Changes with every visible change of the incident itself."""
    return etag_of("incident", incident.id, incident.version)


def present_incident(session: Session, incident: Incident) -> IncidentView:
    """The incident as the wire shows it, with its areas, lists and missions of now."""
    summary = IncidentSummaryView.model_validate(incident)
    return IncidentView(
        **summary.model_dump(),
        quiet_reason=incident.quiet_reason,
        quiet_set_by=incident.quiet_set_by,
        quiet_set_at=incident.quiet_set_at,
        lead_by=incident.lead_by,
        lead_at=incident.lead_at,
        merged_into=incident.merged_into,
        merged_at=incident.merged_at,
        areas=[AreaView.model_validate(row) for row in list_areas(session, incident.id)],
        lists=[_list_view(count) for count in count_lists(session, incident.id)],
        missions=[MissionView.model_validate(row) for row in list_missions(session, incident.id)],
    )


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition on `incident` under which this actor may know of it."""
    if not is_bound_to_mission(actor):
        return Incident.is_synthetic.is_(False)
    return exists().where(
        IncidentMission.incident_id == Incident.id,
        IncidentMission.mission_code == (actor.mission_code or ""),
        IncidentMission.left_at.is_(None),
    )


def is_for_mission(
    mission_code: str, *, citizen_id: SQLColumnExpression[Any], incident_id: SQLColumnExpression[Any]
) -> ColumnElement[bool]:
    """The condition that a citizen, by the registered place, is one for whom this mission answers in the incident."""
    place = func.any(IncidentMission.places)
    return exists().where(
        Citizen.id == citizen_id,
        IncidentMission.incident_id == incident_id,
        IncidentMission.mission_code == mission_code,
        IncidentMission.left_at.is_(None),
        or_(Citizen.province_code == place, Citizen.country_iso2 == place),
    )


def find_citizen_id(
    session: Session, actor: Actor, incident_id: UUID, *, citizen_id: UUID | None = None, external_id: str | None = None
) -> UUID | None:
    """The register's id of a citizen, or None: unknown, or (for staff of a mission) not one of the mission's own."""
    named = Citizen.id == citizen_id if citizen_id is not None else Citizen.external_id == external_id
    query = select(Citizen.id).where(named)
    if is_bound_to_mission(actor):
        this = literal(incident_id, Uuid())
        query = query.where(is_for_mission(actor.mission_code or "", citizen_id=Citizen.id, incident_id=this))
    return session.scalars(query).one_or_none()


def _list_view(count: ListCount) -> ListView:
    row = count.row
    return ListView(
        id=row.id, kind=row.kind, name=row.name, source=row.source, version=row.version,
        members=count.members, unmatched=count.unmatched,
    )  # fmt: skip


def _found(incident: Incident | None) -> Incident:
    if incident is None:
        raise NotFoundError("incident_not_found", "There is no such incident.")
    return incident
