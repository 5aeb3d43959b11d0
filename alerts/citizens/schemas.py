"""What the API tells of imports. No personal data: a preview is masked, a row's result names fields only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from alerts.citizens.models import ImportRow, ImportRun
from alerts.citizens.rules import CitizenClass, ImportState, RowOutcome
from alerts.kit.http import View


class ImportCounts(View):
    """Rows by outcome; a row with warnings is also in one of the outcomes."""

    created: int = Field(description="persons that the register did not have")
    updated: int = Field(description="persons whose row differs from the last one imported")
    unchanged: int = Field(description="persons whose row is the same as last time")
    rejected: int = Field(description="rows not taken; each says why")
    warnings: int = Field(description="cells that were not taken as written, in rows that were")


class ProblemView(View):
    """What is wrong with one cell. `is_fatal`: the row was rejected for it."""

    field: str = Field(examples=["phone"])
    code: str = Field(examples=["phone_invalid"])
    message: str
    is_fatal: bool


class RowView(View):
    """What became of one record of the file; the header is line 1."""

    line: int
    outcome: RowOutcome
    external_id: str | None
    citizen_id: UUID | None = Field(description="null when rejected, and for new persons in a dry run")
    problems: list[ProblemView]


class RowList(View):
    """Rows in the order of the file; `next_cursor` is the last line, or null at the end."""

    items: list[RowView]
    next_cursor: int | None = None


class PreviewRow(View):
    """A row as it was understood, masked: `B••• S•••`, `+62•••789`."""

    line: int
    outcome: RowOutcome
    external_id: str
    name: str
    phones: list[str]
    number_countries: list[str | None] = Field(description="ISO 3166-1 per number; null for an unusable one")
    language: str
    class_: CitizenClass = Field(alias="class")
    country: str
    province: str | None
    has_point: bool
    has_device: bool
    has_email: bool


class RefusedRow(View):
    """A rejected row and why."""

    line: int
    problems: list[ProblemView]


class ImportView(View):
    """One reading of one file."""

    id: UUID
    is_dry_run: bool = Field(description="true: nothing was saved but this result")
    state: ImportState
    counts: ImportCounts
    encoding: str
    delimiter: str
    ignored_columns: list[str] = Field(description="headings that the register does not take")
    created_at: datetime
    finished_at: datetime | None


class ImportResult(ImportView):
    """The answer to an upload: also the first rows as they were understood, and the first refusals."""

    preview: list[PreviewRow]
    refused: list[RefusedRow]


class ImportList(View):
    """Imports, newest first."""

    items: list[ImportView]
    next_cursor: UUID | None = None


def result_of(run: ImportRun, *, preview: list[dict[str, Any]], refused: list[dict[str, Any]]) -> ImportResult:
    """The answer to an upload."""
    own = ImportView.model_validate(run).model_dump()
    return ImportResult(**own, preview=[PreviewRow(**row) for row in preview], refused=[RefusedRow(**row) for row in refused])


def row_view(row: ImportRow) -> RowView:
    """One stored row."""
    return RowView.model_validate(row)
