"""The register: people, their phones and devices, opt-outs, and what each import did.

Personal fields are ciphertext (`*_enc`, AAD = table, column, row) beside a keyed fingerprint (`*_index`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from alerts.citizens.rules import CitizenClass, DevicePlatform, ImportState, OptSource, RowOutcome
from alerts.kit.db import Base, created_at, enum_column, uuid_pk


class Citizen(Base):
    """One person abroad.

    `place_as_of` says when the place was true (null: nobody knows). `lat`/`lon` are null when only the
    province or the country is known. `source_digest` fingerprints the last imported row: equal means unchanged.
    `is_tester`: agreed, at `tester_consented_at`, to be sent exercises; nobody else is (trigger on the lists).
    """

    __tablename__ = "citizen"
    __table_args__ = (
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_is_whole"),
        CheckConstraint("stay_until >= stay_from", name="stay_in_order"),
        CheckConstraint("merged_into <> id", name="not_merged_into_itself"),
        CheckConstraint("province_code IS NULL OR left(province_code, 2) = country_iso2", name="province_in_country"),
        CheckConstraint("is_tester = (tester_consented_at IS NOT NULL)", name="tester_consented"),
        CheckConstraint(
            "(class = 'synthetic') = (country_iso2 = 'ZZ') AND (class <> 'synthetic' OR external_id IS NULL AND NOT is_tester)",
            name="synthetic_is_nowhere",
        ),
        Index("ix_citizen_place", "country_iso2", "province_code"),
        Index("ix_citizen_point", "lat", "lon", postgresql_where=text("lat IS NOT NULL")),
        Index("ix_citizen_synthetic", "id", postgresql_where=text("class = 'synthetic'")),
    )

    id: Mapped[UUID] = uuid_pk()
    external_id: Mapped[str | None] = mapped_column(unique=True)
    name_enc: Mapped[bytes] = mapped_column(LargeBinary)
    name_index: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    language: Mapped[str]
    class_: Mapped[CitizenClass] = mapped_column("class", enum_column(CitizenClass))
    country_iso2: Mapped[str]
    province_code: Mapped[str | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    place_as_of: Mapped[datetime | None]
    stay_from: Mapped[date | None]
    stay_until: Mapped[date | None]
    wants_whatsapp: Mapped[bool] = mapped_column(server_default=false())
    is_vulnerable: Mapped[bool] = mapped_column(server_default=false())
    is_tester: Mapped[bool] = mapped_column(server_default=false())
    tester_consented_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]
    died_at: Mapped[datetime | None]
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("citizen.id"))
    source_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = created_at()
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CitizenName(Base):
    """What a name is found by in another spelling: keyed fingerprints of its sounds (`finding`), never the name.

    `name_index` is that of the name they were made of, `version` that of the rules: another one says that they are stale.
    """

    __tablename__ = "citizen_name"
    __table_args__ = (Index("ix_citizen_name_sounds", "sounds", postgresql_using="gin"),)

    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"), primary_key=True)
    name_index: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[int] = mapped_column(SmallInteger)
    sounds: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class Phone(Base):
    """A phone number, never changed once written (a trigger sees to it): a new number is a new row, the old one retires.

    An unusable number is kept as it was written, with `is_valid` false and no country.
    """

    __tablename__ = "phone"
    __table_args__ = (
        CheckConstraint("position IN (1, 2)", name="position_known"),
        CheckConstraint("is_valid = (number_country IS NOT NULL)", name="valid_has_country"),
        Index("uq_phone_current", "citizen_id", "position", unique=True, postgresql_where=text("retired_at IS NULL")),
        Index("ix_phone_e164_index", "e164_index", postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    e164_enc: Mapped[bytes] = mapped_column(LargeBinary)
    e164_index: Mapped[bytes] = mapped_column(LargeBinary)
    number_country: Mapped[str | None]
    position: Mapped[int] = mapped_column(SmallInteger)
    is_valid: Mapped[bool]
    created_at: Mapped[datetime] = created_at()
    retired_at: Mapped[datetime | None]


class Device(Base):
    """A mobile client that takes push messages. One token belongs to one person at a time.

    `link_member_id`, `link_generation`: by whose link it came, and which one; null: staff or an import registered it.
    """

    __tablename__ = "device"
    __table_args__ = (
        CheckConstraint("(link_member_id IS NULL) = (link_generation IS NULL)", name="link_is_whole"),
        Index("uq_device_token_index", "token_index", unique=True, postgresql_where=text("retired_at IS NULL")),
        Index("ix_device_citizen_id", "citizen_id", postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    platform: Mapped[DevicePlatform] = mapped_column(enum_column(DevicePlatform))
    token_enc: Mapped[bytes] = mapped_column(LargeBinary)
    token_index: Mapped[bytes] = mapped_column(LargeBinary)
    link_member_id: Mapped[int | None] = mapped_column(BigInteger)
    link_generation: Mapped[int | None]
    last_seen_at: Mapped[datetime]
    created_at: Mapped[datetime] = created_at()
    retired_at: Mapped[datetime | None]


class WebPushSubscription(Base):
    """A browser that takes Web Push: where to post, and the keys that seal what is posted. One endpoint, one person.

    `is_exercise`: it subscribed for the key of exercises, so nothing else can be sent to it, and it takes no alert.
    `link_member_id`, `link_generation`: as of a device.
    """

    __tablename__ = "web_push_subscription"
    __table_args__ = (
        CheckConstraint("(link_member_id IS NULL) = (link_generation IS NULL)", name="link_is_whole"),
        Index("ix_web_push_subscription_citizen_id", "citizen_id", postgresql_where=text("retired_at IS NULL")),
        Index("uq_web_push_subscription_endpoint_index", "endpoint_index", unique=True, postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    endpoint_enc: Mapped[bytes] = mapped_column(LargeBinary)
    endpoint_index: Mapped[bytes] = mapped_column(LargeBinary)
    p256dh_enc: Mapped[bytes] = mapped_column(LargeBinary)
    auth_enc: Mapped[bytes] = mapped_column(LargeBinary)
    is_exercise: Mapped[bool] = mapped_column(server_default=false())
    link_member_id: Mapped[int | None] = mapped_column(BigInteger)
    link_generation: Mapped[int | None]
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = created_at()
    retired_at: Mapped[datetime | None]


class EmailAddress(Base):
    """Where a person reads mail; one at a time. Never changed once written: a new address is a new row."""

    __tablename__ = "email_address"
    __table_args__ = (
        Index("uq_email_address_citizen_id", "citizen_id", unique=True, postgresql_where=text("retired_at IS NULL")),
        Index("ix_email_address_address_index", "address_index", postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = uuid_pk()
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"))
    address_enc: Mapped[bytes] = mapped_column(LargeBinary)
    address_index: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = created_at()
    retired_at: Mapped[datetime | None]


class OptChange(Base):
    """One opting out or in again, and how we learned of it. The state itself is `citizen.opted_out_at`."""

    __tablename__ = "opt_change"

    id: Mapped[UUID] = uuid_pk()
    citizen_id: Mapped[UUID] = mapped_column(ForeignKey("citizen.id"), index=True)
    is_out: Mapped[bool]
    source: Mapped[OptSource] = mapped_column(enum_column(OptSource))
    at: Mapped[datetime] = created_at()


class ImportRun(Base):
    """One reading of one file. `counts` holds the number of rows per outcome, and of warnings."""

    __tablename__ = "import_run"

    id: Mapped[UUID] = uuid_pk()
    actor: Mapped[str]
    is_dry_run: Mapped[bool]
    state: Mapped[ImportState] = mapped_column(enum_column(ImportState))
    file_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    encoding: Mapped[str]
    delimiter: Mapped[str]
    ignored_columns: Mapped[list[str]] = mapped_column(JSONB)
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = created_at()
    finished_at: Mapped[datetime | None]


class ImportRow(Base):
    """What became of one row of a file: its outcome and what was wrong with it. No personal data."""

    __tablename__ = "import_row"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[RowOutcome] = mapped_column(enum_column(RowOutcome))
    external_id: Mapped[str | None]
    citizen_id: Mapped[UUID | None]
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
