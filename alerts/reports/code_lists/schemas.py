"""Wire types of one-time code lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from alerts.kit.http import View, Wire
from alerts.reports.code_lists.rules import SIZE_DEFAULT, SIZE_MAX


class CodeListIn(Wire):
    """A new list of so many codes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": 50}]})

    size: Annotated[int, Field(ge=1, le=SIZE_MAX)] = SIZE_DEFAULT


class CodeListRevoke(Wire):
    """Why a list is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the envelope was found open"}]})

    reason: Annotated[str, StringConstraints(min_length=3, max_length=500, pattern="^[^\\x00]*$")]


class UsedCodeView(View):
    """One code that was used, by its number, and the report that it came with."""

    number: int
    used_at: datetime
    report_id: UUID


class CodeView(View):
    """One code in clear, with its number on the page."""

    number: int
    code: str


class CodeListView(View):
    """A list without its codes."""

    id: UUID
    mission_code: str
    size: int
    unused: int
    made_by: str
    made_at: datetime
    revoked_at: datetime | None
    revoke_reason: str | None
    used: list[UsedCodeView]


class IssuedCodeListView(CodeListView):
    """A new list. Its codes are shown in this answer alone."""

    codes: list[CodeView]
