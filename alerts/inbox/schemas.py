"""Wire types of the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from alerts.checkins.rules import Answer
from alerts.inbox.rules import Flag, State, Understood, WayIn
from alerts.incidents.rules import Status
from alerts.kit.http import View, Wire


class MessageView(View):
    """One message for a reader: `text`, `name` and `place` are a stranger's, without what cannot be seen; `sender` is the
    number to call. `mission_code`: whom the ministry gave it to, or what may call for help went to at once. `status`: of the number it
    was written to. `case_id`: the call for help that it belongs to.
    """

    id: UUID
    received_at: datetime
    status: Status
    channel: WayIn
    state: State
    understood: Understood | None
    flags: list[Flag]
    citizen_id: UUID | None
    incident_id: UUID | None
    checkin_id: UUID | None
    mission_code: str | None
    case_id: UUID | None
    handled_by: str | None
    handled_at: datetime | None
    sender: str | None = None
    text: str | None = None
    name: str | None = None
    place: str | None = None


class HandleIn(Wire):
    """What a person made of a message. With `answer` a check-in is recorded; a message that matched nobody then
    needs `incident_id` and `citizen_external_id`. Without `answer` it is only marked as read.

    `is_unknown_person`: nobody of the register; with `answer` *need_help* a call for help is raised for the number.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "need_help"}]})

    answer: Answer | None = None
    incident_id: UUID | None = None
    citizen_external_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    is_unknown_person: bool = False

    @model_validator(mode="after")
    def _names_both_or_none(self) -> Self:
        if self.is_unknown_person and self.citizen_external_id is not None:
            raise ValueError("nobody of the register has an external id")
        if not self.is_unknown_person and (self.incident_id is None) != (self.citizen_external_id is None):
            raise ValueError("incident_id and citizen_external_id belong together")
        return self


class AssignIn(Wire):
    """The mission that is to deal with a message; its staff see it from then on. Null: the ministry takes it back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mission_code": "kbri-ankara"}]})

    mission_code: Annotated[str, Field(max_length=60)] | None
