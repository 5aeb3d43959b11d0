"""The form's limits, how often one address may send it, and the text that people forward. Pure decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from alerts.checkins.rules import Answer
from alerts.inbox.rules import Understood
from alerts.kit.errors import ConflictError
from alerts.kit.text import clean
from alerts.staff.rules import Limit

NAME_MAX, PHONE_MAX, PLACE_MAX, NOTE_MAX = 200, 40, 300, 500
FIELD_MAX = 10_000
"""Longer than any browser sends from our form: refused. Between this and the limits above text is cut, not refused."""
ADDRESS_LIMIT = Limit(failures=60, window=timedelta(minutes=10))
"""Per address. A shelter's people share one network address, so this stops a program, not a hall full of people."""
UNDERSTOOD = MappingProxyType({Answer.SAFE: Understood.SAFE, Answer.NEED_HELP: Understood.NEED_HELP})

# Call to action first; the link stands on a line of its own, so that every messenger makes it one.
FORWARD_TAIL: Mapping[str, str] = MappingProxyType(
    {
        "id": "Kabari keadaan Anda atau minta bantuan di sini:\n{link}\nTeruskan kepada WNI lain di sana.",
        "en": "Say how you are or ask for help here:\n{link}\nForward this to other Indonesian citizens there.",
    }
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What somebody typed, cleaned and cut. `is_trapped`: a field that people do not see was filled in."""

    answer: Answer
    phone: str
    name: str | None = None
    place: str | None = None
    note: str | None = None
    is_trapped: bool = False


def read_claim(fields: Mapping[str, str]) -> Claimed | None:
    """The claim in a form, or None while it lacks what we cannot do without: an answer, and a number to call."""
    answer, phone = fields.get("answer", ""), clean(fields.get("phone"), PHONE_MAX)
    if answer not in {each.value for each in UNDERSTOOD} or phone is None:
        return None
    name, place, note = (clean(fields.get(n), most) for n, most in (("name", NAME_MAX), ("place", PLACE_MAX), ("note", NOTE_MAX)))
    return Claimed(Answer(answer), phone, name, place, note, is_trapped=bool(fields.get("website", "").strip()))


def note_of(claimed: Claimed) -> str | None:
    """Place and words as one note for the check-in."""
    return " – ".join(part for part in (claimed.place, claimed.note) if part) or None


def forwardable(text: str, language: str, link: str) -> str:
    """The approved text with the open link, ready for a group."""
    return f"{text}\n\n{FORWARD_TAIL[language].format(link=link)}"


def check_forwardable(*, is_approved: bool, is_valid: bool, is_quiet: bool, is_incident_open: bool) -> None:
    """409 for what must not be passed on: nothing unapproved, taken back or out of date, and nothing of a quiet incident."""
    if is_quiet:
        raise ConflictError("incident_quiet", "This incident is quiet: nothing of it is passed on in groups.")
    if not (is_approved and is_incident_open):
        raise ConflictError("not_forwardable", "Only an approved message of an open incident is passed on.")
    if not is_valid:
        raise ConflictError("message_expired", "The time for which this message holds is over. Write a new one.")
