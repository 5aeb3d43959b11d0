"""Reads that only pages need: people by cell, and who is behind the keys of the action log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.citizens.queries import in_areas
from alerts.inbox.queries import count_tray
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.audit import ActionLog
from alerts.missions.models import Mission
from alerts.places import AreaSpec
from alerts.staff.access import may
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission


def people_by_province(session: Session, areas: Sequence[AreaSpec]) -> dict[str, int]:
    """Registered people inside the areas by province code; those of unknown province under the country's code."""
    if not areas:
        return {}
    inside = in_areas(session, areas).subquery("inside")
    place = func.coalesce(Citizen.province_code, Citizen.country_iso2)
    counted = select(place, func.count()).join(inside, inside.c.citizen_id == Citizen.id).group_by(place)
    return {code: people for code, people in session.execute(counted)}  # noqa: C416 - rows are not pairs to mypy


def missions_by_code(session: Session, codes: Iterable[str]) -> dict[str, Mission]:
    return {mission.code: mission for mission in session.scalars(select(Mission).where(Mission.code.in_(set(codes))))}


def actor_names(session: Session, actions: Iterable[ActionLog]) -> dict[str, str]:
    """Display names by actor key (`staff:<id>`)."""
    return names_by_key(session, {action.actor for action in actions})


def names_by_key(session: Session, keys: Iterable[str]) -> dict[str, str]:
    ids = {key: UUID(key.removeprefix("staff:")) for key in keys if key.startswith("staff:")}
    names = names_of(session, ids.values())
    return {key: names[staff_id] for key, staff_id in ids.items() if staff_id in names}


def count_urgent(session: Session, actor: Actor, status: Status, incident_id: UUID | None = None) -> int:
    """Unread messages that may call for help, for a reader who may read them; 0 for anybody else."""
    if not may(actor, Permission.RECORD_CHECKIN):
        return 0
    return count_tray(session, actor, incident_id=incident_id, status=status).urgent
