"""From a message as it was read to a report as it is filed, and what may be said of it. Pure decisions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from alerts.kit.i18n import translator
from alerts.kit.text import visible
from alerts.reports.code_lists.rules import Verdict
from alerts.reports.rules.codes import Category, Claim, Silence
from alerts.reports.rules.lapsit import Lapsit, Tally, codes_of
from alerts.reports.rules.mission_status import PEOPLE, Works
from alerts.reports.schemas import LINES_MAX, PLACES_MAX, ContactIn, LineIn, MissionStatusIn, ReportIn

RESENT_SECONDS = 900
"""The same words again from the same phone within this time are the same report: the sender saw no answer."""
CLOCK_AHEAD = timedelta(minutes=15)
"""A clock so far ahead of ours means now; further ahead it means yesterday."""
JUST_PASSED = timedelta(minutes=30)
"""A promised time that came so lately was meant, and passed while the message was under way; before that it is tomorrow's."""
ASKED_FIRST = (Category.DEAD, Category.INJURED, Category.UNACCOUNTED)
NOT_IN_CONTACT = frozenset({Category.DEAD, Category.MISSING, Category.UNACCOUNTED, Category.REGISTERED, Category.ESTIMATED_PRESENT})
"""Nobody was spoken to: how such a figure is known lifts no claim."""
STATES = {"+": Works.WORKING, "-": Works.NOT_WORKING, "?": Works.NOT_KNOWN}
CODE = re.compile(r"[#\uff03\ufe5f]\s*\d{4,}")


class Outcome(StrEnum):
    """What became of a message."""

    FILED = "filed"
    NOTHING_SAID = "nothing_said"
    NO_OPEN_INCIDENT = "no_open_incident"
    WHICH_INCIDENT = "which_incident"
    UNKNOWN_INCIDENT = "unknown_incident"
    CLOSED_INCIDENT = "closed_incident"
    WHICH_MISSION = "which_mission"


@dataclass(frozen=True, slots=True)
class Sender:
    """For whom a message speaks, by which clock, and about which places where it names none. `name`: of person and mission."""

    mission_code: str
    name: str
    zone: ZoneInfo
    places: tuple[str, ...] = ()


def as_report(said: Lapsit, sender: Sender, received_at: datetime, verdict: Verdict) -> ReportIn:
    """The report that the message is. Only with a valid code it says more than *reported*, and only where it says how."""
    as_of = latest(said.as_of, received_at, sender.zone) if said.as_of else received_at
    sender = replace(sender, places=spoken_of(sender.places))
    lines = [_line(tally, sender, as_of, is_proven=verdict is Verdict.VALID) for tally in said.tallies]
    if said.is_nothing_known and not lines:
        lines = [LineIn(category=each, places=list(sender.places), value=Silence.NOT_ASKED) for each in ASKED_FIRST]
    return ReportIn(
        source=f"mission:{sender.mission_code}",
        as_of=as_of,
        narrative=_narrative(said),
        next_report_at=coming(said.next_at, received_at, sender.zone) if said.next_at else None,
        mission_status=MissionStatusIn(**dict(_status(said.mission))) if said.mission else None,
        lines=lines,
    )


def spoken_of(places: tuple[str, ...]) -> tuple[str, ...]:
    """The places of a figure that names none: the countries, where they are more than a line holds."""
    return places if len(places) <= PLACES_MAX else tuple(sorted({place.partition("-")[0] for place in places}))[:PLACES_MAX]


def latest(clock: tuple[int, int], now: datetime, zone: ZoneInfo) -> datetime:
    """The last time the mission's clock showed this; never ahead of now, whatever the sender's clock says."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), time(*clock), zone)
    if today > now + CLOCK_AHEAD:
        return datetime.combine(local.date() - timedelta(days=1), time(*clock), zone)
    return min(today, now)


def coming(clock: tuple[int, int], now: datetime, zone: ZoneInfo) -> datetime:
    """The next time the mission's clock shows this, or the one that has just passed (over midnight: yesterday's)."""
    day = now.astimezone(zone).date()
    days = (datetime.combine(day + timedelta(days=each), time(*clock), zone) for each in (-1, 0, 1))
    return next(at for at in days if at > now - JUST_PASSED)


def bounded(said: Lapsit) -> Lapsit:
    """As much of it as one report holds; the figures beyond are named as not read, so that nobody takes them for filed."""
    beyond = said.tallies[LINES_MAX:]
    return replace(said, tallies=said.tallies[:LINES_MAX], unread=(*said.unread, *codes_of(beyond))) if beyond else said


def cleaned(text: str) -> str:
    """What can be seen of it, and so be stored as text: without NUL, halves of characters and marks that would hide a code."""
    return visible(text.replace("\x00", " "))


def without_code(text: str) -> str:
    """A text as it may be kept in clear, wherever in it a code stands: one that was not used up stays a secret."""
    return CODE.sub("#******", text)


def same_words(one: str, other: str) -> bool:
    """Whether two messages say the same, whatever the case and the blanks."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _narrative(said: Lapsit) -> str | None:
    if said.narrative:
        return without_code(said.narrative)
    return translator("id").gettext("Nothing known yet") if said.is_nothing_known else None


def _line(tally: Tally, sender: Sender, as_of: datetime, *, is_proven: bool) -> LineIn:
    contact = None
    if is_proven and tally.number and tally.how and tally.category not in NOT_IN_CONTACT:
        contact = ContactIn(who=sender.name, when=as_of.astimezone(sender.zone).isoformat(timespec="minutes"), how=tally.how)
    return LineIn(
        category=tally.category,
        places=[tally.place] if tally.place else list(sender.places),
        nationality=tally.nationality,
        value=tally.silence or tally.number,
        is_approximate=tally.is_approximate,
        how=tally.how,
        contact=contact,
        claim=Claim.CONTACT_MADE if contact else Claim.REPORTED,
    )


def _status(mission: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """In the fields of the form: people as reached and total."""
    for name, value in mission.items():
        reached, slash, total = value.partition("/")
        if name in PEOPLE:
            yield f"{name}_reached", int(reached)
            yield from [(f"{name}_total", int(total))] if slash else []
        elif value in STATES:
            yield name, STATES[value]
        else:
            yield name, int(reached)
