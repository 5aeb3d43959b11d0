"""Wire forms of messages, their approval and their audience."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from alerts.broadcasts.rules import Channel, MsgType, ResendUnknown, State, Variant
from alerts.incidents.rules import Status
from alerts.kit.http import View, Wire

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
OpenChannel = Literal[Channel.PUSH, Channel.SMS]


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
    channels: list[OpenChannel] = Field([Channel.PUSH, Channel.SMS], min_length=1, max_length=2)
    validity_seconds: int | None = Field(None, ge=60, le=36_000, description="seconds; default by the incident's severity")
    resend_unknown: ResendUnknown | None = Field(None, description="default `once` for Extreme and Immediate, else `never`")


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
    channels: list[OpenChannel] | None = Field(None, min_length=1, max_length=2)
    validity_seconds: int | None = Field(None, ge=60, le=36_000)
    resend_unknown: ResendUnknown | None = None


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
    """A correction to exactly those who got the original. Without texts a Cancel uses the prepared ones."""

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


class TextView(View):
    """One text as it would leave, with its size (the link counted at its real length)."""

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
    references: list[UUID]
    state: State
    texts: dict[str, str]
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
    sharing_address: int | None
    created_by: UUID | None
    submitted_by: UUID | None
    submitted_at: datetime | None
    approved_by: UUID | None
    approved_at: datetime | None
    decision_reason: str | None
    cancelled_at: datetime | None
    created_at: datetime
    etag: str
