"""The register: people, phones, devices, opt-outs and imports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_citizens"
down_revision = "0003_missions"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
NEW_ID = sa.text("uuidv7()")
IMMUTABLE_PHONE = """
CREATE FUNCTION refuse_phone_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.citizen_id, NEW.e164_index, NEW.number_country, NEW.position, NEW.is_valid, NEW.created_at)
        IS DISTINCT FROM
       (OLD.id, OLD.citizen_id, OLD.e164_index, OLD.number_country, OLD.position, OLD.is_valid, OLD.created_at)
    THEN
        RAISE EXCEPTION 'a phone row does not change; write a new one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_citizen()
    _create_phone()
    _create_device()
    _create_opt_change()
    _create_imports()


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False)


def _at(name: str, *, is_now: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW if is_now else None, nullable=not is_now)


def _create_citizen() -> None:
    op.create_table(
        "citizen",
        _id(),
        sa.Column("external_id", sa.Text()),
        sa.Column("name_enc", sa.LargeBinary(), nullable=False),
        sa.Column("name_index", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("class", sa.String(40), nullable=False),
        sa.Column("country_iso2", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text()),
        sa.Column("lat", sa.Float()),
        sa.Column("lon", sa.Float()),
        _at("place_as_of"),
        sa.Column("stay_from", sa.Date()),
        sa.Column("stay_until", sa.Date()),
        _at("opted_out_at"),
        _at("died_at"),
        sa.Column("merged_into", sa.Uuid()),
        sa.Column("source_digest", sa.LargeBinary()),
        _at("created_at", is_now=True),
        _at("updated_at", is_now=True),
        sa.PrimaryKeyConstraint("id", name="pk_citizen"),
        sa.UniqueConstraint("external_id", name="uq_citizen_external_id"),
        sa.ForeignKeyConstraint(["merged_into"], ["citizen.id"], name="fk_citizen_merged_into"),
        sa.CheckConstraint("class IN ('resident', 'traveller', 'contingent', 'seafarer')", name=op.f("ck_citizen_citizen_class")),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_citizen_point_is_whole")),
        sa.CheckConstraint("stay_until >= stay_from", name=op.f("ck_citizen_stay_in_order")),
        sa.CheckConstraint("merged_into <> id", name=op.f("ck_citizen_not_merged_into_itself")),
        sa.CheckConstraint("province_code IS NULL OR left(province_code, 2) = country_iso2", name=op.f("ck_citizen_province_in_country")),
    )
    op.create_index("ix_citizen_name_index", "citizen", ["name_index"])
    op.create_index("ix_citizen_place", "citizen", ["country_iso2", "province_code"])
    op.create_index("ix_citizen_point", "citizen", ["lat", "lon"], postgresql_where=sa.text("lat IS NOT NULL"))


def _create_phone() -> None:
    op.create_table(
        "phone",
        _id(),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("e164_enc", sa.LargeBinary(), nullable=False),
        sa.Column("e164_index", sa.LargeBinary(), nullable=False),
        sa.Column("number_country", sa.Text()),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("is_valid", sa.Boolean(), nullable=False),
        _at("created_at", is_now=True),
        _at("retired_at"),
        sa.PrimaryKeyConstraint("id", name="pk_phone"),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name="fk_phone_citizen_id"),
        sa.CheckConstraint("position IN (1, 2)", name=op.f("ck_phone_position_known")),
        sa.CheckConstraint("is_valid = (number_country IS NOT NULL)", name=op.f("ck_phone_valid_has_country")),
    )
    current = sa.text("retired_at IS NULL")
    op.create_index("uq_phone_current", "phone", ["citizen_id", "position"], unique=True, postgresql_where=current)
    op.create_index("ix_phone_e164_index", "phone", ["e164_index"], postgresql_where=current)
    op.execute(IMMUTABLE_PHONE)
    op.execute("CREATE TRIGGER phone_is_immutable BEFORE UPDATE ON phone FOR EACH ROW EXECUTE FUNCTION refuse_phone_change()")


def _create_device() -> None:
    op.create_table(
        "device",
        _id(),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(40), nullable=False),
        sa.Column("token_enc", sa.LargeBinary(), nullable=False),
        sa.Column("token_index", sa.LargeBinary(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        _at("created_at", is_now=True),
        _at("retired_at"),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name="fk_device_citizen_id"),
        sa.CheckConstraint("platform IN ('fcm')", name=op.f("ck_device_device_platform")),
    )
    current = sa.text("retired_at IS NULL")
    op.create_index("uq_device_token_index", "device", ["token_index"], unique=True, postgresql_where=current)
    op.create_index("ix_device_citizen_id", "device", ["citizen_id"], postgresql_where=current)


def _create_opt_change() -> None:
    op.create_table(
        "opt_change",
        _id(),
        sa.Column("citizen_id", sa.Uuid(), nullable=False),
        sa.Column("is_out", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        _at("at", is_now=True),
        sa.PrimaryKeyConstraint("id", name="pk_opt_change"),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name="fk_opt_change_citizen_id"),
        sa.CheckConstraint("source IN ('inbound', 'carrier', 'import', 'staff', 'app')", name=op.f("ck_opt_change_opt_source")),
    )
    op.create_index("ix_opt_change_citizen_id", "opt_change", ["citizen_id"])


def _create_imports() -> None:
    op.create_table(
        "import_run",
        _id(),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary()),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("delimiter", sa.Text(), nullable=False),
        sa.Column("ignored_columns", postgresql.JSONB(), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        _at("created_at", is_now=True),
        _at("finished_at"),
        sa.PrimaryKeyConstraint("id", name="pk_import_run"),
        sa.CheckConstraint("state IN ('running', 'done')", name=op.f("ck_import_run_import_state")),
    )
    op.create_table(
        "import_row",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("external_id", sa.Text()),
        sa.Column("citizen_id", sa.Uuid()),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "line", name="pk_import_row"),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name="fk_import_row_run_id", ondelete="CASCADE"),
        sa.CheckConstraint("outcome IN ('created', 'updated', 'unchanged', 'rejected')", name=op.f("ck_import_row_row_outcome")),
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
