"""Tables of messages: the message, its texts, the hands that touched it, and its frozen lists of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.broadcasts.rules import Channel, MsgType, Purpose, ResendUnknown, State, Unreachable, Variant
from alerts.broadcasts.template_rules import TemplateKind, TemplateState
from alerts.incidents.rules import Kind, Status
from alerts.kit.db import Base, created_at, enum_column, uuid_pk


class Broadcast(Base):
    """One message. Its `status` is its incident's (foreign key over both); approval needs other hands (trigger).

    With a `template_id` the words are prepared ones: two people wrote and approved them, and one released them (`approved_by`).
    `next_message_at`: the promised time of the next message, in the offset (minutes) in which the text says it;
    `still_valid_texts`: what is sent then if nothing else was, approved together with this message; and again every
    `next_message_every_minutes` while the message holds. `promise_due_at`: the next such time after the first.
    `alert_code`: six letters by which anybody can ask whether a message is ours.
    `only_sender`: of a synthetic message, the sender that it tries; approved by nobody, it goes to made-up people alone (triggers).
    """

    __tablename__ = "broadcast"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"], name="fk_broadcast_incident_status"),
        CheckConstraint(
            "(state NOT IN ('approved', 'held')) OR (approved_by IS NOT NULL AND approved_via = 'session')"
            " OR (purpose = 'synthetic' AND state = 'approved' AND approved_by IS NULL AND approved_via = 'machine')",
            name="approved_by_person",
        ),
        CheckConstraint("(purpose = 'synthetic') = (only_sender IS NOT NULL)", name="synthetic_has_sender"),
        CheckConstraint("(purpose <> 'first_alert') OR (template_id IS NOT NULL)", name="first_alert_is_prepared"),
        CheckConstraint(
            "(template_id IS NULL) OR (template_written_by IS NOT NULL AND template_approved_by IS NOT NULL"
            " AND template_written_by <> template_approved_by)",
            name="prepared_by_two",
        ),
        CheckConstraint(
            "(next_message_every_minutes IS NULL) OR (next_message_every_minutes > 0 AND next_message_at IS NOT NULL)",
            name="again_after_a_first",
        ),
        CheckConstraint("(state <> 'held') OR (hold_until IS NOT NULL AND purpose = 'first_alert')", name="held_has_an_end"),
        CheckConstraint(
            "(purpose <> 'first_alert') OR (approved_at IS NULL) OR (confirmed_at IS NOT NULL)"
            " OR (hold_until IS NOT NULL AND approved_at >= hold_until)",
            name="hold_was_kept",
        ),
        CheckConstraint(
            "(confirmed_by IS NULL) OR (confirmed_by <> approved_by AND confirmed_at IS NOT NULL)", name="confirmed_by_another"
        ),
        CheckConstraint("(state NOT IN ('submitted', 'approved')) OR (content_hash IS NOT NULL)", name="submitted_is_hashed"),
        Index("ix_broadcast_incident_id_id", "incident_id", "id"),
        Index("ix_broadcast_held", "hold_until", postgresql_where=text("state = 'held'")),
        Index(
            "ix_broadcast_promised",
            "next_message_at",
            postgresql_where=text("next_message_at IS NOT NULL AND promise_settled_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    msg_type: Mapped[MsgType] = mapped_column(enum_column(MsgType))
    references: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.DRAFT.value)
    texts: Mapped[dict[str, str]] = mapped_column(JSONB)
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose), server_default=Purpose.ALERT.value)
    area_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    list_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    validity_seconds: Mapped[int]
    resend_unknown: Mapped[ResendUnknown] = mapped_column(enum_column(ResendUnknown))
    version: Mapped[int] = mapped_column(server_default="1")
    content_hash: Mapped[str | None]
    audience_id: Mapped[int | None] = mapped_column(BigInteger)
    created_by: Mapped[UUID | None]
    submitted_by: Mapped[UUID | None]
    submitted_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None]
    approved_via: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    template_id: Mapped[UUID | None] = mapped_column(ForeignKey("message_template.id"))
    template_places: Mapped[dict[str, dict[str, str]] | None] = mapped_column(JSONB(none_as_null=True))
    template_written_by: Mapped[UUID | None]
    template_approved_by: Mapped[UUID | None]
    next_message_at: Mapped[datetime | None]
    next_message_offset: Mapped[int | None] = mapped_column(SmallInteger)
    next_message_every_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    promise_due_at: Mapped[datetime | None]
    still_valid_texts: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    promise_asked_at: Mapped[datetime | None]
    promise_settled_at: Mapped[datetime | None]
    waves_closed_at: Mapped[datetime | None]
    is_restricted: Mapped[bool] = mapped_column(server_default=text("false"))
    only_sender: Mapped[str | None]
    alert_code: Mapped[str] = mapped_column(server_default=text("new_alert_code()"), index=True)
    decision_reason: Mapped[str | None]
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at()

    @property
    def is_correction(self) -> bool:
        """Whether it puts an earlier message right; a reminder or a "still valid" only repeats one."""
        return bool(self.references) and self.purpose is Purpose.ALERT


class BroadcastHand(Base):
    """Somebody who created, edited or submitted any version. Rows are never removed."""

    __tablename__ = "broadcast_hand"

    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = created_at()


class BroadcastText(Base):
    """One text as submitted: what the hash covers and what the workers send, word for word.

    `later_body`: the same without the promise of the next message, for a wave that goes out when the promised time is past.
    """

    __tablename__ = "broadcast_text"

    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    variant: Mapped[Variant] = mapped_column(enum_column(Variant), primary_key=True)
    body: Mapped[str]
    later_body: Mapped[str | None]


class Audience(Base):
    """One frozen list, numbered within its message. Its members are written once and stay.

    `released_at`: every member has its first delivery. `released_to`: the member up to whom they have been made.
    `sharing_address`: people who are left out because every address of theirs is a member's; `sharing_ways`: members of
    whom a later way is left out for the same reason. `words_barred`: members of whom a number is left out, because its country's
    networks block these words.
    Wave 1 is what was approved; later waves hold those who matched later. One that `needs_approval` waits for it. Of one
    `is_after_promise` the text does not promise the next message: its time was past, or all but.
    """

    __tablename__ = "audience"
    __table_args__ = (
        UniqueConstraint("broadcast_id", "number"),
        CheckConstraint(
            "(released_at IS NULL) OR (NOT needs_approval) OR (approved_by IS NOT NULL AND approved_via = 'session')",
            name="wave_approved_by_person",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"))
    number: Mapped[int]
    wave: Mapped[int] = mapped_column(server_default="1")
    is_after_promise: Mapped[bool] = mapped_column(server_default=text("false"))
    areas: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    expected: Mapped[int]
    count: Mapped[int] = mapped_column(server_default="0")
    sharing_address: Mapped[int] = mapped_column(server_default="0")
    sharing_ways: Mapped[int] = mapped_column(server_default="0")
    words_barred: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = created_at()
    frozen_at: Mapped[datetime | None]
    needs_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    approved_by: Mapped[UUID | None]
    approved_via: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    declined_by: Mapped[UUID | None]
    declined_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_to: Mapped[int] = mapped_column(BigInteger, server_default="0")


class MessageTemplate(Base):
    """One version of prepared words. Approved by another person than who wrote it (constraint); words never change (trigger).

    Of the versions of one `code` at most one is in use: approved and not retired.
    """

    __tablename__ = "message_template"
    __table_args__ = (
        UniqueConstraint("code", "version"),
        CheckConstraint(
            "(next_message_every_minutes IS NULL) OR (kind = 'first_alert' AND next_message_every_minutes > 0)", name="only_first_promises"
        ),
        CheckConstraint(
            "(approved_by IS NULL AND approved_at IS NULL) OR (approved_at IS NOT NULL AND approved_by <> created_by"
            " AND approved_via = 'session')",
            name="two_people",
        ),
        Index("uq_message_template_in_use", "code", unique=True, postgresql_where=text("approved_at IS NOT NULL AND retired_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    code: Mapped[str]
    version: Mapped[int]
    kind: Mapped[TemplateKind] = mapped_column(enum_column(TemplateKind))
    event_kind: Mapped[Kind | None] = mapped_column(enum_column(Kind))
    title: Mapped[str]
    texts: Mapped[dict[str, str]] = mapped_column(JSONB)
    next_message_every_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    content_hash: Mapped[str]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = created_at()
    approved_by: Mapped[UUID | None]
    approved_via: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    retired_by: Mapped[UUID | None]
    retired_at: Mapped[datetime | None]

    @property
    def state(self) -> TemplateState:
        """Where this version stands: derived, so that it can never disagree with its times."""
        if self.retired_at is not None:
            return TemplateState.RETIRED
        return TemplateState.WAITING if self.approved_at is None else TemplateState.IN_USE


class AudienceMember(Base):
    """One person of a frozen list, with the ways to reach them. Immutable but for the link's generation.

    Ids rise in the order of sending: nearest to the danger first, then declared need. `address_id` is the row of the first
    way (a phone, a device, …); `further_ways` lists the next ones in order, each `[channel, address id, number's country]`.
    """

    __tablename__ = "audience_member"
    __table_args__ = (
        UniqueConstraint("audience_id", "citizen_id"),
        CheckConstraint("(channel = 'none') = (unreachable IS NOT NULL)", name="none_has_a_reason"),
        CheckConstraint("channel <> 'push' OR device_id IS NOT NULL", name="push_has_device"),
        CheckConstraint("channel <> 'sms' OR phone_id IS NOT NULL", name="sms_has_phone"),
        Index("ix_audience_member_citizen_id", "citizen_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    audience_id: Mapped[int] = mapped_column(ForeignKey("audience.id"))
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"))
    wave: Mapped[int] = mapped_column(server_default="1")
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    phone_id: Mapped[UUID | None] = mapped_column(ForeignKey("phone.id"))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    unreachable: Mapped[Unreachable | None] = mapped_column(enum_column(Unreachable))
    language: Mapped[str]
    reason: Mapped[str]
    number_country: Mapped[str | None]
    address_id: Mapped[UUID | None]
    further_ways: Mapped[list[list[str | None]]] = mapped_column(JSONB, server_default=text("'[]'"))
    link_generation: Mapped[int] = mapped_column(server_default="1")
