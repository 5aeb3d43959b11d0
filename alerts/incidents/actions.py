"""Use cases of incidents. None commits; each writes its rows, the log and an event in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.incidents import rules
from alerts.incidents.calling_out import call_out, page_ministry
from alerts.incidents.models import Incident, IncidentArea, IncidentList, IncidentListMember, IncidentMission
from alerts.incidents.queries import claim_incident, incident_etag, list_areas, list_missions, present_incident
from alerts.incidents.rules import LevelBasis, Move, SiagaLevel
from alerts.incidents.schemas import AreaIn, IncidentChange, IncidentOpen, LevelIn, ListIn
from alerts.incidents.sms_codes import free_sms_code
from alerts.kit import audit
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.http import check_if_match
from alerts.kit.outbox import publish
from alerts.missions.queries import relations_of, responsible_missions
from alerts.notices.crew.actions import stop_callout
from alerts.notices.hushing import hush
from alerts.places import AreaSpec, touched_places

OWN_FIELDS = ("kind", "title", "urgency", "severity", "certainty", "occurred_at")


@dataclass(slots=True)
class _Change:
    """One PATCH on its way: who, on what, when, and what has been touched so far."""

    actor: Actor
    incident: Incident
    now: datetime
    report_due: timedelta
    touched: dict[str, Any]


def open_incident(session: Session, *, actor: Actor, command: IncidentOpen, report_due: timedelta) -> Incident:
    """Open an incident with its areas, lists and the missions that answer for it; publishes `incident.opened`.

    `report_due` from now the first report of each mission is due. 422: a moment ahead, an unknown code,
    neither area nor list. 403: staff of a mission outside their own district.
    """
    now = db_now(session)
    rules.check_moment(command.occurred_at, now, field="occurred_at")
    rules.check_something_named(command.areas, command.lists)
    own = {name: getattr(command, name) for name in (*OWN_FIELDS, "status", "is_replayed")}
    incident = Incident(**own, opened_by=actor.key, sms_code=free_sms_code(session))
    session.add(incident)
    session.flush()
    session.refresh(incident)
    change = _Change(actor, incident, now, report_due, {})
    if command.is_quiet:
        _set_quiet(session, change, is_quiet=True, reason=command.quiet_reason)
    _replace_areas(session, change, command.areas)
    _replace_lists(session, incident.id, command.lists, now)
    areas = list_areas(session, incident.id)
    involved = _refresh_missions(session, change, areas)
    rules.check_opener(actor, involved, _places(areas))
    if rules.is_bound_to_mission(actor):
        page_ministry(session, incident)
    _record(session, change, "incident.opened", {"status": incident.status, "missions": len(involved)})
    return incident


def get_synthetic_incident(session: Session) -> Incident:
    """The one to which messages to our own made-up citizens belong: closed for ever, seen by nobody; made when first asked for."""
    found = session.scalars(select(Incident).where(Incident.is_synthetic)).one_or_none()
    if found is not None:
        return found
    incident = Incident(
        kind=rules.Kind.OTHER,
        title="SIAGA",
        status=rules.Status.ACTUAL,
        urgency=rules.Urgency.UNKNOWN,
        severity=rules.Severity.MINOR,
        certainty=rules.Certainty.UNKNOWN,
        occurred_at=db_now(session),
        opened_by=SYSTEM.key,
        state=rules.State.CLOSED,
        is_synthetic=True,
    )
    session.add(incident)
    session.flush()
    session.refresh(incident)
    return incident


def change_incident(
    session: Session, *, actor: Actor, incident_id: UUID, command: IncidentChange, if_match: str | None, report_due: timedelta
) -> Incident:
    """Change what the command gives; a change raises the version and publishes `incident.changed`.

    403: a role that may not, or may set levels only. 428/412: `if_match` missing or stale. 409: closed.
    """
    incident = claim_incident(session, incident_id, actor)
    rules.check_editor(actor, is_level_only=command.is_level_only, is_hush_only=command.is_hush_only)
    check_if_match(if_match, incident_etag(incident), current=present_incident(session, incident).model_dump(mode="json"))
    rules.next_state(incident.state, Move.EDIT)
    change = _Change(actor, incident, db_now(session), report_due, {})
    _set_own_fields(change, command)
    if command.is_quiet is not None:
        _check_own_incident(session, change)
        _set_quiet(session, change, is_quiet=command.is_quiet, reason=command.quiet_reason)
    if command.areas is not None:
        _replace_areas(session, change, command.areas)
    if command.lists is not None:
        change.touched["lists"] = _replace_lists(session, incident.id, command.lists, change.now)
    for level in command.levels or ():
        _set_level_of(session, change, level)
    if change.touched.get("areas"):
        _refresh_missions(session, change, list_areas(session, incident.id))
    _check_still_somewhere(session, incident, command)
    if any(change.touched.values()):
        incident.version += 1
        _record(session, change, "incident.changed", change.touched)
    if change.touched.get("is_quiet") == [True]:
        # At once, not by the event: a phone that rings in between may give somebody away.
        hush(session, incident.id)
        call_out(session, incident.id)
    return incident


def close_incident(session: Session, *, actor: Actor, incident_id: UUID, reason: str) -> Incident:
    """Close; nothing acts in a closed incident. 409 when it is closed already."""
    return _move(session, actor, incident_id, move=Move.CLOSE, reason=reason)


def reopen_incident(session: Session, *, actor: Actor, incident_id: UUID, reason: str) -> Incident:
    """Open a closed incident again. 409 when it is open."""
    return _move(session, actor, incident_id, move=Move.REOPEN, reason=reason)


def adopt_areas(session: Session, *, actor: Actor, source: Incident, target: Incident, report_due: timedelta) -> None:
    """The ground of one incident, with its levels, becomes ground of another too; the missions of both answer for it."""
    change = _Change(actor, target, db_now(session), report_due, {})
    present = {row.spec for row in list_areas(session, target.id)}
    for area in list_areas(session, source.id):
        if area.spec not in present:
            row = _add_area(session, change, area.spec, area.name)
            for name in ("siaga_level", "level_basis", "level_set_by", "level_set_at"):
                setattr(row, name, getattr(area, name))
    session.flush()
    _refresh_missions(session, change, list_areas(session, target.id))


def _move(session: Session, actor: Actor, incident_id: UUID, *, move: Move, reason: str) -> Incident:
    incident = claim_incident(session, incident_id, actor)
    if move is Move.REOPEN and incident.merged_into is not None:
        raise ConflictError("incident_merged", "This incident goes on in another one: it is not opened again.")
    incident.state = rules.next_state(incident.state, move)
    if move is Move.REOPEN:
        incident.sms_code = free_sms_code(session, wanted=incident.sms_code)
    incident.version += 1
    if move is Move.CLOSE:
        stop_callout(session, incident.id)
    incident.state_changed_at, incident.state_changed_by = db_now(session), actor.key
    change = _Change(actor, incident, incident.state_changed_at, timedelta(), {})
    _record(session, change, "incident.closed" if move is Move.CLOSE else "incident.reopened", {"reason": reason})
    return incident


def _record(session: Session, change: _Change, event: str, detail: dict[str, Any]) -> None:
    session.flush()
    incident = change.incident
    audit.record(session, actor=change.actor, action=event, incident_id=incident.id, subject=("incident", incident.id), detail=detail)
    publish(session, event, incident_id=incident.id)


def _set_own_fields(change: _Change, command: IncidentChange) -> None:
    if command.occurred_at is not None:
        rules.check_moment(command.occurred_at, change.now, field="occurred_at")
    changed = []
    for name in OWN_FIELDS:
        value = getattr(command, name)
        if value is not None and value != getattr(change.incident, name):
            setattr(change.incident, name, value)
            changed.append(name)
    change.touched["fields"] = changed


def _check_own_incident(session: Session, change: _Change) -> None:
    places = _places(list_areas(session, change.incident.id))
    if rules.is_bound_to_mission(change.actor) and not rules.acts_in(change.actor.mission_code, _find_involved(session, places), places):
        raise ForbiddenError("outside_district", "A head of mission makes an incident quiet in the own district only.")


def _set_quiet(session: Session, change: _Change, *, is_quiet: bool, reason: str | None) -> None:
    """A line of its own in the log: whoever asks why no phone rang finds it at once."""
    incident = change.incident
    if incident.is_quiet is is_quiet:
        return
    incident.is_quiet, incident.quiet_reason = is_quiet, reason
    incident.quiet_set_by, incident.quiet_set_at = change.actor.key, change.now
    action = "incident.made_quiet" if is_quiet else "incident.made_loud"
    about: dict[str, Any] = {"incident_id": incident.id, "subject": ("incident", incident.id)}
    audit.record(session, actor=change.actor, action=action, **about, detail={"reason": reason})
    change.touched["is_quiet"] = [is_quiet]


def _check_still_somewhere(session: Session, incident: Incident, command: IncidentChange) -> None:
    if command.areas is None and command.lists is None:
        return
    view = present_incident(session, incident)
    rules.check_something_named(view.areas, view.lists)


def _replace_areas(session: Session, change: _Change, wanted: Sequence[AreaIn]) -> None:
    """Areas that are wanted and there stay as they are; the others come or go."""
    present = {row.spec: row for row in list_areas(session, change.incident.id)}
    specs = {area.spec(): area for area in reversed(wanted)}
    for spec, area in reversed(specs.items()):
        row = present.get(spec) or _add_area(session, change, spec, area.name)
        if "siaga_level" in area.model_fields_set:
            _set_level(change, row, area.siaga_level, area.level_basis)
    for spec in present.keys() - specs.keys():
        present[spec].removed_at = change.now
        _touch_areas(change)
    session.flush()


def _add_area(session: Session, change: _Change, spec: AreaSpec, name: str | None) -> IncidentArea:
    row = IncidentArea(
        incident_id=change.incident.id,
        kind=spec.kind,
        code=spec.code,
        name=name or spec.describe(),
        geometry=spec.geometry_json(),
    )
    session.add(row)
    session.flush()
    _touch_areas(change)
    return row


def _touch_areas(change: _Change) -> None:
    change.touched["areas"] = change.touched.get("areas", 0) + 1


def _set_level_of(session: Session, change: _Change, level: LevelIn) -> None:
    areas = {row.id: row for row in list_areas(session, change.incident.id)}
    row = areas.get(level.area_id)
    if row is None:
        raise InvalidError("unknown_area", "This incident has no such area.", field="levels.area_id")
    if rules.is_bound_to_mission(change.actor):
        _check_own_district(session, change, row)
    _set_level(change, row, level.siaga_level, level.level_basis)


def _check_own_district(session: Session, change: _Change, area: IncidentArea) -> None:
    places = _places([area])
    if not rules.acts_in(change.actor.mission_code, _find_involved(session, places), places):
        raise ForbiddenError("outside_district", "A head of mission sets the level in the own district only.")


def _set_level(change: _Change, row: IncidentArea, level: SiagaLevel | None, said: LevelBasis | None) -> None:
    if level is row.siaga_level and said in (None, row.level_basis):
        return
    is_raised = rules.is_higher(level, row.siaga_level)
    # Taking a level away needs nobody's word but the actor's own; it is in the log.
    row.level_basis = rules.level_basis(change.actor, said) if level else None
    row.siaga_level, row.level_set_by = level, change.actor.key if level else None
    row.level_set_at = change.now if level else None
    line = {"area": str(row.id), "level": level, "basis": row.level_basis, "is_raised": is_raised}
    change.touched.setdefault("levels", []).append(line)


def _replace_lists(session: Session, incident_id: UUID, wanted: Sequence[ListIn], now: datetime) -> int:
    """The number of lists that came, went or were matched anew."""
    present = {(row.kind, row.name, row.version): row for row in _current_lists(session, incident_id)}
    named = {(each.kind, each.name, each.version): each for each in wanted}
    for key in present.keys() - named.keys():
        present[key].removed_at = now
    for key, each in named.items():
        _fill_list(session, incident_id, each, is_new=key not in present)
    session.flush()
    return len(present.keys() ^ named.keys())


def _current_lists(session: Session, incident_id: UUID) -> Iterable[IncidentList]:
    query = select(IncidentList).where(IncidentList.incident_id == incident_id, IncidentList.removed_at.is_(None))
    return session.scalars(query)


def _fill_list(session: Session, incident_id: UUID, wanted: ListIn, *, is_new: bool) -> None:
    """One version of a list has one content: other members need another version."""
    key = {"incident_id": incident_id, "kind": wanted.kind, "name": wanted.name, "version": wanted.version}
    existing = session.scalars(select(IncidentList).filter_by(**key)).one_or_none()
    if existing is None:
        existing = IncidentList(**key, source=wanted.source)
        session.add(existing)
        session.flush()
        _add_members(session, existing.id, wanted.members)
        return
    held = set(session.scalars(select(IncidentListMember.external_id).where(IncidentListMember.list_id == existing.id)))
    if held != set(wanted.members):
        raise InvalidError("list_version_used", "This version of the list has other members; give a new version.", field="lists.version")
    if is_new:
        existing.removed_at = None
    _match_members(session, existing.id)


def _add_members(session: Session, list_id: UUID, external_ids: Sequence[str]) -> None:
    unique = sorted(set(external_ids))
    if unique:
        session.execute(insert(IncidentListMember), [{"list_id": list_id, "external_id": each} for each in unique])
        _match_members(session, list_id)


def _match_members(session: Session, list_id: UUID) -> None:
    """Find in the register whoever is named and not yet found."""
    known = select(Citizen.id).where(Citizen.external_id == IncidentListMember.external_id).scalar_subquery()
    where = (IncidentListMember.list_id == list_id, IncidentListMember.citizen_id.is_(None))
    session.execute(update(IncidentListMember).where(*where).values(citizen_id=known), execution_options={"synchronize_session": False})


def _refresh_missions(session: Session, change: _Change, areas: Sequence[IncidentArea]) -> list[rules.Involvement]:
    """Who answers for these areas. A mission that no longer does is marked as left, never deleted."""
    involved = _find_involved(session, _places(areas))
    table, incident_id = IncidentMission, change.incident.id
    present = {row.mission_code for row in list_missions(session, incident_id) if not row.is_by_word}
    gone = present - {each.mission_code for each in involved}
    where = (table.incident_id == incident_id, table.mission_code.in_(gone))
    session.execute(update(table).where(*where).values(left_at=change.now))
    for each in involved:
        values = {"part": each.part, "basis": each.basis, "is_assumed": each.is_assumed, "places": list(each.places), "is_by_word": False}
        row = {"incident_id": incident_id, "mission_code": each.mission_code, "report_due_at": change.now + change.report_due}
        statement = upsert(table).values(**row, **values)
        session.execute(statement.on_conflict_do_update(index_elements=["incident_id", "mission_code"], set_={**values, "left_at": None}))
    return involved


def _find_involved(session: Session, places: Mapping[str, bool]) -> list[rules.Involvement]:
    """The missions of these place codes; a code that is itself assumed makes the relation assumed."""
    parts = responsible_missions(session, sorted(places))
    districts = _districts_of(session, {each.covers or each.mission_code for each in parts})
    return rules.gather_missions(
        replace(narrow, is_assumed=narrow.is_assumed or places[each.place])
        for each in parts
        for narrow in rules.narrow_to_district(each, districts.get(each.covers or each.mission_code, ()))
    )


def _districts_of(session: Session, mission_codes: Collection[str]) -> dict[str, list[str]]:
    _, districts = relations_of(session, sorted(mission_codes))
    return {code: [row.place_code for row in rows] for code, rows in districts.items()}


def _places(areas: Iterable[IncidentArea]) -> dict[str, bool]:
    """Place codes that the areas concern, and whether each is only assumed."""
    places: dict[str, bool] = {}
    for area in areas:
        for touched in touched_places(area.spec):
            places[touched.code] = places.get(touched.code, True) and touched.is_assumed
    return places
