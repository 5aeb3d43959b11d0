"""Wire forms of exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from alerts.deliveries.exports.rules import REASON_CHARACTERS, ExportState
from alerts.kit.http import View, Wire

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_CHARACTERS)]


class ExportAsk(Wire):
    """A file of all steps begun so far of a message: one row per person and step, people by their internal id."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "Pencocokan dengan daftar operator", "with_contacts": False}})

    reason: Reason = Field(description="what for; whoever grants it reads this")
    with_contacts: bool = Field(default=False, description="names and numbers too: only for those who may see persons")


class ExportGrant(Wire):
    """The number of rows, as whoever grants it has read it: another number is refused."""

    model_config = ConfigDict(json_schema_extra={"example": {"row_count": 3}})

    row_count: int = Field(ge=0, le=2**53)


class ExportView(View):
    """An export: who asked and why, how many rows, who decided. Fetched by the asker, once, before `expires_at`."""

    id: UUID
    broadcast_id: UUID
    state: ExportState
    reason: str
    has_contacts: bool
    row_count: int
    asked_by: UUID
    asked_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    fetched_at: datetime | None
    expires_at: datetime
