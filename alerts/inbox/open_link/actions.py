"""Use cases of the open link. None commits. A claim by it stands on the first rung, like every self-made claim."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.queries import public_code, valid_seconds_left
from alerts.broadcasts.rules import MsgType, Variant, compose
from alerts.broadcasts.rules import State as MessageState
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer, Channel
from alerts.citizens.models import Citizen
from alerts.citizens.queries import find_by_phone_index
from alerts.citizens.rules import find_phone
from alerts.inbox.actions import INBOX, raise_for_sender
from alerts.inbox.models import InboundMessage
from alerts.inbox.open_link import rules
from alerts.inbox.open_link.rules import ADDRESS_LIMIT, Claimed
from alerts.inbox.open_link.schemas import ForwardableText
from alerts.inbox.rules import Flag, State, WayIn, understand
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident, list_areas, list_open_incidents
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import Status
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.ids import incident_code
from alerts.staff.rules import retry_after_seconds

OF_NOTE = frozenset({Flag.CONTROL_CHARACTERS, Flag.HIDDEN_CHARACTERS})


@dataclass(frozen=True, slots=True)
class Posted:
    """How a form came: its own key, the address it came from, and the country whose numbers may be written nationally."""

    key: str
    address: str
    home_country: str = "ID"


def find_by_code(session: Session, keyring: Keyring, code: str, status: Status) -> Incident | None:
    """The open incident of a code; None for a foreign code, a closed or quiet incident, or one of the other status."""
    wanted = code.lower().encode()
    for incident in list_open_incidents(session):
        if hmac.compare_digest(incident_code(keyring.link, incident.id).encode(), wanted):
            return incident if incident.status is status and not incident.is_quiet else None
    return None


def wait_seconds(session: Session, keyring: Keyring, address: str) -> int:
    """How long this address has to wait; 0: go on. The next one of the same address waits for this transaction."""
    index = keyring.blind_index(f"address:{address}")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"open-link:{index.hex()}", 0))))
    now = db_now(session)
    since = now - ADDRESS_LIMIT.window - timedelta(seconds=1)
    query = select(InboundMessage.received_at).where(InboundMessage.address_index == index, InboundMessage.received_at > since)
    return retry_after_seconds(session.scalars(query).all(), ADDRESS_LIMIT, now)


def receive_claim(session: Session, *, keyring: Keyring, incident: Incident, claimed: Claimed, posted: Posted) -> InboundMessage:
    """Keep what somebody says by the open link. The same form again (its key) changes nothing and gives the first.

    Exactly one person of the register with this number: a check-in, *reported*. Nobody, or several: the tray; a call for help
    raises its case at once all the same. A number that cannot be read is kept as typed: nobody is refused who asks for help.
    """
    row = _keep(session, keyring, incident, claimed=claimed, posted=posted)
    if row.state is not State.RECEIVED:
        return row
    citizens = [] if claimed.is_trapped or Flag.BAD_NUMBER in row.flags else find_by_phone_index(session, row.from_index)
    reading = understand(claimed.note or "")
    row.understood, row.incident_id = rules.UNDERSTOOD[claimed.answer], incident.id
    row.flags = sorted({*row.flags, *(reading.flags & OF_NOTE), *_flags(citizens, claimed)})
    row.state = State.MATCHED if len(citizens) == 1 else State.UNMATCHED
    if len(citizens) == 1:
        row.citizen_id = citizens[0].id
        note = rules.note_of(claimed)
        new = NewCheckin(incident.id, citizens[0].id, claimed.answer, Channel.OPEN_LINK, note=note)
        row.checkin_id = record_checkin(session, actor=INBOX, keyring=keyring, new=new).id
    elif claimed.answer is Answer.NEED_HELP and not claimed.is_trapped:
        raise_for_sender(session, INBOX, keyring, row=row)
    session.flush()
    return row


def make_forwardable(session: Session, *, keyring: Keyring, broadcast: Broadcast, public_url: str) -> ForwardableText:
    """The approved words with the open link. 409: not approved, taken back, its time is over, a closed or a quiet incident."""
    incident = get_incident(session, broadcast.incident_id)
    is_approved = broadcast.state is MessageState.APPROVED and broadcast.msg_type is not MsgType.CANCEL
    is_open = incident.state is IncidentState.OPEN
    is_valid = valid_seconds_left(session, broadcast) > 0
    rules.check_forwardable(is_approved=is_approved, is_valid=is_valid, is_quiet=incident.is_quiet, is_incident_open=is_open)
    link = f"{public_url.rstrip('/')}{path_of(keyring, incident)}"
    words = {lang: compose(text, lang, Variant.PLAIN, code=public_code(broadcast)) for lang, text in broadcast.texts.items()}
    return ForwardableText(link=link, texts={lang: rules.forwardable(text, lang, link) for lang, text in words.items()})


def path_of(keyring: Keyring, incident: Incident) -> str:
    """The open link's path; an exercise has its own."""
    prefix = "/exercise" if incident.status is Status.EXERCISE else ""
    return f"{prefix}/c/{incident_code(keyring.link, incident.id)}"


def _keep(session: Session, keyring: Keyring, incident: Incident, *, claimed: Claimed, posted: Posted) -> InboundMessage:
    regions = [posted.home_country, *dict.fromkeys(area.code[:2] for area in list_areas(session, incident.id) if area.code)]
    found = find_phone(claimed.phone, regions)
    sender = found.e164 if found else claimed.phone
    message_id: UUID = new_id(session)
    values: dict[str, Any] = {
        "id": message_id,
        "channel": WayIn.OPEN_LINK,
        "provider_id": f"open:{incident.id}:{posted.key}",
        "from_index": keyring.blind_index(sender),
        "segments": 1,
        "media": 0,
        "carrier_opted_out": False,
        "status": incident.status,
        "flags": [] if found else [Flag.BAD_NUMBER.value],
        "address_index": keyring.blind_index(f"address:{posted.address}"),
    }
    texts = {"from_enc": sender, "body_enc": claimed.note or "", "name_enc": claimed.name, "place_enc": claimed.place}
    for column, text in texts.items():
        values[column] = None if text is None else keyring.encrypt(text, table="inbound_message", column=column, row=message_id)
    session.execute(insert(InboundMessage).values(**values).on_conflict_do_nothing(index_elements=["provider_id"]))
    query = select(InboundMessage).where(InboundMessage.provider_id == values["provider_id"]).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _flags(citizens: Sequence[Citizen], claimed: Claimed) -> set[Flag]:
    known = {Flag.SEVERAL_PEOPLE: len(citizens) > 1, Flag.PERHAPS_A_PROGRAM: claimed.is_trapped}
    return {flag for flag, is_set in known.items() if is_set}
