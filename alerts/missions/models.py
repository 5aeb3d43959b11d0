"""Missions, the countries they are accredited to, and consular districts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from alerts.kit.db import Base, enum_column
from alerts.missions.rules import AccreditationBasis, MissionKind, MissionState


class Mission(Base):
    """One mission. `name` is the usual Indonesian one; `country_iso2` is where it stands, null for permanent missions."""

    __tablename__ = "mission"
    __table_args__ = (
        CheckConstraint("(state = 'suspended') = (covered_by IS NOT NULL)", name="suspended_is_covered"),
        CheckConstraint("covered_by <> code", name="not_covered_by_itself"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[MissionKind] = mapped_column(enum_column(MissionKind))
    name: Mapped[str]
    city: Mapped[str]
    country_iso2: Mapped[str | None]
    lat: Mapped[float]
    lon: Mapped[float]
    state: Mapped[MissionState] = mapped_column(enum_column(MissionState))
    covered_by: Mapped[str | None] = mapped_column(ForeignKey("mission.code", deferrable=True, initially="DEFERRED"))
    note: Mapped[str | None]
    source: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MissionCountry(Base):
    """A country that a mission is accredited to."""

    __tablename__ = "mission_country"

    mission_code: Mapped[str] = mapped_column(ForeignKey("mission.code"), primary_key=True)
    country_iso2: Mapped[str] = mapped_column(primary_key=True, index=True)
    basis: Mapped[AccreditationBasis] = mapped_column(enum_column(AccreditationBasis))
    source: Mapped[str]


class MissionDistrict(Base):
    """A province or territory in a consulate's district. `is_assumed`: no published source names it."""

    __tablename__ = "mission_district"

    mission_code: Mapped[str] = mapped_column(ForeignKey("mission.code"), primary_key=True)
    place_code: Mapped[str] = mapped_column(primary_key=True, index=True)
    is_assumed: Mapped[bool]
    source_words: Mapped[str]
