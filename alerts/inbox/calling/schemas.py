"""Wire types of a call that ended."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field

from alerts.checkins.schemas import ContactIn
from alerts.deliveries.call_list.actions import NOTE_CHARACTERS
from alerts.deliveries.call_list.rules import Outcome
from alerts.kit.http import Wire


class CallEnd(Wire):
    """How a call ended. Somebody who was reached needs `contact` (who of us, when, how), `call_back_at` its time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "no_answer"}]})

    outcome: Outcome
    contact: ContactIn | None = None
    call_back_at: AwareDatetime | None = None
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS)] | None = None
