"""The table of country rules: one row per version, written once."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, Numeric, Time, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from alerts.channels.country_rules import Known, QuietScope, SenderKind
from alerts.country_rules.rules import RuledChannel
from alerts.kit.db import Base, created_at, enum_column, uuid_pk


def _known(name: str) -> Enum:
    """`Known` under a CHECK of its own name: a table has several such columns."""
    kind: type[StrEnum] = Known
    words = enum_column(kind)
    words.name = name
    return words


class CountryRuleVersion(Base):
    """What a provider's channel allowed for numbers of one country, as of one edit. The highest version counts.

    `edited_by` null: as packaged with the product. What each column means and its units: `channels.country_rules.CountryRule`.
    """

    __tablename__ = "country_rule"
    __table_args__ = (
        UniqueConstraint("provider", "channel", "number_country", "version"),
        CheckConstraint("rate_per_second > 0", name="rate_is_positive"),
        CheckConstraint("price_per_segment >= 0", name="price_is_not_negative"),
        CheckConstraint("(price_per_segment IS NULL) = (currency = '')", name="price_has_currency"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet_hours_have_two_ends"),
    )

    id: Mapped[UUID] = uuid_pk()
    provider: Mapped[str]
    channel: Mapped[RuledChannel] = mapped_column(enum_column(RuledChannel))
    number_country: Mapped[str]
    version: Mapped[int]
    outbound: Mapped[Known] = mapped_column(_known("outbound"))
    two_way: Mapped[Known] = mapped_column(_known("two_way"))
    urls: Mapped[Known] = mapped_column(_known("urls"))
    phone_numbers: Mapped[Known] = mapped_column(_known("phone_numbers"))
    sender_kind: Mapped[SenderKind] = mapped_column(enum_column(SenderKind))
    sender_id: Mapped[str] = mapped_column(server_default="")
    rate_per_second: Mapped[float | None]
    receipts: Mapped[Known] = mapped_column(_known("receipts"))
    quiet_scope: Mapped[QuietScope] = mapped_column(enum_column(QuietScope))
    quiet_from: Mapped[time | None] = mapped_column(Time())
    quiet_until: Mapped[time | None] = mapped_column(Time())
    quiet_zone: Mapped[str] = mapped_column(server_default="")
    price_per_segment: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    currency: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")
    source: Mapped[str] = mapped_column(server_default="")
    edited_by: Mapped[UUID | None]
    edited_at: Mapped[datetime] = created_at()
