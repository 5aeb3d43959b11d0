"""Wire types of families' enquiries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from alerts.checkins.schemas import ContactIn
from alerts.families.rules import NAME_MAX, WORDS_MAX, EnquiryState, EntryKind, Relation, Tell
from alerts.incidents.rules import Status
from alerts.kit.http import View, Wire

Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
Note = Annotated[str, Field(min_length=1, max_length=WORDS_MAX)]


class EnquiryIn(Wire):
    """A call of a family: who asks, how to call back, whom they seek, and when they last heard of them.

    Only the name sought is needed: what the caller does not know is left out. A number that is none is kept as it was written.
    `joins`: an enquiry about the same person, found in an earlier answer. Nothing of this makes anybody missing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sought_name": "Moh. Riski Contoh",
                    "caller_name": "Ibu Contoh",
                    "caller_phone": "+62 812-3456-789",
                    "relation": "parent",
                    "place_code": "TR-31",
                    "last_contact_at": "2023-02-06T01:00:00+03:00",
                    "last_contact": "pesan suara dari hotel di Antakya",
                }
            ]
        }
    )

    sought_name: Name
    sought_phone: Annotated[str, Field(max_length=60)] | None = Field(None, description="the number of the person sought")
    about: Annotated[str, Field(max_length=WORDS_MAX)] | None = Field(None, description="age, employer, hotel, flight")
    place_code: Annotated[str, Field(max_length=10)] | None = None
    caller_name: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    caller_phone: Annotated[str, Field(max_length=60)] | None = None
    relation: Relation = Relation.OTHER
    last_contact_at: AwareDatetime | None = None
    last_contact: Annotated[str, Field(max_length=WORDS_MAX)] | None = Field(None, description="how and where they last heard")
    joins: UUID | None = None


class EnquiryMove(Wire):
    """Taken on (`in_hand`), put back (`open`), or `closed`, with words for the colleagues."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "in_hand", "note": "Kami cari lewat perusahaan."}]})

    to: EnquiryState
    note: Note | None = None


class EnquiryNote(Wire):
    """Words for the colleagues; kept enciphered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Majikan tidak menjawab."}]})

    note: Note


class EnquiryAssign(Wire):
    """The mission that has the enquiry from now on; null: the ministry's crisis centre."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mission_code": "kbri-ankara"}]})

    mission_code: Annotated[str, Field(max_length=60)] | None


class EnquiryJoin(Wire):
    """The enquiry about the same person, which has the case from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "01998d5e-0000-7000-8000-000000000001"}]})

    into: UUID


class Recognition(Wire):
    """Whom staff recognised in the person sought: somebody of the register, somebody named in the incident, or (both null) nobody."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person_id": "01998d5e-0000-7000-8000-000000000001"}]})

    citizen_id: UUID | None = None
    person_id: UUID | None = None


class PermissionIn(Wire):
    """What the person sought allowed us to tell those who ask, to whom of us, when and how. An empty list takes it back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tells": ["reached", "safe"],
                    "contact": {"who": "meja konsuler", "when": "2023-02-08T10:00:00+03:00", "how": "telepon"},
                    "message": "Saya baik-baik saja.",
                }
            ]
        }
    )

    tells: Annotated[list[Tell], Field(max_length=len(Tell))]
    contact: ContactIn | None = None
    message: Annotated[str, Field(max_length=500)] | None = Field(None, description="what the person asks us to say")


class CallBackIn(Wire):
    """This caller was called back and told what may be told now. `told`: what the answer before said may be told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"told": []}]})

    told: Annotated[list[Tell], Field(max_length=len(Tell))]
    note: Note | None = None


class MatchKind(StrEnum):
    """Where somebody like the person sought was found."""

    REGISTER = "register"
    PERSON = "person"
    ENQUIRY = "enquiry"


class MatchView(View):
    """Somebody who may be meant. `name` is null for those who may not read it, and in kept answers.

    `answered`: where they stand by their own answers in this event (safe, need_help, other; null: no answer);
    `is_reached`: staff made contact. `is_same_number`: the number of the person sought, or of the caller, is the same.
    """

    kind: MatchKind
    id: UUID
    name: str | None
    likeness: float
    is_strong: bool
    is_same_number: bool
    place_code: str | None
    mission_code: str | None
    answered: str | None = None
    is_reached: bool = False
    state: dict[str, str] = Field(default_factory=dict)
    calls: int = 0


class EnquiryView(View):
    """One enquiry. `owner_mission` null: the ministry has it. `waiting`: callers who were not called back yet."""

    id: UUID
    incident_id: UUID
    status: Status
    place_code: str | None
    owner_mission: str | None
    is_owner_assumed: bool
    owned_at: datetime
    state: EnquiryState
    state_at: datetime
    acting_by: str | None
    citizen_id: UUID | None
    person_id: UUID | None
    joined_into: UUID | None
    opened_at: datetime
    last_call_at: datetime
    version: int
    calls: int = 0
    waiting: int = 0
    sought_name: str | None = None


class CallView(View):
    """One call, with what this caller said. `reference` is the caller's own.

    `sought_name`, `about`, `place_code`: whom and what this caller named, where the case may say something else.
    """

    id: UUID
    enquiry_id: UUID
    reference: str
    at: datetime
    taken_by: str
    relation: Relation
    last_contact_at: datetime | None
    place_code: str | None = None
    called_back_at: datetime | None = None
    caller_name: str | None = None
    caller_phone: str | None = None
    sought_name: str | None = None
    about: str | None = None
    last_contact: str | None = None


class EntryView(View):
    """One line of the history."""

    id: UUID
    at: datetime
    kind: EntryKind
    actor: str
    call_id: UUID | None
    to_state: EnquiryState | None
    to_mission: str | None
    other_id: UUID | None
    tells: list[str]
    contacted_by: str | None
    contacted_at: datetime | None
    contact_how: str | None
    note: str | None = None


class TellView(View):
    """What may be told now, by the person's own word, and the sentences to read out."""

    tells: list[Tell]
    is_held_back: bool
    words: dict[str, str]


class LoggedView(View):
    """What became of a call: the caller's reference, the case it made or joined, its owner, what to say, and who may be meant."""

    reference: str
    enquiry: EnquiryView
    is_joined: bool
    say: dict[str, str]
    matches: list[MatchView]


class EnquiryDetailView(EnquiryView):
    """An enquiry with its calls, its history, what may be told, and who may be meant."""

    about: str | None = None
    owner_name: str | None = None
    call_list: list[CallView]
    history: list[EntryView]
    may_tell: TellView
    matches: list[MatchView]
