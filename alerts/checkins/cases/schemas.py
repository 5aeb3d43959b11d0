"""Wire types of calls for help."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.checkins.cases.rules import NOTE_CHARACTERS, CaseState, EntryKind
from alerts.checkins.schemas import ContactIn
from alerts.incidents.rules import Status
from alerts.kit.http import View, Wire

Note = Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS)]


class CaseMove(Wire):
    """Where a case goes next. `resolved` and `referred` close it and need `contact`: who of us reached the person, when, how.

    `resolved` records *safe, contact made* for a person of the register; `referred` says in `note` to whom.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "acknowledged", "note": "Kami telepon balik."}]})

    to: CaseState
    note: Note | None = None
    contact: ContactIn | None = None


class CaseNote(Wire):
    """Words for the colleagues; kept enciphered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Tetangga menjawab: ada di lantai dua."}]})

    note: Note


class CaseAssign(Wire):
    """The mission that has the case from now on; null: the ministry's crisis centre."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mission_code": "kbri-ankara"}]})

    mission_code: Annotated[str, Field(max_length=60)] | None


class CaseView(View):
    """One call for help. Without `citizen_id` the register does not know who asks.

    `owner_mission` null: the ministry has it. `is_owner_assumed`: no rule names the owner for the person's place.
    `says_safe_at`: they said "safe" later, and nobody of us has spoken with them since.
    """

    id: UUID
    incident_id: UUID | None
    status: Status
    citizen_id: UUID | None
    owner_mission: str | None
    is_owner_assumed: bool
    owned_at: datetime
    state: CaseState
    state_at: datetime
    raised_at: datetime
    last_call_at: datetime
    says_safe_at: datetime | None
    acting_by: str | None
    version: int


class EntryView(View):
    """One line of the history. `checkin_id`, `message_id`: the claim that it is about."""

    id: UUID
    at: datetime
    kind: EntryKind
    actor: str
    checkin_id: UUID | None
    message_id: UUID | None
    to_state: CaseState | None
    to_mission: str | None
    contacted_by: str | None
    contacted_at: datetime | None
    contact_how: str | None
    note: str | None = None


class CaseDetailView(CaseView):
    """A case with its history. `acknowledgement`: what is told, in each language, to whoever asked; true by the state."""

    owner_name: str | None
    history: list[EntryView]
    acknowledgement: dict[str, str]
    name: str | None = None
    numbers: Annotated[list[str], Field(default_factory=list)]
