"""The answer sheet as it goes out: what a screen, a phone or another system reads.

Every figure names its source, its own time (`as_of`) and when we learnt of it (`known_at`). Ages are
seconds between the sheet's `as_of` and the figure's. Texts are given in Indonesian and English.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from alerts.live.parts import (
    AnswerKind,
    ChaserMark,
    Clause,
    Confirmed,
    Conflict,
    ContactView,
    Disagreement,
    FamiliesAsking,
    Figure,
    Held,
    Part,
    PeopleAgreement,
    PlaceView,
    PossibleDeath,
    Publication,
    QuestionKey,
    Spoken,
    Total,
    Withdrawn,
    Words,
)
from alerts.notices.crew.rules import Function, Standing
from alerts.reports.rules.codes import (
    Category,
    Claim,
    NeedState,
    Outcome,
    Target,
)

__all__ = [
    "Answer",
    "AnswerKind",
    "AnswerSheet",
    "AskedWhom",
    "Change",
    "Changes",
    "ChaserMark",
    "CheckRow",
    "Clause",
    "Confirmed",
    "Conflict",
    "ContactView",
    "Contacts",
    "Disagreement",
    "FamiliesAsking",
    "Figure",
    "Held",
    "IncidentHead",
    "MinutePoint",
    "MinuteSeries",
    "MissionRow",
    "NamedPersons",
    "NeedRow",
    "Part",
    "PeopleAgreement",
    "PlaceView",
    "PossibleDeath",
    "Publication",
    "QuestionKey",
    "Reach",
    "Register",
    "RegisterClass",
    "RegisterList",
    "Sentence",
    "Spoken",
    "TargetTally",
    "Total",
    "Withdrawn",
    "Words",
]


class CheckRow(Part):
    """One authority, hospital or other place and how far the asking came."""

    target: Target
    target_label: Words
    name: str
    places: list[PlaceView]
    outcome: Outcome
    outcome_label: Words
    at: datetime | None
    by: str | None
    answer: str | None
    found: int | None
    source: str
    source_name: Words
    as_of: datetime
    known_at: datetime
    age_seconds: int
    report_id: UUID


class TargetTally(Part):
    """One kind of place: "4 of 7 hospitals asked, 1 visited". `known` are those that anybody named."""

    target: Target
    label: Words
    known: int
    asked: int
    visited: int
    tried_no_answer: int
    found: int | None
    text: Words


class Answer(Part):
    """One of the five questions. `text` is the short answer; `values` its figures, best first.

    `basis` says in words on what the answer rests. `as_of`, `source` and `age_seconds` are those of its first
    total (which is as old as its oldest part), null while nothing is known. `next_update_due` is the earliest promise or deadline.
    `unknown` names what nobody has said yet; who is asked for it stands in the sheet's `asked`.
    """

    key: QuestionKey
    title: Words
    answer: AnswerKind
    text: Words
    totals: list[Total]
    unknown: list[Words] = Field(default_factory=list)
    values: list[Figure]
    others: list[Figure] = Field(default_factory=list)
    planned: list[Figure] = Field(default_factory=list)
    checks: list[CheckRow] = Field(default_factory=list)
    tallies: list[TargetTally] = Field(default_factory=list)
    basis: Words
    confidence: Claim | None
    source: str | None
    source_name: Words | None
    as_of: datetime | None
    age_seconds: int | None
    is_stale: bool
    next_update_due: datetime | None
    is_overdue: bool
    conflicts: list[Conflict]
    held: list[Held]


class RegisterClass(Part):
    """People of one class on our own register, and how old the word on their place is. `undated`: nobody knows."""

    class_: str
    label: Words
    people: int
    oldest_place_at: datetime | None
    newest_place_at: datetime | None
    undated: int


class RegisterList(Part):
    """A list of people of the incident (a flight, a ship, a group). `unmatched` are not on our register."""

    kind: str
    name: str
    members: int
    unmatched: int


class Register(Part):
    """The register's own count inside the areas. Registered is not present: people register freely, and old.

    `country_only` more are somewhere in the countries touched, inside or outside the areas.
    """

    people: int
    country_only: int
    text: Words
    classes: list[RegisterClass]
    lists: list[RegisterList]
    counted_at: datetime


class Reach(Part):
    """What one message reached, in persons: `frozen` = handed_over + unknown + unreachable + in_progress + stopped."""

    broadcast_id: UUID | None = None
    msg_type: str | None = None
    approved_at: datetime | None = None
    frozen: int = 0
    handed_over: int = 0
    delivered: int = 0
    answered: int = 0
    unknown: int = 0
    unreachable: int = 0
    in_progress: int = 0
    stopped: int = 0
    no_receipt_possible: int = 0


class Contacts(Part):
    """Answers of the people themselves, and those whom nobody has reached.

    `safe` and `need_help` are claims made by link, SMS or app; `safe_contacted` of them are backed by staff
    who say whom they reached; `need_help_says_safe` of `need_help` said "safe" later, which nobody has checked.
    `not_answered` counts those on the widest frozen list who have not answered at all.
    """

    safe: int
    safe_contacted: int
    need_help: int
    need_help_says_safe: int
    other: int
    not_answered: int
    unaccounted: Total | None
    missing: Total | None
    reported_safe: Total | None


class NamedPersons(Part):
    """What the tallies say against the persons known one by one, own citizens only.

    `named` by the records of persons; of the safe, `answered` more whom staff reached by a check-in. `difference` is the tally less both.
    """

    category: Category
    label: Words
    tally: int | None
    named: int
    answered: int = 0
    difference: int | None


class NeedRow(Part):
    """Something that a mission needs, as it was said last; `how_many` in its own words."""

    what: str
    how_many: str | None
    by_when: datetime | None
    state: NeedState
    is_overdue: bool
    source: str
    source_name: Words
    as_of: datetime
    age_seconds: int
    report_id: UUID


class StatusView(Part):
    """One thing that a mission says of itself. `is_bad`: somebody has to look after it."""

    key: str
    label: Words
    text: Words
    is_bad: bool


class MissionRow(Part):
    """One mission: whether it has reported, when, whether it is late, and who is asked then. `chaser` is null in a closed incident."""

    mission_code: str
    name: str
    basis: str
    is_assumed: bool
    places: list[PlaceView]
    reports: int
    last_report_as_of: datetime | None
    last_report_known_at: datetime | None
    age_seconds: int | None
    due_at: datetime | None
    is_overdue: bool
    status: dict[str, object] | None
    chaser: ChaserMark | None = None
    state_of_mission: list[StatusView] = Field(default_factory=list)


class AskedWhom(Part):
    """Who is asked for what is not known, and when their next report is due. `mission_code` null: the ministry itself."""

    mission_code: str | None
    name: Words
    due_at: datetime | None


class CrewLine(Part):
    """One function of the crew: whether somebody is on, being called, or nobody. `mission_code` for a mission's; no names."""

    function: Function
    name: Words
    mission_code: str | None
    standing: Standing
    since: datetime | None


