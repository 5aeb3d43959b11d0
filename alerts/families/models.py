"""Enquiries, the calls that make them, and their history. Calls and entries are written once and stay (triggers refuse change)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from alerts.families.rules import EnquiryState, EntryKind, Relation
from alerts.incidents.rules import Status
from alerts.kit.db import Base, enum_column, uuid_pk


class Enquiry(Base):
    """Somebody is sought: one case with an owner. `owner_mission` null: the ministry's crisis centre has it.

    `is_handed_over`: another desk than the owner's wrote it down, so the owner must be told. `citizen_id`, `person_id`: whom staff
    recognised. `joined_into`: found to be about the same person as that one, which has the case.
    """

    __tablename__ = "enquiry"
    __table_args__ = (
        ForeignKeyConstraint(["incident_id", "status"], ["incident.id", "incident.status"]),
        CheckConstraint("joined_into <> id", name="not_joined_to_itself"),
        Index("ix_enquiry_incident_id", "incident_id", "owner_mission", "state"),
        Index("ix_enquiry_sought_sounds", "sought_sounds", postgresql_using="gin"),
    )

    id: Mapped[UUID] = uuid_pk()
    incident_id: Mapped[UUID]
    status: Mapped[Status] = mapped_column(enum_column(Status))
    sought_name_enc: Mapped[bytes] = mapped_column(LargeBinary)
    sought_sounds: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    about_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    sought_phone_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    place_code: Mapped[str | None]
    owner_mission: Mapped[str | None] = mapped_column(ForeignKey("mission.code"))
    is_owner_assumed: Mapped[bool] = mapped_column(server_default=text("false"))
    is_handed_over: Mapped[bool] = mapped_column(server_default=text("false"))
    owned_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[EnquiryState] = mapped_column(enum_column(EnquiryState), server_default=EnquiryState.OPEN.value)
    state_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    acting_by: Mapped[str | None]
    citizen_id: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"), index=True)
    joined_into: Mapped[UUID | None] = mapped_column(ForeignKey("enquiry.id"), index=True)
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_call_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    version: Mapped[int] = mapped_column(server_default="1")


class EnquiryCall(Base):
    """One call of one caller, with all that they said, also where it joins a case that says something else.

    The reference is this caller's own: it tells nobody that others ask too. `sought_name_enc` null: a call of before it was kept.
    """

    __tablename__ = "enquiry_call"
    __table_args__ = (Index("ix_enquiry_call_caller", "caller_phone_index", postgresql_where=text("caller_phone_index IS NOT NULL")),)

    id: Mapped[UUID] = uuid_pk()
    enquiry_id: Mapped[UUID] = mapped_column(ForeignKey("enquiry.id"), index=True)
    reference: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    taken_by: Mapped[str]
    caller_name_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    caller_phone_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    caller_phone_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    relation: Mapped[Relation] = mapped_column(enum_column(Relation))
    sought_name_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    sought_phone_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    about_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    place_code: Mapped[str | None]
    last_contact_at: Mapped[datetime | None]
    last_contact_enc: Mapped[bytes | None] = mapped_column(LargeBinary)


class EnquiryEntry(Base):
    """One thing that happened to an enquiry. `permitted` with nothing in `tells` ends an earlier permission."""

    __tablename__ = "enquiry_entry"
    __table_args__ = (
        CheckConstraint(
            "kind <> 'permitted' OR tells = '{}' OR (contacted_by IS NOT NULL AND contacted_at IS NOT NULL AND contact_how IS NOT NULL)",
            name="permission_has_contact",
        ),
        CheckConstraint("(kind = 'moved') = (to_state IS NOT NULL)", name="move_has_state"),
    )

    id: Mapped[UUID] = uuid_pk()
    enquiry_id: Mapped[UUID] = mapped_column(ForeignKey("enquiry.id"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[EntryKind] = mapped_column(enum_column(EntryKind))
    actor: Mapped[str]
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("enquiry_call.id"))
    to_state: Mapped[EnquiryState | None] = mapped_column(enum_column(EnquiryState))
    to_mission: Mapped[str | None]
    other_id: Mapped[UUID | None]
    tells: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    contacted_by: Mapped[str | None]
    contacted_at: Mapped[datetime | None]
    contact_how: Mapped[str | None]
    note_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
