"""The parts of an answer sheet that speak of figures: one figure, what several say together, and their doubts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from alerts.reports.chasing.rules import Chaser
from alerts.reports.rules.codes import (
    Category,
    Claim,
    LineKind,
    Nationality,
    Rule,
    Series,
)


class Part(BaseModel):
    """Base of every part of a sheet: plain, frozen, comparable."""

    model_config = ConfigDict(frozen=True)


class Words(Part):
    """The same text in Indonesian and in English."""

    id: str
    en: str


class AnswerKind(StrEnum):
    """What sort of answer stands. Only `number` and `none_found` may be printed as a figure; `asked` is for checks."""

    NUMBER = "number"
    ASKED = "asked"
    NONE_FOUND = "none_found"
    NONE_REPORTED = "none_reported"
    NO_ANSWER_YET = "no_answer_yet"
    NOT_ASKED = "not_asked"
    NOT_KNOWN = "not_known"


class QuestionKey(StrEnum):
    """The minister's five questions, in their order."""

    PRESENT = "present"
    HOST_CASUALTIES = "host_casualties"
    OURS = "ours"
    AUTHORITIES = "authorities"
    SEARCHED = "searched"


class Publication(StrEnum):
    """Whether a figure may leave the building. Everything but `free` stays inside."""

    FREE = "free"
    DEATH_UNCONFIRMED = "death_unconfirmed"
    DEATH_KIN_NOT_RECORDED = "death_kin_not_recorded"


class PlaceView(Part):
    """A place by ISO code, with its name. A code that nobody knows is its own name."""

    code: str
    name: Words


class ContactView(Part):
    """Who made contact, when and how, as the filer wrote it."""

    who: str
    when: str
    how: str


class Confirmed(Part):
    """Who let a figure count that its own arithmetic held, when and why."""

    by: str
    reason: str
    known_at: datetime


class Figure(Part):
    """One standing figure of one cell: category × places × nationality × series, by one source.

    `key` is stable while the cell and its source are. `number` is null unless `answer` is a number or
    `none_found` (then 0). `text` is what a page prints. `claim` is the rung on which the figure counts;
    `claim_filed` is what its filer claimed. `mark` must be printed beside the figure when it is there.
    `fell_from` is the same source's figure before, when that was higher. `moved` tells of a
    nationality check that divided an earlier figure: before → after, and the reason. `confirmed`: it was held, and somebody let it count.
    `of_which` are its parts.
    """

    key: str
    label: Words
    category: Category
    kind: LineKind
    of: Category | None = None
    nationality: Nationality
    series: Series
    places: list[PlaceView]
    foreign_country: str | None = None
    answer: AnswerKind
    number: int | None = None
    text: Words
    is_approximate: bool = False
    claim: Claim
    claim_filed: Claim
    claim_label: Words
    authority_confirmed: bool = False
    source: str
    source_name: Words
    author: str | None = None
    words: str | None = None
    how: str | None = None
    contact: ContactView | None = None
    as_of: datetime
    known_at: datetime
    age_seconds: int
    is_stale: bool = False
    is_current: bool = True
    is_conflicting: bool = False
    fell_from: int | None = None
    fall_reason: str | None = None
    moved: Words | None = None
    confirmed: Confirmed | None = None
    publication: Publication = Publication.FREE
    mark: Words | None = None
    report_id: UUID | None = None
    line_id: UUID | None = None
    of_which: list[Figure] = []


class Spoken(Part):
    """A figure as a sentence reads it. `basis`: `report/line`, `register`, `check/<report>` or `person/<id>`."""

    key: str
    label: Words
    value: Words
    number: int | None = None
    as_of: datetime | None = None
    basis: list[str] = []


class Clause(Part):
    """One clause of what may be said aloud, and every figure that it reads."""

    key: str
    text: Words
    figures: list[Spoken] = []


class Total(Part):
    """What all current figures of one category say together, never adding places that overlap.

    `low` and `high` are equal when everybody agrees; `high` is null when only parts are known ("at least").
    Both are null while nobody gave a number: then `answer` says which silence it is.
    `places` are those that the total covers; `is_partial` when the incident has more.
    """

    category: Category
    nationality: Nationality
    series: Series
    answer: AnswerKind
    low: int | None
    high: int | None
    text: Words
    places: list[PlaceView]
    is_partial: bool
    as_of: datetime | None
    source: str | None
    source_name: Words | None = None
    is_conflicting: bool = False


class ChaserMark(Part):
    """Where the chasing of a mission's report stands: who is asked, who has taken it on, or why nobody is asked.

    `since` and `by` are those of the word on which the state rests; null while the clock simply runs.
    """

    state: Chaser
    since: datetime | None = None
    due_at: datetime | None = None
    until: datetime | None = None
    covered_by: str | None = None
    covered_by_name: str | None = None
    reason: str | None = None
    by: str | None = None


class PossibleDeath(Part):
    """Somebody known by name of whom it is said that they are dead; who it is stands on the person's own page.

    `mark` must be printed beside it while it is there. `missing`: what still stands between it and its publication.
    `nationality`: by it, never by the label's words, is decided whose death it is; a sheet stored before it was kept says unverified.
    """

    person_id: UUID
    nationality: Nationality = Nationality.UNVERIFIED
    label: Words
    place: PlaceView | None
    mission_code: str | None
    said_by: str
    claim: Claim
    claim_label: Words
    as_of: datetime
    known_at: datetime
    publication: Publication
    mark: Words | None
    missing: list[str]
    may_show_initials: bool = False


class Disagreement(Part):
    """So many persons whose records cannot both be true; somebody must ask."""

    key: str
    label: Words
    people: int


class FamiliesAsking(Part):
    """How many people families ask after, in how many calls, and how many callers wait for ours. Nobody is missing for it."""

    people: int = 0
    calls: int = 0
    waiting: int = 0


class PeopleAgreement(Part):
    """Whether what we know of single people agrees.

    `need_help` say so themselves; `help_cases` are the calls for help that nobody has closed (null for a past moment). They differ
    by who called from a number that the register does not know, and by who was reached and not written down as safe.
    """

    need_help: int = 0
    help_cases: int | None = None
    disagreements: list[Disagreement] = []
    families: FamiliesAsking = FamiliesAsking()


class Conflict(Part):
    """Figures that cannot both be true, side by side until somebody resolves them with a name and a reason."""

    id: str
    rule: Rule
    message: Words
    figures: list[Figure]
    hint: Words | None = None


class Held(Part):
    """A line that was filed and counts nowhere: what was written, and what is asked about it.

    `is_confirmable`: only its arithmetic is asked about, so a person may let it count as it is.
    """

    report_id: UUID
    line_id: UUID
    label: Words
    category: Category
    nationality: Nationality
    series: Series
    places: list[PlaceView]
    raw: str
    source: str
    source_name: Words
    author: str | None
    words: str | None
    problems: list[Words]
    rules: list[Rule]
    is_confirmable: bool = False
    as_of: datetime
    known_at: datetime
    age_seconds: int


class Withdrawn(Part):
    """A claim that no longer stands, with its author, and who withdrew it and why."""

    figure: Figure
    author: str
    author_name: Words
    withdrawn_by: str
    withdrawn_by_name: Words
    withdrawn_as_of: datetime
    withdrawn_known_at: datetime
    reason: str
