"""Wire forms of messages, their approval and their audience."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from alerts.broadcasts.rules import ALL_WAYS, Channel, MsgType, Purpose, ResendUnknown, State, Variant
from alerts.broadcasts.template_rules import TemplateKind, TemplateState
from alerts.incidents.rules import Kind, Status
from alerts.kit.http import View, Wire

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
OpenChannel = Literal[Channel.PUSH, Channel.WEB_PUSH, Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.VOICE]


PROMISE = "promises the next message: said in the text by this offset's clock; if nothing else went out by then, `still_valid_texts` do"


AGAIN = "and again every so many minutes while the message holds, each time with the time of the next; needs `next_message_at`"


class Texts(Wire):
    """What people read, without link or request to reply: those are added where the number's country permits them."""

    id: Text = Field(description="Indonesian", examples=["Gempa kuat. Jauhi gedung retak. Tunggu kabar KBRI."])
    en: Text = Field(description="English", examples=["Strong earthquake. Keep away from cracked buildings. Wait for the embassy."])


class BroadcastDraft(Wire):
    """A new message. Empty `area_ids` and `list_ids` mean all areas and lists of the incident."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "texts": {"id": "Gempa susulan kuat. Tetap di luar gedung.", "en": "Strong aftershock. Stay outside buildings."},
                    "channels": ["push", "sms"],
                    "validity_seconds": 7200,
                }
            ]
        }
    )

    texts: Texts
    area_ids: list[UUID] = Field([], max_length=500)
    list_ids: list[UUID] = Field([], max_length=50)
    channels: list[OpenChannel] = Field(list(ALL_WAYS), min_length=1, max_length=6)
    validity_seconds: int | None = Field(None, ge=60, le=36_000, description="seconds; default by the incident's severity")
    resend_unknown: ResendUnknown | None = Field(None, description="default `once` for Extreme and Immediate, else `never`")
    next_message_at: AwareDatetime | None = Field(None, description=PROMISE)
    next_message_every_minutes: int | None = Field(None, ge=5, le=600, description=AGAIN)
    is_restricted: bool = Field(default=False, description="names assembly points, routes or departures: in no list and no export")


class BroadcastChange(Wire):
    """New values for what is named. Any of them voids an approval request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"texts": {"id": "Gempa susulan kuat. Tetap di luar gedung.", "en": "Strong aftershock. Stay outside buildings."}}]
        }
    )

    texts: Texts | None = None
    area_ids: list[UUID] | None = Field(None, max_length=500)
    list_ids: list[UUID] | None = Field(None, max_length=50)
    channels: list[OpenChannel] | None = Field(None, min_length=1, max_length=6)
    validity_seconds: int | None = Field(None, ge=60, le=36_000)
    resend_unknown: ResendUnknown | None = None
    next_message_at: AwareDatetime | None = Field(None, description=PROMISE + "; null takes the promise back")
    next_message_every_minutes: int | None = Field(None, ge=5, le=600, description=AGAIN + "; null: once")
    is_restricted: bool | None = None


class Approval(Wire):
    """What exactly is approved: the hash that the submission was given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content_hash": "0000000000000000000000000000000000000000000000000000000000000000"}]}
    )

    content_hash: str = Field(min_length=64, max_length=64, pattern="^[0-9a-f]+$")


class Decision(Wire):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Nama kota salah."}]})

    reason: Reason


class Correction(Wire):
    """A correction to exactly those who got the original.

    With `template_id` (prepared words in use, of the kind of `msg_type`) one signed-in person releases it at once, and what still
    waits of the original is cancelled. Otherwise a second person approves it; without texts a Cancel has fixed ones.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "msg_type": "Update",
                    "texts": {"id": "Gempa susulan kuat. Tetap di luar gedung.", "en": "Strong aftershock. Stay outside buildings."},
                }
            ]
        }
    )

    msg_type: Literal[MsgType.UPDATE, MsgType.CANCEL]
    texts: Texts | None = None
    template_id: UUID | None = None


class FollowUp(Wire):
    """A reminder to those who have not answered. A second person approves it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"texts": {"id": "Kami belum menerima kabar Anda. Apakah Anda aman?", "en": "We have not heard from you. Are you safe?"}}
            ]
        }
    )

    texts: Texts


class FirstAlert(Wire):
    """Prepared words to one area of an incident. Only the area's own name, a hotline and a time of day are filled in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "template_id": "01890a5d-ac96-774b-bcce-b302099a8057",
                    "area_id": "01890a5d-ac96-774b-bcce-b302099a8058",
                    "at": "2023-02-06T04:17:00+03:00",
                }
            ]
        }
    )

    template_id: UUID
    area_id: UUID
    hotline: str | None = Field(None, max_length=21, description="digits and signs; only where the words have a place for it")
    at: AwareDatetime | None = Field(None, description="the time in the text, said in this offset; default: when it happened")


