"""One row of a register file becomes one person, or says why not. Pure: no database, no keys.

A row is rejected only for what would make it another person or another audience: no id, no name, no known
country or class, dates that nobody can read or that contradict each other. Whatever else is wrong is a warning, and the person stays in the
register: somebody with an unusable number must still be counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache

from alerts.citizens.imports.person import ImportedDevice, ImportedPhone, Person, Problem
from alerts.citizens.imports.reading import RawRow
from alerts.citizens.rules import EMAIL_MAX, CitizenClass, find_phone, parse_email
from alerts.kit.errors import InvalidError
from alerts.kit.text import clean
from alerts.places import PlaceKind, find_place

ID_MAX = 100
NAME_MAX = 200
TOKEN_MAX = 500
CLASS_WORDS = {
    "": CitizenClass.RESIDENT,
    "menetap": CitizenClass.RESIDENT,
    "traveler": CitizenClass.TRAVELLER,
    "tourist": CitizenClass.TRAVELLER,
    "wisatawan": CitizenClass.TRAVELLER,
    "kontingen": CitizenClass.CONTINGENT,
    "peacekeeper": CitizenClass.CONTINGENT,
    "pelaut": CitizenClass.SEAFARER,
    "abk": CitizenClass.SEAFARER,
} | {member.value: member for member in CitizenClass if member is not CitizenClass.SYNTHETIC}
YES = frozenset({"1", "yes", "true", "ya", "y"})
NO = frozenset({"", "0", "no", "false", "tidak", "n"})
# A file names the same few places over and over.
find_place_again = lru_cache(maxsize=8192)(find_place)
LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row read: the person, unless something fatal is among the problems."""

    line: int
    external_id: str | None
    person: Person | None
    problems: list[Problem] = field(default_factory=list)


class _Cells:
    """The cells of one row, and the problems found in them so far."""

    def __init__(self, raw: RawRow) -> None:
        self._cells = raw.cells
        self.problems: list[Problem] = []

    def get(self, column: str, limit: int = 100) -> str:
        """The visible text of a cell, "" where there is none; cut text is a warning."""
        given = self._cells.get(column, "")
        if not given or (given.isascii() and given.isprintable() and len(given) <= limit):
            return given
        if len(given) > limit:
            self.warn(column, "too_long", f"cut to {limit} characters")
        return clean(given, limit) or ""

    def warn(self, column: str, code: str, message: str) -> None:
        self.problems.append(Problem(column, code, message))

    def reject(self, column: str, code: str, message: str) -> None:
        self.problems.append(Problem(column, code, message, is_fatal=True))


def read_row(raw: RawRow, *, home_country: str) -> ReadRow:
    """The person of a row. National phone numbers are tried in the country of residence and in `home_country`."""
    cells = _Cells(raw)
    if raw.fault is not None:
        cells.reject("row", "unreadable_row", raw.fault)
        return ReadRow(raw.line, None, None, cells.problems)
    external_id = _external_id(cells)
    person = _person(cells, external_id, home_country)
    if any(problem.is_fatal for problem in cells.problems):
        return ReadRow(raw.line, external_id or None, None, cells.problems)
    return ReadRow(raw.line, external_id, person, cells.problems)


def _person(cells: _Cells, external_id: str, home_country: str) -> Person:
    country = _country(cells)
    lat, lon = _point(cells)
    stay_from, stay_until = _stay(cells)
    return Person(
        external_id=external_id,
        name=_name(cells),
        language=_language(cells),
        class_=_class(cells),
        country=country,
        province=_province(cells, country),
        lat=lat,
        lon=lon,
        place_as_of=_moment(cells, "place_as_of"),
        stay_from=stay_from,
        stay_until=stay_until,
        is_opted_out=_is_yes(cells, "opted_out"),
        phones=_phones(cells, (country, home_country)),
        device=_device(cells),
        email=_email(cells),
        wants_whatsapp=_said(cells, "wants_whatsapp"),
        is_vulnerable=_said(cells, "is_vulnerable"),
        is_tester=_said(cells, "is_tester"),
        tester_consented_at=_moment(cells, "tester_consented_at"),
    )


def _external_id(cells: _Cells) -> str:
    text = cells.get("external_id", ID_MAX)
    if not text:
        cells.reject("external_id", "external_id_missing", "a row needs an id that stays the same from file to file")
    return text


