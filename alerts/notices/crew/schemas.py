"""What the crew carries over the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.kit.http import View, Wire
from alerts.notices.contacts import ROSTER_MAX
from alerts.notices.crew.rules import Answer, AnswerWay, Function, Standing, State
from alerts.notices.schemas import DutyPerson, DutyPersonView


class CrewAnswerIn(Wire):
    """Whether one is coming. The newest answer holds."""

    model_config = ConfigDict(json_schema_extra={"example": {"answer": "coming"}})

    answer: Answer


class CrewCallView(View):
    """One person called for a function, and what they said."""

    id: UUID
    staff_id: UUID
    display_name: str
    state: State
    called_at: datetime
    answered_at: datetime | None
    way: AnswerWay | None


class CrewView(View):
    """One function of an incident. `calls` in order: the first, then deputies. `mission_code` for a mission's."""

    function: Function
    mission_code: str | None
    standing: Standing
    next_call_at: datetime | None = Field(description="when the next deputy is called, unless somebody is coming by then")
    calls: list[CrewCallView]


class CrewList(View):
    """Who is on. Empty where nobody was called (a replayed incident)."""

    items: list[CrewView]


class CrewRosterSet(Wire):
    """A function's whole roster, the first to be called on top, deputies after. It takes the place of the one before."""

    model_config = ConfigDict(json_schema_extra={"example": {"people": []}})

    people: list[DutyPerson] = Field(max_length=ROSTER_MAX)


class CrewRosterView(View):
    """The roster of a function at this moment."""

    function: Function
    people: list[DutyPersonView]
    etag: str
