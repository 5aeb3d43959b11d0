"""Pictures of reports: what was added and taken away is written once, their bytes alone can be deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047_pictures"
down_revision = "0046_rounds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "report_picture",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("caption", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("octets", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("location_reason", sa.Text(), nullable=True),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(lat, lon, location_reason) IN (0, 3)", name=op.f("ck_report_picture_location")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_picture_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_picture")),
    )
    op.create_index("ix_report_picture_report_id", "report_picture", ["report_id"])
    op.create_table(
        "report_picture_file",
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("large", sa.LargeBinary(), nullable=False),
        sa.Column("small", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["picture_id"], ["report_picture.id"], name=op.f("fk_report_picture_file_picture_id")),
        sa.PrimaryKeyConstraint("picture_id", name=op.f("pk_report_picture_file")),
    )
    # A JPEG does not get smaller by packing it once more.
    op.execute("ALTER TABLE report_picture_file ALTER large SET STORAGE EXTERNAL, ALTER small SET STORAGE EXTERNAL")
    op.create_table(
        "report_picture_removal",
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("removed_by", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["picture_id"], ["report_picture.id"], name=op.f("fk_report_picture_removal_picture_id")),
        sa.PrimaryKeyConstraint("picture_id", name=op.f("pk_report_picture_removal")),
    )
    for table, events in (
        ("report_picture", "UPDATE OR DELETE OR TRUNCATE"),
        ("report_picture_removal", "UPDATE OR DELETE OR TRUNCATE"),
        ("report_picture_file", "UPDATE"),
    ):
        op.execute(f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    raise NotImplementedError("migrations go forward; restore a backup to go back")
