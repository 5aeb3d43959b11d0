"""Wire types of reports. What is said is never refused for what it says; only unknown codes and unreadable form are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)

from alerts.kit.http import View, Wire
from alerts.reports.rules.codes import (
    Category,
    Claim,
    LineKind,
    LineState,
    Nationality,
    NeedState,
    Outcome,
    ReportState,
    Rule,
    Series,
    Silence,
    Target,
)
from alerts.reports.rules.mission_status import Works

LINES_MAX = 500
PLACES_MAX = 200
REGISTERS = (Category.REGISTERED, Category.ESTIMATED_PRESENT)
CHECKS_MAX = 500
NEEDS_MAX = 100


def _finite(value: float) -> float:
    """NaN and Infinity are not JSON, though some writers emit them."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError("NaN and Infinity are not JSON numbers")
    return value


def _storable(value: str) -> str:
    """NUL cannot be stored, and half a surrogate pair is not text."""
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid Unicode text") from None
    return value


def _datable(value: datetime) -> datetime:
    """A year that clocks and databases share; outside it a shift of zone can leave the calendar."""
    if not 1900 <= value.year <= 2200:
        raise ValueError("the year must lie between 1900 and 2200")
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_datable)]
Text = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_storable)]
Long = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
Short = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
Place = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
Places = Annotated[list[Place], Field(max_length=PLACES_MAX)]
WholeNumber = Annotated[StrictInt, Field(ge=-(10**30), le=10**30)]
FiledText = Annotated[StrictStr, StringConstraints(max_length=2_000), AfterValidator(_storable)]
Scalar = StrictBool | WholeNumber | Annotated[StrictFloat, AfterValidator(_finite)] | FiledText | None
FiledValue = WholeNumber | Annotated[StrictFloat, AfterValidator(_finite)] | FiledText | None


class ContactIn(Wire):
    """Who made contact with the people counted, when and how. Without all three a claim stands as *reported*."""

    who: Text | None = None
    when: Text | None = None
    how: Text | None = None


class LineIn(Wire):
    """One figure, or one silence, of one cell: category × places × nationality × series.

    `value` is a number, a number written as text, or one of `not_asked`, `asked_no_answer`,
    `asked_none_reported`, `checked_none_found` (which needs `how`, and is the only zero). `places` are ISO
    3166-1 alpha-2 or ISO 3166-2 codes. `of` names the set of an `of_which` line. A line with `withdraws`
    (the id of an earlier line) and a reason takes that line back; it needs no value.
    """

    category: Category
    places: Places = Field(default_factory=list)
    kind: LineKind = LineKind.STANDING
    of: Category | None = None
    nationality: Nationality | None = Field(None, description="default: `own` in our own series and for registers, otherwise `mixed`")
    series: Series | None = Field(None, description="default: that of the report's source")
    claim: Claim = Claim.REPORTED
    authority_confirmed: bool = False
    value: FiledValue = None
    is_approximate: bool = False
    how: Text | None = None
    contact: ContactIn | None = None
    words: Text | None = Field(None, description="the source's own words")
    withdraws: UUID | None = None
    withdraw_reason: Text | None = None
    foreign_country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None

    def series_by(self, source: str) -> Series:
        """The column this figure belongs to, as filed or by who reports it."""
        return self.series or {"host_state": Series.HOST_STATE, "media": Series.MEDIA}.get(source, Series.OWN)

    def nationality_by(self, source: str) -> Nationality:
        """Whose citizens are counted: a total of the host state or the press is everybody's unless it says otherwise.

        Registers are of our own citizens, whoever quotes them.
        """
        is_ours = self.series_by(source) is Series.OWN or self.category in REGISTERS
        return self.nationality or (Nationality.OWN if is_ours else Nationality.MIXED)


class CheckIn(Wire):
    """One authority, hospital or other place, and how far the asking came. `found`: own citizens found there."""

    target: Target
    name: Short = ""
    places: Places = Field(default_factory=list)
    outcome: Outcome
    at: Moment | None = None
    by: Short | None = None
    answer: Text | None = None
    found: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class NeedIn(Wire):
    """Something that the filer needs. A later report that names the same thing says how it stands now: still open, or met."""

    what: Annotated[Short, StringConstraints(min_length=1)]
    how_many: Short | None = None
    by_when: Moment | None = None
    state: NeedState = NeedState.OPEN


People = Annotated[StrictInt, Field(ge=0, le=1_000_000)]


class MissionStatusIn(Wire):
    """The state of the mission itself: people reached of all, what works, vehicles. Own fields and words are taken too."""

    staff_reached: People | None = None
    staff_total: People | None = None
    families_reached: People | None = None
    families_total: People | None = None
    office: Works | None = None
    power: Works | None = None
    telephone: Works | None = None
    internet: Works | None = None
    cash: Works | None = None
    vehicles: People | None = None


FreeStatus = Annotated[dict[Short, Scalar], Field(max_length=50)]
Lines = Annotated[list[LineIn], Field(max_length=LINES_MAX)]
Checks = Annotated[list[CheckIn], Field(max_length=CHECKS_MAX)]


