"""From the tally sheet of the form to a report. What is not understood goes along as it was typed: it is asked about, not refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.console.check_rows import ROWS_MAX
from alerts.console.forms import Form, parse_id
from alerts.console.incident_forms import parse_local
from alerts.console.need_rows import read_needs
from alerts.kit.errors import InvalidError
from alerts.reports.rules.codes import Category, Claim, Nationality, Outcome, Silence, Target
from alerts.reports.rules.mission_status import COUNTS, FIELDS
from alerts.reports.schemas import CheckIn, ContactIn, LineIn, ReportIn

TALLIED = (
    Category.DEAD,
    Category.SERIOUSLY_INJURED,
    Category.LIGHTLY_INJURED,
    Category.INJURED,
    Category.IN_HOSPITAL,
    Category.UNACCOUNTED,
    Category.MISSING,
    Category.SAFE,
    Category.SHELTERING,
    Category.EVACUATED,
)
OURS = (Nationality.OWN, Nationality.FOREIGN_FAMILY, Nationality.UNVERIFIED)
ANYBODY = (Nationality.MIXED, *OURS)
# The signs of the paper sheet; any other text is kept and asked about.
SIGNS = {"?": Silence.ASKED_NO_ANSWER, "-": Silence.ASKED_NONE_REPORTED, "–": Silence.ASKED_NONE_REPORTED, "0": Silence.CHECKED_NONE_FOUND}
NOT_ASKED = "x"
PLACES_MAX = 12
FOUND_DIGITS = 6
OUTCOME_FIELD = ":outcome"
PLACES_OF_A_LINE_MAX = 200
NEXT_MINUTES = (30, 60, 120, 360)
SOURCES = ("ministry", "host_state", "media")


@dataclass(frozen=True)
class Places:
    """What a sheet asks about: the places with rows of their own, and those that its first rows speak of together."""

    rows: tuple[str, ...]
    whole: tuple[str, ...]


@dataclass(frozen=True)
class Filing:
    """Who files, for which places, by which clock, and when now is."""

    mission_code: str | None
    zone: ZoneInfo
    now: datetime
    places: Places

    @property
    def nationalities(self) -> tuple[Nationality, ...]:
        """The columns. A mission speaks of its own; the ministry quotes the host state and the media too, who count everybody."""
        return OURS if self.mission_code else ANYBODY


def cell_name(place: str, category: Category, nationality: Nationality) -> str:
    """The form field of one cell of the sheet."""
    return f"cell:{place}:{category}:{nationality}"


def read_report(form: Form, filing: Filing) -> ReportIn:
    """The whole sheet. Raises InvalidError only for what is no report at all (a broken time, an unknown source)."""
    minutes = form.text("next_minutes", limit=5)
    supersedes = form.optional("supersedes", limit=36)
    return ReportIn(
        source=_source(form, filing),
        author=form.optional("author", limit=200),
        as_of=_as_of(form, filing),
        supersedes=parse_id(supersedes, "supersedes") if supersedes else None,
        supersede_reason=form.optional("supersede_reason", limit=2000),
        narrative=form.optional("narrative"),
        next_report_at=filing.now + timedelta(minutes=int(minutes)) if minutes in map(str, NEXT_MINUTES) else None,
        mission_status=_status(form) if filing.mission_code else None,
        lines=list(_lines(form, filing)),
        checks=list(_checks(form, filing)),
        needs=list(read_needs(form, filing.zone)),
    )


def nothing_known_yet(filing: Filing, narrative: str) -> ReportIn:
    """One tap: nobody was asked yet. It is a report all the same: the mission is there, and the next one is promised."""
    asked_about = (Category.DEAD, Category.INJURED, Category.UNACCOUNTED)
    return ReportIn(
        source=f"mission:{filing.mission_code}" if filing.mission_code else "ministry",
        as_of=filing.now,
        narrative=narrative,
        next_report_at=filing.now + timedelta(minutes=60),
        lines=[LineIn(category=each, places=list(filing.places.whole), value=Silence.NOT_ASKED) for each in asked_about],
    )


def is_empty(report: ReportIn) -> bool:
    """Whether nothing at all was filled in."""
    return not (report.lines or report.checks or report.needs or report.narrative or report.mission_status)


def _source(form: Form, filing: Filing) -> str:
    if filing.mission_code:
        return f"mission:{filing.mission_code}"
    source = form.text("source", limit=20)
    if source not in SOURCES:
        raise InvalidError("unknown_source", "Say whose word it is: the ministry's, the host state's or the media's.", field="source")
    return source


def _as_of(form: Form, filing: Filing) -> datetime:
    text = form.text("as_of", limit=20)
    return parse_local(text, "as_of").replace(tzinfo=filing.zone) if text else filing.now


def _lines(form: Form, filing: Filing) -> Iterator[LineIn]:
    series = {"host_state": "host_state", "media": "media"}.get(form.text("source", limit=20), "own")
    for place in ("", *filing.places.rows):
        for category in TALLIED:
            for nationality in filing.nationalities:
                typed = form.text(cell_name(place, category, nationality), limit=200)
                if typed:
                    where = [place] if place else list(filing.places.whole)
                    yield _line(form, typed, {"category": category, "nationality": nationality, "places": where, "series": series})


def _line(form: Form, typed: str, cell: Mapping[str, object]) -> LineIn:
    is_approximate = typed.startswith("~")
    value = typed.removeprefix("~").strip()
    silence = Silence.NOT_ASKED if value.lower() == NOT_ASKED else SIGNS.get(value)
    contact = _contact(form) if cell["category"] is Category.SAFE else None
    return LineIn(
        **cell,
        value=silence or value,
        is_approximate=is_approximate,
        how=form.optional("zero_how", limit=2000) if silence is Silence.CHECKED_NONE_FOUND else None,
        contact=contact,
        claim=Claim.CONTACT_MADE if contact else Claim.REPORTED,
    )


def _contact(form: Form) -> ContactIn | None:
    who, when, how = (form.optional(f"contact_{part}", limit=2000) for part in ("who", "when", "how"))
    return ContactIn(who=who, when=when, how=how) if who or when or how else None


def _checks(form: Form, filing: Filing) -> Iterator[CheckIn]:
    """The rows with an outcome; one that was left as it stands is not said again."""
    for row in _check_keys(form):
        outcome, target = form.text(f"{row}:outcome", limit=40), form.text(f"{row}:target", limit=40)
        if outcome not in set(Outcome) or target not in set(Target):
            continue
        place, found, at = (form.text(f"{row}:{part}", limit=20) for part in ("place", "found", "at"))
        yield CheckIn(
            target=Target(target),
            outcome=Outcome(outcome),
            name=form.text(f"{row}:name", limit=200),
            places=[place] if place in filing.places.rows else list(filing.places.whole),
            at=parse_local(at, f"{row}:at").replace(tzinfo=filing.zone) if at else None,
            by=form.optional(f"{row}:by", limit=200),
            answer=form.optional(f"{row}:answer", limit=2000),
            found=int(found) if len(found) <= FOUND_DIGITS and found.isascii() and found.isdigit() else None,
        )


def _check_keys(form: Form) -> list[str]:
    names = (name.removesuffix(OUTCOME_FIELD) for name, _ in form.fields if name.startswith("check") and name.endswith(OUTCOME_FIELD))
    return list(dict.fromkeys(names))[:ROWS_MAX]


def _status(form: Form) -> dict[str, str | int] | None:
    given = {name: form.text(f"status:{name}", limit=200) for name in FIELDS}
    return {name: _count(value) if name in COUNTS else value for name, value in given.items() if value} or None


def _count(value: str) -> str | int:
    return int(value) if len(value) <= FOUND_DIGITS and value.isascii() and value.isdigit() else value


def places_to_tally(codes: Iterable[str], whole: Iterable[str] = ()) -> Places:
    """Rows for provinces before their country, no more than fit on one sheet; together all of `whole`, none of it twice.

    `whole` is by default the same places, before the cut: what has no row of its own is still spoken of.
    """
    every = set(codes)
    rows = sorted(every, key=lambda code: (len(code) == 2, code))[:PLACES_MAX]
    return Places(tuple(rows), _outermost(set(whole) or every))


def _outermost(codes: set[str]) -> tuple[str, ...]:
    """Without the provinces whose country is there as well; by country when there are more than one line can name."""
    kept = sorted(code for code in codes if len(code) == 2 or code[:2] not in codes)
    return tuple(kept if len(kept) <= PLACES_OF_A_LINE_MAX else sorted({code[:2] for code in kept}))
