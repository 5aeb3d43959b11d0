"""Wire types of persons."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from alerts.incidents.rules import Claim
from alerts.kit.http import View, Wire
from alerts.people.rules import Axis, Nationality, Source

Words = Annotated[str, Field(min_length=2, max_length=200)]


class ContactIn(Wire):
    """Who of us reached the person, when, and how."""

    who: Words
    when: AwareDatetime
    how: Words


class StatementIn(Wire):
    """One thing said of the person on one axis, true at `as_of`.

    `claim` is the rung that the source claims. *Contact made* without `contact` stands as *reported*. On the
    axis `contact` a value that is itself a rung is the claim.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "axis": "contact",
                    "value": "reported",
                    "source": "mission",
                    "said_by": "consular desk",
                    "as_of": "2023-02-07T14:00:00+07:00",
                }
            ]
        }
    )

    axis: Axis
    value: Annotated[str, Field(min_length=2, max_length=40)]
    claim: Claim = Claim.REPORTED
    authority_confirmed: bool = False
    source: Source
    said_by: Annotated[str, Field(min_length=2, max_length=200, description="whose word it is: an office or a function")]
    words: Annotated[str, Field(max_length=2_000)] | None = Field(None, description="the source's own words")
    contact: ContactIn | None = None
    as_of: AwareDatetime


class WithdrawalIn(Wire):
    """An earlier statement is taken back: by whom, and why. The statement itself stays readable."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"said_by": "consular desk", "reason": "the caller meant another person", "as_of": "2023-02-07T18:00:00+07:00"}]
        }
    )

    said_by: Words
    reason: Annotated[str, Field(min_length=3, max_length=500)]
    as_of: AwareDatetime


class PersonIn(Wire):
    """Somebody in an incident. `citizen_external_id` for one in the register; the name is kept enciphered.

    Ministry staff name the mission that looks after the person; what staff of a mission file is their mission's.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "incident_id": "01998d5e-0000-7000-8000-000000000001",
                    "name": "Sari Contoh",
                    "nationality": "own",
                    "place_code": "TR-21",
                    "statements": [
                        {
                            "axis": "contact",
                            "value": "unaccounted",
                            "source": "mission",
                            "said_by": "consular desk",
                            "as_of": "2023-02-07T14:00:00+07:00",
                        }
                    ],
                }
            ]
        }
    )

    incident_id: UUID
    citizen_external_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    nationality: Nationality = Nationality.UNVERIFIED
    mission_code: Annotated[str, Field(max_length=60)] | None = None
    place_code: Annotated[str, Field(max_length=10)] | None = None
    statements: Annotated[list[StatementIn], Field(max_length=20, default_factory=list)]


class ContactView(View):
    """Who reached the person, when, and how."""

    who: str
    when: datetime
    how: str


class StatementView(View):
    """One statement with its author, both times, and whether it was taken back."""

    id: UUID
    axis: Axis
    value: str | None
    claim: Claim | None
    said_value: str | None
    said_claim: str | None
    authority_confirmed: bool
    source: Source
    said_by: str
    words: str | None
    contact: ContactView | None
    as_of: datetime
    known_at: datetime
    withdraws: UUID | None
    reason: str | None
    is_withdrawn: bool


class AxisView(View):
    """What stands on an axis, and a later, better claim on a lower rung that does not stand yet."""

    value: str
    claim: Claim
    authority_confirmed: bool
    as_of: datetime
    known_at: datetime
    statement_id: UUID
    also_claimed: AxisView | None = None


class PersonSummaryView(View):
    """A person as lists show it. `name` is null for those who may not read it. An absent axis: nothing was said."""

    id: UUID
    incident_id: UUID
    citizen_id: UUID | None
    name: str | None
    nationality: Nationality
    mission_code: str | None
    place_code: str | None
    version: int
    created_at: datetime
    state: dict[Axis, AxisView]


class PersonView(PersonSummaryView):
    """A person with every statement, newest knowledge first."""

    statements: list[StatementView]