class Change(Part):
    """One thing that differs from the version asked about. `before` is null for something new, `after` for something gone."""

    key: str
    label: Words
    before: Words | None
    after: Words | None


class Changes(Part):
    """What differs since `since_version`. Ages are not changes."""

    since_version: int
    since: datetime
    items: list[Change]


class Sentence(Part):
    """A sentence that may be read aloud now. `figures` are the keys of what it rests on, `clauses` its parts."""

    id: str
    en: str
    figures: list[str]
    clauses: list[Clause] = Field(default_factory=list)


class IncidentHead(Part):
    """The incident as the sheet names it."""

    id: UUID
    title: str
    kind: str
    status: str
    state: str
    urgency: str
    severity: str
    occurred_at: datetime
    opened_at: datetime
    is_replayed: bool
    places: list[PlaceView]
    levels: list[tuple[Words, str]] = Field(default_factory=list, description="areas with their Siaga level, the highest first")


class AnswerSheet(Part):
    """The minister's page as data. `version` is the stored snapshot it equals, null for a question about the past.

    `as_of` and `known_at` are the two times it was asked for. `figures` are the standing figures that no question
    asks for (evacuated, sheltering, safe …), each with its series; `planned` never happened yet and is counted
    nowhere. `reach` is that of the message with the widest list, `messages` has them all. `older` are figures
    of other sources that a newer one has overtaken. `deaths` are those of persons known by name. `counted_at`: when register,
    reach and answers were counted; in a large crisis that is done once for all who ask, every few seconds.
    """

    incident: IncidentHead
    version: int | None
    as_of: datetime
    known_at: datetime
    is_replayed: bool
    sentence: Sentence
    questions: list[Answer]
    figures: list[Figure]
    planned: list[Figure]
    older: list[Figure]
    conflicts: list[Conflict]
    held: list[Held]
    withdrawn: list[Withdrawn]
    registered: Register | None
    counted_at: datetime | None = None
    reach: Reach
    messages: list[Reach]
    contact: Contacts
    named: list[NamedPersons]
    deaths: list[PossibleDeath] = Field(default_factory=list)
    agreement: PeopleAgreement = Field(default_factory=PeopleAgreement)
    missions: list[MissionRow]
    asked: list[AskedWhom] = Field(default_factory=list)
    needs: list[NeedRow] = Field(default_factory=list)
    crew: list[CrewLine] = Field(default_factory=list)
    changes: Changes | None = None


class MinutePoint(Part):
    """The value of one main figure at the end of one minute; a minute without a point has the value before it.

    A null says that from this minute on nobody gives the figure any more: a line breaks there.
    """

    minute: datetime
    figure: str
    value: int | None


class MinuteSeries(Part):
    """The main figures over time, oldest first."""

    points: list[MinutePoint]
