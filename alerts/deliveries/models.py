"""Tables of the fan-out: batches (claims), deliveries (a person and a step), windows (intents), attempts, receipts.

A window's row is the intent: committed before its messages leave, it says of which deliveries nobody can any more say
that they never began. An attempt's row is written when something is known of it: an answer, a callback, a look-up, or
that its window was left alone. What lies in an open window is being sent, whatever else its delivery's row says.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from alerts.broadcasts.rules import Channel
from alerts.deliveries.rules import STEP_PLACES, BatchState, Evidence, State
from alerts.kit.db import Base, created_at, enum_column


class DeliveryBatch(Base):
    """About 500 deliveries of one lane (channel and number's country) that one worker sends.

    A claim raises `generation`; an older one can write nothing. `begun_at`: its first claim. `next_step_at`: when to look
    for those whose time to answer is over; they get the next step. `is_overtaken`: that was done once, and whoever is
    still queued here may have a later step already. `dead_count`: addresses that the provider called dead;
    `held_at`: when they became so many that the rest was stopped.
    """

    __tablename__ = "delivery_batch"
    __table_args__ = (
        Index("ix_delivery_batch_open", "due_at", postgresql_where=text("state <> 'done'")),
        Index("ix_delivery_batch_next_step_at", "next_step_at", postgresql_where=text("next_step_at IS NOT NULL")),
        Index("ix_delivery_batch_audience_id", "audience_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcast.id"), index=True)
    audience_id: Mapped[int | None] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    channel: Mapped[Channel] = mapped_column(enum_column(Channel), server_default=Channel.SMS.value)
    number_country: Mapped[str] = mapped_column(server_default="")
    first_member_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    state: Mapped[BatchState] = mapped_column(enum_column(BatchState), server_default=BatchState.WAITING.value)
    generation: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime] = created_at()
    rung_at: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    next_step_at: Mapped[datetime | None]
    is_overtaken: Mapped[bool] = mapped_column(server_default=text("false"))
    dead_count: Mapped[int] = mapped_column(server_default="0")
    held_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_at()


class SenderRest(Base):
    """A sender whose provider refuses our account: nobody sends by it; after `until` one message tries whether it does again."""

    __tablename__ = "sender_rest"

    sender: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    closed_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    until: Mapped[datetime]
    told_at: Mapped[datetime]


class Delivery(Base):
    """One step towards one person. Every member of a released list has at least its first one, reachable or not.

    The id is made of the member and the step: one delivery per person and step is the primary key's own doing.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint(f"id = member_id * {STEP_PLACES} + step AND step BETWEEN 1 AND {STEP_PLACES - 1}", name="id_is_member_and_step"),
        CheckConstraint("state NOT IN ('accepted', 'sent') OR provider_id IS NOT NULL", name="sent_has_provider_id"),
        Index("ix_delivery_batch_id", "batch_id"),
        {"postgresql_with": {"fillfactor": "45"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(BigInteger)
    broadcast_id: Mapped[UUID]
    batch_id: Mapped[int] = mapped_column(BigInteger)
    address_id: Mapped[UUID | None]
    step: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    state: Mapped[State] = mapped_column(enum_column(State), server_default=State.QUEUED.value)
    number_country: Mapped[str | None]
    next_attempt_at: Mapped[datetime | None]
    provider_id: Mapped[str | None]
    error_code: Mapped[str | None]
    state_at: Mapped[datetime] = created_at()
    created_at: Mapped[datetime] = created_at()
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]


class SendWindow(Base):
    """The log of windows: deliveries whose handing-over was begun together, committed before the first byte left.

    `numbers` are the attempts' numbers, `resend_of` (of permitted repetitions only) those of the attempts repeated.
    """

    __tablename__ = "send_window"
    __table_args__ = (Index("ix_send_window_open", "lease_until", postgresql_where=text("closed_at IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int]
    sender: Mapped[str]
    deliveries: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    numbers: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    resend_of: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    intent_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    lease_until: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Attempt(Base):
    """One handing-over, and how its outcome became known. Its name outside is `<delivery>-<number>`."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_open", "intent_at", postgresql_where=text("state = 'unknown'")),
        Index("ix_attempt_again", "delivery_id", postgresql_where=text("number > 1")),
        Index(
            "ix_attempt_told_failed",
            "resolved_at",
            postgresql_where=text("state IN ('undelivered', 'failed') AND evidence IN ('callback', 'lookup') AND error_code IS NOT NULL"),
        ),
        Index("ix_attempt_handset_off", "resolved_at", postgresql_where=text("state = 'undelivered' AND error_code = '30003'")),
    )

    delivery_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    window_id: Mapped[int | None] = mapped_column(BigInteger)
    channel: Mapped[Channel] = mapped_column(enum_column(Channel))
    sender: Mapped[str] = mapped_column(Text, server_default="")
    state: Mapped[State] = mapped_column(enum_column(State))
    evidence: Mapped[Evidence] = mapped_column(enum_column(Evidence))
    resend_of: Mapped[int | None] = mapped_column(SmallInteger)
    intent_at: Mapped[datetime] = created_at()
    resolved_at: Mapped[datetime] = created_at()
    looked_up_at: Mapped[datetime | None]
    look_up_tried_at: Mapped[datetime | None]
    provider_id: Mapped[str | None]
    raw_status: Mapped[str | None]
    error_code: Mapped[str | None]


class Installation(Base):
    """The server on which the database was last known to be: one row, compared before anything is sent (see restoring.py)."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="is_one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    system_identifier: Mapped[str]
    timeline: Mapped[int] = mapped_column(BigInteger)
    known_at: Mapped[datetime] = created_at()


class Receipt(Base):
    """What a carrier called back, each distinct word once, possibly before anything else is known of the attempt.

    Words that we do not know are kept raw. `source`: the dialect the word belongs to.
    """

    __tablename__ = "receipt"
    __table_args__ = (Index("ix_receipt_new", "received_at", postgresql_where=text("applied_at IS NULL")),)

    delivery_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    raw_status: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(server_default="twilio")
    error_code: Mapped[str | None]
    provider_id: Mapped[str | None]
    received_at: Mapped[datetime] = created_at()
    applied_at: Mapped[datetime | None]
