"""Wire types of check-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from alerts.checkins.rules import Answer, Channel, Contact
from alerts.incidents.rules import Claim
from alerts.kit.http import View, Wire

Words = Annotated[str, Field(min_length=2, max_length=200)]


class ContactIn(Wire):
    """Who of us reached the person, when, and how. All three, or it is only a report."""

    who: Words
    when: AwareDatetime
    how: Words

    def to_contact(self) -> Contact:
        return Contact(self.who, self.when, self.how)


class CheckinIn(Wire):
    """One answer of one citizen, named by the register's id or by the external id.

    `channel` is for machine clients; what a signed-in person records is `staff`. With `contact` a
    staff record stands as *contact made*, everything else as *reported*.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "incident_id": "01998d5e-0000-7000-8000-000000000001",
                    "citizen_external_id": "ID-000123",
                    "answer": "safe",
                    "contact": {"who": "duty desk of the embassy", "when": "2023-02-06T09:10:00+03:00", "how": "telephone"},
                }
            ]
        }
    )

    incident_id: UUID
    citizen_id: UUID | None = None
    citizen_external_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    answer: Answer
    channel: Channel | None = None
    contact: ContactIn | None = None
    note: Annotated[str, Field(max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _names_one_citizen(self) -> Self:
        if (self.citizen_id is None) == (self.citizen_external_id is None):
            raise ValueError("exactly one of citizen_id and citizen_external_id")
        return self


class LinkAnswer(Wire):
    """What the page behind a citizen's link posts, as a form. `channel` is `app` when our app answers for its user."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "safe", "channel": "link"}]})

    answer: Answer
    note: Annotated[str, Field(max_length=10_000)] = ""
    channel: Literal[Channel.LINK, Channel.APP] = Channel.LINK


class CheckinView(View):
    """One answer. `note` is what the citizen wrote: plain text of a stranger, shown to those who may see the person."""

    id: UUID
    incident_id: UUID
    citizen_id: UUID | None
    answer: Answer
    channel: Channel
    rung: Claim
    received_at: datetime
    contacted_by: str | None
    contacted_at: datetime | None
    contact_how: str | None
    note: str | None = None
