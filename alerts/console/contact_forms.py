"""The three fields by which staff say that they made contact: who, when, how. Shared by calls for help, calls and the tray."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from alerts.checkins.schemas import ContactIn
from alerts.console.forms import Form
from alerts.console.incident_forms import parse_local
from alerts.console.routes_incidents import zone_of_mission
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import InvalidError
from alerts.kit.i18n import JAKARTA, zone_name
from alerts.missions.queries import find_mission

FIELDS_MAX = 200


def zone_of_reader(session: Session, actor: Actor) -> ZoneInfo:
    """The clock that this reader writes times by: the mission's own, else Jakarta's."""
    mission = find_mission(session, actor.mission_code) if actor.mission_code else None
    return zone_of_mission(mission) or JAKARTA


def zone_label(session: Session, actor: Actor) -> str:
    """What stands beside a field for a time, so that nobody has to guess."""
    zone = zone_of_reader(session, actor)
    return zone_name(db_now(session).astimezone(zone), zone)


def contact_of(session: Session, form: Form, actor: Actor) -> ContactIn:
    """Who of us spoke with the person, when (empty: just now) and how; 422 naming the one that is missing."""
    who, how = form.text("who", limit=FIELDS_MAX), form.text("how", limit=FIELDS_MAX)
    for name, value in (("who", who), ("how", how)):
        if len(value) < 2:
            raise InvalidError("contact_needed", "Only somebody who made contact closes it: say who, when and how.", field=name)
    return ContactIn(who=who, when=time_of(session, form, "contacted_at", actor) or db_now(session), how=how)


def time_of(session: Session, form: Form, name: str, actor: Actor) -> datetime | None:
    """A moment by the reader's clock; None for an empty field."""
    typed = form.text(name, limit=40)
    return parse_local(typed, name).replace(tzinfo=zone_of_reader(session, actor)) if typed else None
