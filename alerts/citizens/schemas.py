"""What the API tells of imports and addresses. No personal data goes out: a preview is masked, an address is an id."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from alerts.citizens.models import ImportRow, ImportRun
from alerts.citizens.rules import CitizenClass, ImportState, RowOutcome
from alerts.kit.http import View, Wire


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


class TesterIn(Wire):
    """That somebody agreed to be sent exercises."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"consented_at": "2026-01-10T09:00:00+07:00"}]})

    consented_at: AwareDatetime = Field(description="when they agreed; not ahead")


class TesterView(View):
    """Whether somebody is sent exercises, and since when they agree."""

    citizen_id: UUID = Field(validation_alias="id")
    is_tester: bool
    tester_consented_at: datetime | None


class BrowserKeys(Wire):
    """The keys of a browser's subscription, base64url."""

    p256dh: str = Field(max_length=100, description="its public key: a point of P-256, 65 bytes")
    auth: str = Field(max_length=50, description="its secret, 16 bytes")


class BrowserIn(Wire):
    """A browser's subscription just as its `PushSubscription.toJSON()` gives it, made for our key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/contoh",
                    "expirationTime": None,
                    "keys": {
                        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                    },
                }
            ]
        }
    )

    endpoint: str = Field(min_length=1, max_length=2048, description="where the browser's push service takes messages for it")
    keys: BrowserKeys
    is_exercise: bool = Field(default=False, description="it subscribed for our key of exercises: a tester's, for exercises alone")
    expiration_time: float | None = Field(None, alias="expirationTime", description="taken as given; a browser that ends says so itself")


class EmailIn(Wire):
    """Where somebody reads mail."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "warga@example.org"}]})

    email: str = Field(min_length=1, max_length=400)


class BrowserView(View):
    """One browser in use. Its address and keys are told to nobody."""

    id: UUID
    citizen_id: UUID
    last_seen_at: datetime
    created_at: datetime


class EmailView(View):
    """That there is an address, and since when; not which."""

    id: UUID
    citizen_id: UUID
    created_at: datetime


class AddressesView(View):
    """By which ways a person could be reached, without one of the addresses."""

    citizen_id: UUID
    phones: int = Field(description="usable numbers, at most two")
    devices: int = Field(description="apps that take push messages")
    browsers: list[BrowserView]
    email: EmailView | None


class PushKeyView(View):
    """The public keys that browsers subscribe for (`applicationServerKey`), base64url."""

    public_key: str = Field(description="for messages that are meant")
    exercise_public_key: str | None = Field(description="for exercises; a tester's browser subscribes for it apart")