def _name(cells: _Cells) -> str:
    text = " ".join(cells.get("name", NAME_MAX).split())
    if not text:
        cells.reject("name", "name_missing", "a person needs a name")
    return text


def _country(cells: _Cells) -> str:
    text = cells.get("country")
    place = find_place_again(text) if text else None
    if place is None or place.kind is not PlaceKind.COUNTRY:
        cells.reject("country", "unknown_country", "not a country that we know; best is its two-letter ISO code")
        return ""
    return place.code


def _province(cells: _Cells, country: str) -> str | None:
    text = cells.get("province")
    if not text or not country:
        return None
    place = find_place_again(text, country=country)
    if place is None:
        cells.warn("province", "unknown_province", "not a province of that country that we know; the person counts for the country")
        return None
    return place.code


def _point(cells: _Cells) -> tuple[float | None, float | None]:
    written = cells.get("lat"), cells.get("lon")
    if not any(written):
        return None, None
    try:
        lat, lon = (float(text.replace(",", ".")) for text in written)
    except ValueError:
        cells.warn("lat", "point_unreadable", "latitude and longitude are decimal degrees, both or neither; left out")
        return None, None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        cells.warn("lat", "point_out_of_range", "latitude is -90 to 90, longitude -180 to 180; left out")
        return None, None
    return round(lat, 6), round(lon, 6)


def _stay(cells: _Cells) -> tuple[date | None, date | None]:
    start, end = _day(cells, "stay_from"), _day(cells, "stay_until")
    if start and end and end < start:
        cells.reject("stay_until", "stay_reversed", "the stay ends before it begins")
    return start, end


def _day(cells: _Cells, column: str) -> date | None:
    text = cells.get(column)
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        cells.reject(column, "date_unreadable", "a date is written YYYY-MM-DD")
        return None


def _moment(cells: _Cells, column: str) -> datetime | None:
    text = cells.get(column)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        cells.warn(column, "time_unreadable", "a time is written in ISO 8601; taken as not known")
        return None


def _language(cells: _Cells) -> str:
    text = cells.get("language").lower().replace("_", "-").split("-")[0]
    if text and not LANGUAGE.fullmatch(text):
        cells.warn("language", "unknown_language", "a language is a two-letter code; Indonesian is taken")
        return "id"
    return text or "id"


def _class(cells: _Cells) -> CitizenClass:
    text = cells.get("class").casefold()
    found = CLASS_WORDS.get(text)
    if found is None:
        known = ", ".join(sorted(set(CLASS_WORDS.values())))
        cells.reject("class", "unknown_class", f"one of {known}")
        return CitizenClass.RESIDENT
    return found


def _is_yes(cells: _Cells, column: str) -> bool:
    text = cells.get(column).casefold()
    if text not in YES | NO:
        # Whoever may have asked for silence gets it.
        cells.warn(column, "not_yes_or_no", "yes or no; taken as yes")
    return text not in NO


def _said(cells: _Cells, column: str) -> bool | None:
    """Yes or no; None for silence and for what is neither, which leaves the register as it is."""
    text = cells.get(column).casefold()
    if text not in YES | NO:
        cells.warn(column, "not_yes_or_no", "yes or no; left as it is")
    return True if text in YES else False if text and text in NO else None


def _phones(cells: _Cells, regions: tuple[str, str]) -> tuple[ImportedPhone, ...]:
    found: list[ImportedPhone] = []
    for column in ("phone", "phone2"):
        text = cells.get(column)
        if not text:
            continue
        number = find_phone(text.removeprefix("'"), (region for region in regions if region))
        position = len(found) + 1
        if number is None:
            cells.warn(column, "phone_invalid", "not a number that can be called, or not clear of which country; kept as written")
            found.append(ImportedPhone(position, text, None))
        elif number.e164 in (phone.number for phone in found):
            cells.warn(column, "phone_repeated", "the same number as the first")
        else:
            found.append(ImportedPhone(position, number.e164, number.country))
    return tuple(found)


def _device(cells: _Cells) -> ImportedDevice | None:
    token = cells.get("device_token", TOKEN_MAX)
    return ImportedDevice(token, _moment(cells, "device_seen_at")) if token else None


def _email(cells: _Cells) -> str | None:
    text = cells.get("email", EMAIL_MAX)
    if not text:
        return None
    try:
        return parse_email(text)
    except InvalidError:
        cells.warn("email", "email_invalid", "not an address that can be written to; left out")
        return None
