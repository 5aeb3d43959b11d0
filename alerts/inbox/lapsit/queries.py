"""Whose phone a report came from, and what that phone sent before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, literal, select, text
from sqlalchemy.orm import Session

from alerts.inbox.lapsit.rules import RESENT_SECONDS, cleaned, same_words
from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import open_field
from alerts.inbox.rules import Flag
from alerts.incidents.models import Incident
from alerts.incidents.queries import find_involvement, list_area_specs
from alerts.incidents.sms_codes import find_by_sms_code, list_open_of_mission
from alerts.kit.crypto import Keyring
from alerts.notices.queries import PhoneOwner, list_phone_owners
from alerts.places import touched_places
from alerts.reports.code_lists.queries import count_refused
from alerts.reports.code_lists.rules import WRONG_SECONDS, Refused
from alerts.reports.rules.values import outermost
from alerts.staff.rules import MISSION_ROLES


def lock_phone(session: Session, from_index: bytes) -> None:
    """One message of a phone at a time, until this transaction ends: the same one twice is seen."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"lapsit:{from_index.hex()}"})


def list_owners(session: Session, keyring: Keyring, number: str) -> list[PhoneOwner]:
    """The mission staff whose duty phone the number is, of each mission the one who comes first."""
    owners = list_phone_owners(session, keyring, number, roles=MISSION_ROLES)
    first: dict[str, PhoneOwner] = {}
    for owner in owners:
        first.setdefault(owner.staff.mission_code or "", owner)
    return list(first.values())


def find_named(session: Session, owners: Iterable[PhoneOwner], row: InboundMessage, code: str) -> list[tuple[PhoneOwner, Incident]]:
    """The incidents of this code, by whose mission is involved in it."""
    found = [(owner, find_by_sms_code(session, code, mission_code=mission_of(owner), status=row.status)) for owner in owners]
    return [(owner, incident) for owner, incident in found if incident is not None]


def list_open_of(session: Session, owners: Iterable[PhoneOwner], row: InboundMessage) -> list[tuple[PhoneOwner, Incident]]:
    """The open incidents of these missions, newest first."""
    return [(owner, each) for owner in owners for each in list_open_of_mission(session, mission_of(owner), status=row.status)]


def mission_of(owner: PhoneOwner) -> str:
    return owner.staff.mission_code or ""


def places_of(session: Session, incident: Incident, mission_code: str) -> tuple[str, ...]:
    """What a figure without a place speaks of: the mission's own places in the incident, else the incident's."""
    involved = find_involvement(session, incident.id, mission_code)
    if involved and involved.places:
        return outermost(involved.places)
    return outermost(touched.code for spec in list_area_specs(session, incident.id) for touched in touched_places(spec))


def find_same(session: Session, keyring: Keyring, row: InboundMessage, words: str) -> UUID | None:
    """The report that the same words from the same phone were filed as a little while ago."""
    since = row.received_at - timedelta(seconds=RESENT_SECONDS)
    query = select(InboundMessage).where(InboundMessage.from_index == row.from_index, InboundMessage.status == row.status)
    query = query.where(InboundMessage.report_id.is_not(None), InboundMessage.id != row.id, InboundMessage.received_at >= since)
    earlier = session.scalars(query.order_by(InboundMessage.id.desc()))
    return next((each.report_id for each in earlier if same_words(cleaned(open_field(each, "body_enc", keyring)), words)), None)


def refused_before(session: Session, row: InboundMessage, mission_code: str) -> Refused:
    """How many codes were refused lately; of exercises and of actual events apart. What was not looked at does not count."""
    since = row.received_at - timedelta(seconds=WRONG_SECONDS)
    query = select(func.count()).where(InboundMessage.from_index == row.from_index, InboundMessage.received_at >= since)
    query = query.where(InboundMessage.status == row.status, InboundMessage.id != row.id)
    refused = literal(Flag.CODE_REFUSED.value) == func.any(InboundMessage.flags)
    of_phone = session.scalar(query.where(refused)) or 0
    return Refused(of_phone, count_refused(session, mission_code, status=row.status, since=since))