class TemplateDraft(Wire):
    """A version of prepared words. `{place}`, `{hotline}`, `{time}` are filled in when a first alert is released; corrections have none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "template_code": "gempa",
                    "kind": "first_alert",
                    "event_kind": "earthquake",
                    "title": "Gempa kuat",
                    "texts": {
                        "id": "Gempa kuat di {place} pukul {time}. Jauhi gedung retak, ikuti petunjuk setempat.",
                        "en": "Strong earthquake in {place} at {time}. Keep away from cracked buildings, follow local orders.",
                    },
                }
            ]
        }
    )

    template_code: str = Field(pattern="^[a-z][a-z0-9_]{1,39}$", description="what the versions of the same words have in common")
    kind: TemplateKind
    event_kind: Kind | None = Field(None, description="offered for this kind of event only; for all when left out")
    title: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
    texts: Texts
    next_message_every_minutes: int | None = Field(
        None, ge=5, le=600, description="a first alert with these words promises the next message after so many minutes, and then again"
    )


class TemplateView(View):
    """A version of prepared words and who stands for it."""

    id: UUID
    template_code: str = Field(validation_alias="code")
    version: int
    kind: TemplateKind
    event_kind: Kind | None
    title: str
    texts: dict[str, str]
    next_message_every_minutes: int | None = Field(description="a first alert promises the next message in this rhythm")
    state: TemplateState
    content_hash: str
    created_by: UUID
    created_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    retired_at: datetime | None


class WaveApproval(Wire):
    """The count that was shown: what exactly is approved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 612}]})

    count: int = Field(ge=0, le=100_000_000)


class WaveView(View):
    """A frozen list of latecomers. Without `released_at` nobody of it got the message (yet)."""

    wave: int
    number: int
    count: int
    sharing_address: int
    sharing_ways: int
    words_barred: int = Field(description="people of whom a number is left out, because its country's networks block these words")
    needs_approval: bool
    is_after_promise: bool = Field(description="the promised time of the next message was past: their text does not promise it")
    frozen_at: datetime | None
    approved_by: UUID | None
    approved_at: datetime | None
    declined_at: datetime | None
    released_at: datetime | None


class TextView(View):
    """One text as it would leave, with its size (the link counted at its real length).

    It ends with the code by which the public page confirms it. Where there is no message yet, `xxxxxx` stands for it.
    """

    language: str
    variant: Variant
    body: str
    encoding: str
    segments: int
    units: int


class BroadcastView(View):
    """A message and where it stands."""

    id: UUID
    incident_id: UUID
    status: Status
    msg_type: MsgType
    purpose: Purpose
    references: list[UUID]
    state: State
    is_restricted: bool = Field(description="what it says is in no list and no export")
    texts: dict[str, str] = Field(description="empty in lists where the message is restricted")
    variants: list[TextView]
    area_ids: list[UUID]
    list_ids: list[UUID]
    channels: list[Channel]
    validity_seconds: int
    resend_unknown: ResendUnknown
    version: int
    content_hash: str | None
    audience_number: int | None
    audience_count: int | None
    audience_expected: int | None = Field(None, description="how many were gathered; the count follows when all are frozen")
    audience_more_since: int | None = None
    sharing_address: int | None = Field(description="people whose every address is that of somebody on the list: they get it there")
    sharing_ways: int | None = Field(description="people on the list of whom a later way is left out, because it is another's")
    words_barred: int | None = Field(None, description="people on the list of whom a number is left out: its networks block these words")
    created_by: UUID | None
    submitted_by: UUID | None
    submitted_at: datetime | None
    approved_by: UUID | None
    approved_at: datetime | None
    hold_until: datetime | None = Field(description="a first alert goes out at this time, unless confirmed earlier or stopped")
    hold_seconds_left: int | None
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    template_id: UUID | None = Field(description="prepared words, written and approved by two people beforehand")
    template_written_by: UUID | None
    template_approved_by: UUID | None
    next_message_at: datetime | None
    next_message_every_minutes: int | None = Field(description='so often "nothing new" is repeated after that, while the message holds')
    still_valid_texts: dict[str, str] | None = Field(description="sent at `next_message_at` if nothing else went out by then")
    decision_reason: str | None
    cancelled_at: datetime | None
    created_at: datetime
    etag: str
