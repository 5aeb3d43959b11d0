"""What handovers carry over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.kit.http import View, Wire


class HandoverIn(Wire):
    """A shift ends: `to_staff` takes over. `sheet_version`: the version of the sheet that both have seen. No names of people in `note`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"to_staff": "01998d5e-0000-7000-8000-000000000001", "note": "Kemlu Turki menelepon pukul 14.00.", "sheet_version": 1}
            ]
        }
    )

    to_staff: UUID
    note: Annotated[str, Field(min_length=3, max_length=2000)]
    sheet_version: Annotated[int | None, Field(ge=1, le=2_147_483_647)] = None


class HandoverView(View):
    """A signed handover. `open_points` counts what was open at that moment."""

    id: UUID
    at: datetime
    from_staff: UUID
    to_staff: UUID
    note: str
    sheet_version: int | None
    open_points: dict[str, int]