class ReportIn(Wire):
    """One report of one source. `source` is `mission:<code>`, `ministry`, `host_state` or `media`.

    `as_of` is when it was true, by the filer's word; when we received it is the database's business.
    `supersedes` corrects an earlier report of the same source, as a whole. `next_report_at` is a promise.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "mission:kbri-ankara",
                    "as_of": "2023-02-06T12:00:00+03:00",
                    "next_report_at": "2023-02-06T14:00:00+03:00",
                    "lines": [
                        {"category": "dead", "places": ["TR"], "value": "asked_none_reported"},
                        {"category": "injured", "places": ["TR-31"], "value": 2, "how": "referred to hospital"},
                    ],
                    "checks": [{"target": "authorities", "name": "governor's office", "places": ["TR-31"], "outcome": "asked"}],
                }
            ]
        }
    )

    source: Annotated[str, StringConstraints(pattern=r"^(mission:[a-z0-9-]{1,60}|ministry|host_state|media)$")]
    author: Short | None = Field(None, description="whose word, for host state and media: a press name, an office")
    as_of: Moment
    supersedes: UUID | None = None
    supersede_reason: Text | None = None
    narrative: Long | None = None
    next_report_at: Moment | None = None
    mission_status: MissionStatusIn | FreeStatus | None = Field(None, union_mode="left_to_right")
    lines: Lines = Field(default_factory=list)
    checks: Checks = Field(default_factory=list)
    needs: Annotated[list[NeedIn], Field(max_length=NEEDS_MAX)] = Field(default_factory=list)

    @property
    def status_as_filed(self) -> dict[str, Any] | None:
        """The mission's state as it came, typed or free."""
        status = self.mission_status
        return status.model_dump(mode="json", exclude_unset=True) if isinstance(status, MissionStatusIn) else status


class BothView(BaseModel):
    """The same sentence in Indonesian and English."""

    id: str
    en: str


class ProblemView(BaseModel):
    """What is asked about a report. `line` counts from 0; null speaks of the whole report."""

    line: int | None
    rule: Rule
    message: BothView


class LineView(View):
    """A line as it was filed (`value` is the text that came), and how it counts."""

    id: UUID
    position: int
    category: Category
    places: list[str]
    kind: LineKind
    of: Category | None
    nationality: Nationality
    series: Series
    claim: Claim
    counted_claim: Claim
    authority_confirmed: bool
    value: str
    number: int | None
    silence: Silence | None
    is_approximate: bool
    how: str | None
    contact: dict[str, str | None] | None
    words: str | None
    withdraws: UUID | None
    withdraw_reason: str | None
    foreign_country: str | None
    state: LineState


class CheckView(View):
    """A check as it was filed."""

    target: Target
    name: str
    places: list[str]
    outcome: Outcome
    at: datetime | None
    by: str | None
    answer: str | None
    found: int | None


class NeedView(View):
    """A need as it was filed."""

    what: str
    how_many: str | None
    by_when: datetime | None
    state: NeedState


class ReportSummaryView(View):
    """A report as lists show it. `version` counts the reports of this source in this incident."""

    id: UUID
    incident_id: UUID
    source: str
    author: str | None
    version: int
    state: ReportState
    as_of: datetime
    known_at: datetime
    supersedes: UUID | None
    supersede_reason: str | None
    next_report_at: datetime | None


class ReportView(ReportSummaryView):
    """A report with everything that was filed and everything that is asked about it."""

    narrative: str | None
    mission_status: dict[str, Any] | None
    lines: list[LineView]
    checks: list[CheckView]
    needs: list[NeedView]
    problems: list[ProblemView]


class ConflictResolve(Wire):
    """Which of the contradicting lines stands, and why. Given by one person, kept with the name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"keep_line_id": "01998d5e-0000-7000-8000-000000000002", "reason": "the embassy counted at the hospital itself"}]
        }
    )

    keep_line_id: UUID
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500), AfterValidator(_storable)]


class ResolutionView(View):
    """A decided conflict, with the name and the reason."""

    conflict_id: str
    keep_line_id: UUID
    reason: str
    resolved_by: str
    known_at: datetime


class LinesConfirm(Wire):
    """Held lines of one report that shall count as they were filed, and why. Given by one person, kept with the name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"line_ids": ["01998d5e-0000-7000-8000-000000000002"], "reason": "15 students are not on any list; counted twice"}]
        }
    )

    line_ids: Annotated[list[UUID], Field(min_length=1, max_length=LINES_MAX)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500), AfterValidator(_storable)]


class LineConfirmationView(View):
    """A line that counts although it was held, with the name and the reason."""

    line_id: UUID
    reason: str
    confirmed_by: str
    known_at: datetime


class ConfirmationsView(BaseModel):
    """All that was confirmed of one report, in the order of its lines."""

    report_id: UUID
    confirmed: list[LineConfirmationView]
