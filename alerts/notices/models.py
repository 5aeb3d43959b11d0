"""Tables of messages to staff: addresses, rosters, pages, the messages themselves, alarms.

Addresses are ciphertext (AAD = table, column, row) beside a keyed fingerprint, like the citizens'. What a page or a message
is about is a plain id of a higher slice.
"""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, created_at, enum_column, uuid_pk
from alerts.notices.rules import AlarmKind, Channel, ContactKind, State, StopReason
from alerts.staff.rules import Role

_CURRENT = text("retired_at IS NULL")
_ROUND = ("paging_id", "round", "contact_id", "channel")
_STATUS = "status IN ('Actual', 'Exercise')"


class StaffContact(Base):
    """One address of somebody of the staff. Never changed: another number is another row. A duty phone may be several people's."""

    __tablename__ = "staff_contact"
    __table_args__ = (
        CheckConstraint("(kind = 'web_push') = (p256dh_enc IS NOT NULL AND auth_enc IS NOT NULL)", name="web_push_has_keys"),
        CheckConstraint("(kind IN ('phone', 'whatsapp')) OR (number_country IS NULL)", name="country_of_phone"),
        Index("uq_staff_contact_staff_id_address_index", "staff_id", "address_index", unique=True, postgresql_where=_CURRENT),
        Index(
            "uq_staff_contact_device",
            "address_index",
            unique=True,
            postgresql_where=text("retired_at IS NULL AND kind IN ('push', 'web_push')"),
        ),
    )

    id: Mapped[UUID] = uuid_pk()
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    kind: Mapped[ContactKind] = mapped_column(enum_column(ContactKind))
    address_enc: Mapped[bytes] = mapped_column(LargeBinary)
    address_index: Mapped[bytes] = mapped_column(LargeBinary)
    p256dh_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    auth_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    number_country: Mapped[str | None]
    created_at: Mapped[datetime] = created_at()
    retired_at: Mapped[datetime | None]


class Duty(Base):
    """One line of a roster: who is first (position 1) and who deputises, for a role and, where it has one, a mission."""

    __tablename__ = "duty"
    __table_args__ = (
        UniqueConstraint("role", "mission_code", "staff_id", name="uq_duty_person", postgresql_nulls_not_distinct=True),
        UniqueConstraint("role", "mission_code", "position", name="uq_duty_position", postgresql_nulls_not_distinct=True),
        CheckConstraint("(hours_from IS NULL) = (hours_until IS NULL)", name="hours_are_whole"),
        CheckConstraint("position >= 1", name="position"),
    )

    id: Mapped[UUID] = uuid_pk()
    role: Mapped[Role] = mapped_column(enum_column(Role))
    mission_code: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    is_on: Mapped[bool] = mapped_column(server_default=text("true"))
    hours_from: Mapped[time | None]
    hours_until: Mapped[time | None]
    zone: Mapped[str] = mapped_column(server_default="Asia/Jakarta")


class Paging(Base):
    """A page that repeats until somebody acts. One open page per subject; `next_at` is when the next round is due.

    `level` counts the rounds rung; `excluded` are people who must not be asked (who wrote a message cannot approve it);
    `version` tells one submission of the same thing from the next.
    """

    __tablename__ = "paging"
    __table_args__ = (
        CheckConstraint(_STATUS, name="status"),
        CheckConstraint("(stopped_at IS NULL) = (next_at IS NOT NULL)", name="open_has_a_next_round"),
        CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stopped_says_why"),
        Index("uq_paging_open", "kind", "subject_id", unique=True, postgresql_where=text("stopped_at IS NULL")),
        Index("ix_paging_next_at", "next_at", postgresql_where=text("stopped_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    kind: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    version: Mapped[str] = mapped_column(server_default="")
    incident_id: Mapped[UUID | None]
    status: Mapped[str]
    role: Mapped[Role] = mapped_column(enum_column(Role))
    mission_code: Mapped[str | None]
    texts: Mapped[dict[str, str]] = mapped_column(JSONB)
    path: Mapped[str]
    excluded: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default=text("'{}'"))
    is_quiet: Mapped[bool] = mapped_column(server_default=text("false"))
    level: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime] = created_at()
    next_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[UUID | None]
    stop_reason: Mapped[StopReason | None] = mapped_column(enum_column(StopReason))


class Notice(Base):
    """One message to one address of one person. The committed `sending` row is the intent; `attempts` is its generation."""

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint(_STATUS, name="status"),
        CheckConstraint("(status = 'Exercise') = (upper(body) LIKE 'LATIHAN%')", name="exercise_says_so"),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="sending_has_a_lease"),
        Index("uq_notice_round", *_ROUND, unique=True, postgresql_where=text("paging_id IS NOT NULL")),
        Index("ix_notice_due_at", "due_at", postgresql_where=text("state = 'queued'")),
        Index("ix_notice_lease_until", "lease_until", postgresql_where=text("state = 'sending'")),
        Index("ix_notice_staff_id_id", "staff_id", "id"),
    )

    id: Mapped[UUID] = uuid_pk()
    kind: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    paging_id: Mapped[UUID | None] = mapped_column(ForeignKey("paging.id"))
    round: Mapped[int] = mapped_column(server_default="1")
    status: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("staff_contact.id", ondelete="CASCADE"))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    language: Mapped[str]
    body: Mapped[str]
    path: Mapped[str] = mapped_column(server_default="")
    is_quiet: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.QUEUED.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    intent_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    provider_id: Mapped[str | None]
    raw_status: Mapped[str | None]
    error_code: Mapped[str | None]
    state_at: Mapped[datetime] = created_at()
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at()


class Alarm(Base):
    """Something that needs a person, shown until somebody says they have it; paged at most once per kind, sender and hour."""

    __tablename__ = "alarm"
    __table_args__ = (
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged_by_somebody"),
        Index("uq_alarm_open", "kind", "sender", unique=True, postgresql_where=text("acknowledged_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    kind: Mapped[AlarmKind] = mapped_column(enum_column(AlarmKind))
    sender: Mapped[str]
    count: Mapped[int] = mapped_column(server_default="0")
    first_at: Mapped[datetime] = created_at()
    last_at: Mapped[datetime] = created_at()
    paged_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
