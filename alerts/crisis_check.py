"""A crisis file against the form of the API, before anything is opened: a misspelt field in the last step costs no half-told incident.

Only the form: what a report says is judged by the API alone, which refuses none for its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from alerts.families.schemas import EnquiryIn
from alerts.incidents.schemas import IncidentChange, IncidentOpen
from alerts.kit.http import Wire
from alerts.people.deaths.schemas import ConfirmationIn, InitialsIn, KinNotFoundIn, KinToldIn
from alerts.people.schemas import PersonIn, StatementIn, WithdrawalIn
from alerts.reports.chasing.schemas import CoverIn, SnoozeIn
from alerts.reports.schemas import ReportIn
from alerts.story.crisis import Crisis, load_crisis, with_time
from alerts.story.form import Place, first_fault
from alerts.story.steps import (
    ChangeStep,
    CoverStep,
    DeathStep,
    EnquiryStep,
    OpenStep,
    PersonStep,
    ReportStep,
    SnoozeStep,
    StatementStep,
    StatementWithdrawalStep,
    Step,
)

ANY_ID = str(UUID(int=0))
"""Where a file names a step, the API wants an id that is not there yet."""
DEATHS: Mapping[str, type[Wire]] = {
    "confirm": ConfirmationIn,
    "kin-told": KinToldIn,
    "kin-not-found": KinNotFoundIn,
    "initials": InitialsIn,
}
Body = tuple[type[Wire], Any, str]


def load_checked(name_or_path: str) -> Crisis:
    """A crisis file whose bodies the API can read. Raises CrisisFileError."""
    crisis = load_crisis(name_or_path)
    check_bodies(crisis, name_or_path)
    return crisis


def check_bodies(crisis: Crisis, where: str) -> None:
    """Raises CrisisFileError for the first body that the API could not read, naming step and field."""
    document = crisis.model_dump(mode="json", by_alias=True)
    for form, body, place in _bodies(crisis):
        try:
            form.model_validate(body)
        except ValidationError as error:
            raise first_fault(error, document, where, place) from None


def _bodies(crisis: Crisis) -> Iterator[tuple[type[Wire], Any, Place]]:
    yield IncidentOpen, crisis.incident_body, ("incident",)
    for number, step in enumerate(crisis.steps):
        found = _body_of(step)
        if found:
            form, body, name = found
            yield form, body, ("steps", number, name)


def _body_of(step: Step) -> Body | None:
    match step:
        case ReportStep():
            return ReportIn, _report(step), "report"
        case PersonStep():
            return PersonIn, _person(step), "person"
        case StatementStep():
            return StatementIn, with_time(step.statement, step.at), "statement"
        case StatementWithdrawalStep():
            return WithdrawalIn, with_time(step.withdrawal, step.at), "withdrawal"
        case DeathStep():
            return DEATHS[step.step], with_time(step.body, step.at), "body"
        case _:
            return _deed(step)


def _deed(step: Step) -> Body | None:
    match step:
        case CoverStep():
            return CoverIn, step.cover, "cover"
        case SnoozeStep():
            return SnoozeIn, step.snooze, "snooze"
        case EnquiryStep():
            return EnquiryIn, step.enquiry, "enquiry"
        case OpenStep():
            return IncidentOpen, step.incident, "incident"
        case ChangeStep():
            return IncidentChange, {**step.change, **_levels(step.change)}, "change"
        case _:
            return None


def _report(step: ReportStep) -> dict[str, Any]:
    body = with_time(step.report, step.at)
    if body.get("supersedes"):
        body["supersedes"] = ANY_ID
    body["lines"] = [{**line, "withdraws": ANY_ID} if line.get("withdraws") else line for line in body.get("lines", [])]
    return body


def _person(step: PersonStep) -> dict[str, Any]:
    said = step.person.get("statements", [])
    if isinstance(said, list):
        said = [with_time(each, step.at) if isinstance(each, dict) else each for each in said]
    return {**step.person, "incident_id": ANY_ID, "statements": said}


def _levels(change: Mapping[str, Any]) -> dict[str, Any]:
    levels = change.get("levels")
    if not isinstance(levels, list):
        return {}
    bare = [{name: value for name, value in level.items() if name != "area"} if isinstance(level, dict) else level for level in levels]
    return {"levels": [{"area_id": ANY_ID, **level} if isinstance(level, dict) else level for level in bare]}
