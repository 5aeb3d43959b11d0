"""People to whom a message was sent, so that they may answer it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience, AudienceMember, Broadcast
from alerts.broadcasts.rules import Channel, MsgType, ResendUnknown, State
from alerts.citizens.models import Citizen, Phone
from alerts.citizens.rules import CitizenClass
from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from alerts.kit.crypto import Keyring
from alerts.kit.ids import member_token

_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """An invented citizen, the number we know, and the external id."""

    id: UUID
    phone_id: UUID
    e164: str
    external_id: str


def make_citizen(session: Session, keyring: Keyring, *, e164: str | None = None, **fields: Any) -> Person:
    """A resident of Hatay with a Malaysian number, unless told otherwise."""
    number = next(_numbers)
    e164 = e164 or f"+6012{number:07}"
    citizen_id, phone_id = (session.execute(select(func.uuidv7())).scalar_one() for _ in range(2))
    values = {
        "external_id": f"T-{number}",
        "language": "id",
        "class_": CitizenClass.RESIDENT,
        "country_iso2": "TR",
        "province_code": "TR-31",
    }
    name = keyring.encrypt(f"Warga Uji {number}", table="citizen", column="name_enc", row=citizen_id)
    session.add(Citizen(id=citizen_id, name_enc=name, name_index=keyring.blind_index(f"warga uji {number}"), **(values | fields)))
    session.flush()
    sealed = keyring.encrypt(e164, table="phone", column="e164_enc", row=phone_id)
    index = keyring.blind_index(e164)
    session.add(
        Phone(id=phone_id, citizen_id=citizen_id, e164_enc=sealed, e164_index=index, number_country="MY", position=1, is_valid=True)
    )
    session.flush()
    return Person(citizen_id, phone_id, e164, str((values | fields)["external_id"]))


def make_member(session: Session, incident: Incident, person: Person, **fields: Any) -> AudienceMember:
    """The person in the frozen list of an approved message of the incident, texted at the number we know.

    Of an exercise's: they are enrolled as a tester first, as nobody else may be on its list.
    """
    if incident.status is Status.EXERCISE:
        session.execute(update(Citizen).where(Citizen.id == person.id).values(is_tester=True))
    broadcast = Broadcast(
        incident_id=incident.id,
        status=incident.status,
        msg_type=MsgType.ALERT,
        state=State.APPROVED,
        texts={"id": "uji", "en": "test"},
        channels=["sms"],
        validity_seconds=3600,
        resend_unknown=ResendUnknown.ONCE,
        content_hash="0" * 64,
        created_by=uuid4(),
        approved_by=uuid4(),
        approved_via="session",
        approved_at=datetime.now(UTC),
    )
    session.add(broadcast)
    session.flush()
    audience = Audience(broadcast_id=broadcast.id, number=1, areas=[], expected=1)
    session.add(audience)
    session.flush()
    values = {"channel": Channel.SMS, "phone_id": person.phone_id, "language": "id", "reason": "in_province", "number_country": "MY"}
    member = AudienceMember(audience_id=audience.id, broadcast_id=broadcast.id, citizen_id=person.id, **(values | fields))
    session.add(member)
    session.flush()
    session.refresh(member)
    return member


def link_of(keyring: Keyring, member: AudienceMember, *, is_exercise: bool = False) -> str:
    """The path of the citizen's link."""
    return f"{'/exercise' if is_exercise else ''}/i/{member_token(keyring.link, number=member.id, generation=member.link_generation)}"
