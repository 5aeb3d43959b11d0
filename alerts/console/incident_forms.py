"""From the form of a new incident to the command that opens it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from alerts.console.forms import Form
from alerts.console.places import read_areas
from alerts.incidents.rules import Certainty, Kind, ListKind, Severity, Status, Urgency
from alerts.incidents.schemas import AreaIn, IncidentOpen, ListIn
from alerts.kit.errors import InvalidError
from alerts.kit.i18n import JAKARTA, both
from alerts.places import place_name, zone_of_area

Word = TypeVar("Word", bound=StrEnum)
REASON_MIN = 3

KIND_NAMES = {
    Kind.EARTHQUAKE: both("Earthquake"),
    Kind.TSUNAMI: both("Tsunami"),
    Kind.VOLCANO: both("Volcanic eruption"),
    Kind.STORM: both("Storm"),
    Kind.FLOOD: both("Flood"),
    Kind.WILDFIRE: both("Wildfire"),
    Kind.EPIDEMIC: both("Epidemic"),
    Kind.CONFLICT: both("Armed conflict"),
    Kind.ATTACK: both("Attack"),
    Kind.UNREST: both("Unrest"),
    Kind.HOSTAGE: both("Hostage taking"),
    Kind.AIR_ACCIDENT: both("Air accident"),
    Kind.SEA_ACCIDENT: both("Accident at sea"),
    Kind.ROAD_OR_RAIL_ACCIDENT: both("Road or rail accident"),
    Kind.INDUSTRIAL_ACCIDENT: both("Industrial accident"),
    Kind.OTHER: both("Other event"),
}


def read_incident(form: Form, status: Status, now: datetime) -> IncidentOpen:
    """The command; `occurred_at` defaults to now, the title to the kind and the first place (in Indonesian)."""
    areas = read_areas(form)
    kind = read_word(form, "kind", Kind)
    return IncidentOpen(
        kind=kind,
        title=form.text("title", limit=200) or _title(kind, areas),
        status=status,
        urgency=read_word(form, "urgency", Urgency),
        severity=read_word(form, "severity", Severity),
        certainty=read_word(form, "certainty", Certainty),
        occurred_at=_occurred_at(form, areas, now),
        areas=areas,
        lists=_lists(form),
        is_quiet=form.has("quiet"),
        quiet_reason=_quiet_reason(form),
    )


def _quiet_reason(form: Form) -> str | None:
    reason = form.text("quiet_reason", limit=500)
    if form.has("quiet") and len(reason) < REASON_MIN:
        raise InvalidError("reason_missing", "Say why.", field="quiet_reason")
    return reason if form.has("quiet") else None


def read_word(form: Form, field: str, kind: type[Word]) -> Word:
    """One of the words of an enum; InvalidError naming the field for any other."""
    text = form.text(field, limit=60)
    if text not in set(kind):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field=field)
    return kind(text)


def _title(kind: Kind, areas: list[AreaIn]) -> str:
    named = [place_name(area.code, "id") for area in areas if area.code]
    return " – ".join([KIND_NAMES[kind]["id"], ", ".join(named[:3])]) if named else KIND_NAMES[kind]["id"]


def _occurred_at(form: Form, areas: list[AreaIn], now: datetime) -> datetime:
    text = form.text("occurred_at", limit=30)
    if not text:
        return now
    zone = zone_of_area(areas[0].spec()) if areas and form.text("clock") == "event" else JAKARTA
    return parse_local(text, "occurred_at").replace(tzinfo=zone or JAKARTA).astimezone(UTC)


def parse_local(text: str, field: str) -> datetime:
    """A day and time without a zone, as `datetime-local` sends it."""
    for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"):
        if len(text) in (16, 19) and _fits(text, form):
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller adds the zone that was chosen
    raise InvalidError("not_a_time", "Write the time as 2023-02-06 04:17.", field=field)


def parse_moment(text: str, field: str) -> datetime | None:
    """A past moment by Jakarta's clock, as the pages ask for one; None for none."""
    return parse_local(text, field).replace(tzinfo=JAKARTA) if text else None


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _lists(form: Form) -> list[ListIn]:
    members = list(dict.fromkeys(form.text("members", limit=400_000).split()))
    if not (members or form.text("list_name")):
        return []
    name, source = form.text("list_name", limit=200), form.text("list_source", limit=200)
    if not (name and source):
        raise InvalidError("list_incomplete", "A list of people needs a name and says who gave it.", field="list_name")
    kind = read_word(form, "list_kind", ListKind)
    return [ListIn(kind=kind, name=name, source=source, version=form.text("list_version", limit=60) or "1", members=members)]
