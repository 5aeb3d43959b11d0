"""Wire types of roaming broadcasts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.deliveries.roaming.rules import RoamingState
from alerts.kit.http import View, Wire


class RoamingAsk(Wire):
    """The country whose visitors with home phones are to be texted, and the language of the approved text."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"country": "TR", "language": "id"}]})

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    language: Literal["id", "en"] = "id"


class RoamingCountView(View):
    """Phones, not persons, true at `as_of`, known since `known_at`. `phones_delivered` null: the operator does not say."""

    as_of: datetime
    known_at: datetime
    phones_found: int
    phones_delivered: int | None


class RoamingView(View):
    """One roaming broadcast with its series of counts, oldest first. Never added to figures of persons."""

    id: UUID
    broadcast_id: UUID
    country: str
    operator: str
    language: str
    asked_by: str
    asked_at: datetime
    state: RoamingState
    state_at: datetime
    error_code: str | None
    is_final: bool
    counts: list[RoamingCountView]
