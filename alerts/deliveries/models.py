"""Tables of the fan-out: batches (claims), deliveries (a person and a step), attempts (one handing-over), receipts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from alerts.broadcasts.rules import Channel
from alerts.deliveries.rules import BatchState, Evidence, State
from alerts.kit.db import Base, created_at, enum_column, uuid_pk


class DeliveryBatch(Base):
    """About 500 deliveries that one worker sends. A claim raises `generation`; an older one can write nothing."""

    __tablename__ = "delivery_batch"
    __table_args__ = (Index("ix_delivery_batch_open", "due_at", postgresql_where=text("state <> 'done'")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), index=True)
    state: Mapped[BatchState] = mapped_column(enum_column(BatchState), server_default=BatchState.WAITING.value)
    generation: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime] = created_at()
    rung_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at()


class Delivery(Base):
    """One step towards one person. Every member of a released list has at least its first one, reachable or not."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("member_id", "step"),
        CheckConstraint("state NOT IN ('accepted', 'sent') OR provider_id IS NOT NULL", name="sent_has_provider_id"),
        Index("ix_delivery_batch_state", "batch_id", "state"),
        Index("ix_delivery_broadcast_id", "broadcast_id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("audience_member.id"))
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("delivery_batch.id"))
    step: Mapped[int] = mapped_column(server_default="1")
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.QUEUED.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None]
    provider_id: Mapped[str | None]
    error_code: Mapped[str | None]
    state_at: Mapped[datetime] = created_at()
    created_at: Mapped[datetime] = created_at()
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]


class Attempt(Base):
    """One handing-over, written and committed *before* it happens: afterwards nobody can say that it never began."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_delivery_id", "delivery_id"),
        Index("uq_attempt_resend_of", "resend_of", unique=True, postgresql_where=text("state <> 'failed'")),
        Index("ix_attempt_open", "intent_at", postgresql_where=text("state IN ('sending', 'unknown')")),
    )

    id: Mapped[UUID] = uuid_pk()
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    batch_id: Mapped[int] = mapped_column(ForeignKey("delivery_batch.id"))
    generation: Mapped[int]
    number: Mapped[int]
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    state: Mapped[State] = mapped_column(enum_column(State))
    evidence: Mapped[Evidence | None] = mapped_column(enum_column(Evidence))
    resend_of: Mapped[UUID | None] = mapped_column(ForeignKey("attempt.id"))
    intent_at: Mapped[datetime] = created_at()
    lease_until: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    looked_up_at: Mapped[datetime | None]
    look_up_tried_at: Mapped[datetime | None]
    provider_id: Mapped[str | None]
    raw_status: Mapped[str | None]
    error_code: Mapped[str | None]


class Receipt(Base):
    """What a carrier called back, each distinct word once. Words that we do not know are kept raw."""

    __tablename__ = "receipt"
    __table_args__ = (Index("ix_receipt_new", "received_at", postgresql_where=text("applied_at IS NULL")),)

    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    raw_status: Mapped[str] = mapped_column(primary_key=True)
    error_code: Mapped[str | None]
    provider_id: Mapped[str | None]
    received_at: Mapped[datetime] = created_at()
    applied_at: Mapped[datetime | None]
