"""The steps of a crisis file: what happened, what was filed and said, what was done, in the file's own words (docs/crisis-file.md)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

Ref = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
By = Annotated[str, Field(pattern=r"^(mission:[a-z0-9-]+|ministry|minister)$")]
Reason = Annotated[str, Field(min_length=3, max_length=500)]


class TimeBasis(StrEnum):
    """How the time of a step is known. Of *assumed* ones only the order means anything."""

    STATED = "stated"
    PUBLISHED = "published"
    ASSUMED = "assumed"


class FilePart(BaseModel):
    """A misspelt name is refused, so that nothing in a file silently does nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Both(FilePart):
    """A text in Indonesian and English."""

    id: str
    en: str


class StepPart(FilePart):
    """What every step has. `source` names the statement it was taken from."""

    ref: Ref
    at: AwareDatetime
    time_basis: TimeBasis = TimeBasis.ASSUMED
    title: Both
    source: str = ""
    note: str = ""

    def mentions(self) -> Iterator[str]:
        """The earlier steps that this one speaks of."""
        return iter(())


class EventStep(StepPart):
    """Something that happened; it is told, nothing is filed."""

    kind: Literal["event"]
    places: list[str] = Field(default_factory=list)


class ReportStep(StepPart):
    """One report. `report` is the body of the API without `as_of` (that is `at`, unless the body says otherwise).

    `supersedes` names an earlier step; a line's `withdraws` names a line of one: `ref#0`. `incident`: an `open` step, if it was
    filed there.
    """

    kind: Literal["report", "withdraw"]
    report: dict[str, Any]
    incident: Ref | None = None

    @field_validator("report")
    @classmethod
    def _has_lines(cls, body: dict[str, Any]) -> dict[str, Any]:
        """The rest is the API's to judge; in these other steps are named."""
        lines = body.get("lines", [])
        is_list = isinstance(lines, list) and all(isinstance(line, dict) for line in lines)
        if not is_list:
            raise ValueError("lines must be a list of objects")
        return body

    @property
    def by(self) -> str:
        source = str(self.report.get("source", ""))
        return source if source.startswith("mission:") else "ministry"

    def mentions(self) -> Iterator[str]:
        if self.incident:
            yield self.incident
        if self.report.get("supersedes"):
            yield str(self.report["supersedes"])
        for line in self.report.get("lines", []):
            if line.get("withdraws"):
                yield str(line["withdraws"]).partition("#")[0]


class PersonStep(StepPart):
    """Somebody is named. `person` is the body of the persons API without the incident."""

    kind: Literal["person"]
    by: By
    person: dict[str, Any]


class StatementStep(StepPart):
    """One more thing is said of a person named by an earlier step."""

    kind: Literal["statement"]
    by: By
    person: Ref
    statement: dict[str, Any]

    def mentions(self) -> Iterator[str]:
        return iter((self.person,))


class StatementWithdrawalStep(StepPart):
    """A statement of an earlier `statement` step is taken back."""

    kind: Literal["statement_withdrawal"]
    by: By
    statement: Ref
    withdrawal: dict[str, Any]

    def mentions(self) -> Iterator[str]:
        return iter((self.statement,))


class BroadcastStep(StepPart):
    """A message is sent, if whoever replays can send (the demo can)."""

    kind: Literal["broadcast"]
    broadcast: Ref


class ConfirmStep(StepPart):
    """Lines of an earlier report that are held by their arithmetic shall count as they were filed. `lines`: their places in it."""

    kind: Literal["confirm"]
    by: By
    report: Ref
    lines: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    reason: str

    def mentions(self) -> Iterator[str]:
        return iter((self.report,))


class ResolveStep(StepPart):
    """Of contradicting lines one stands: `keep` names it (`ref#0`). By the ministry."""

    kind: Literal["resolve"]
    keep: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}(#[0-9]{1,3})?$")]
    reason: str

    def mentions(self) -> Iterator[str]:
        return iter((self.keep.partition("#")[0],))


class DeathStep(StepPart):
    """A possible death on its way to publication. `step` and `body` as the API has them (`/persons/{id}/death/…`)."""

    kind: Literal["death"]
    by: By
    person: Ref
    step: Literal["confirm", "kin-told", "kin-not-found", "initials"]
    body: dict[str, Any]

    def mentions(self) -> Iterator[str]:
        return iter((self.person,))


class TakeOverStep(StepPart):
    """The ministry takes on what a mission opened."""

    kind: Literal["take_over"]
    reason: str | None = None


class CoverStep(StepPart):
    """The ministry has another mission report for one that cannot. `cover` is the body of the API."""

    kind: Literal["cover"]
    mission: str
    cover: dict[str, Any]


class SnoozeStep(StepPart):
    """Nobody asks this mission for a while. `snooze` is the body of the API."""

    kind: Literal["snooze"]
    mission: str
    snooze: dict[str, Any]


class ResumeStep(StepPart):
    """A mission that was covered or left in peace is asked again."""

    kind: Literal["resume"]
    mission: str


class ChangeStep(StepPart):
    """The incident is changed. `change` is the body of the API, where a level says `area` (code or name), not an id."""

    kind: Literal["change"]
    by: By = "ministry"
    change: dict[str, Any]


class OpenStep(StepPart):
    """Somebody else opens the same crisis a second time. `incident` is the body of the API."""

    kind: Literal["open"]
    by: By = "ministry"
    incident: dict[str, Any]


class MergeStep(StepPart):
    """The incident of an `open` step is merged into the file's own."""

    kind: Literal["merge"]
    incident: Ref
    reason: Reason

    def mentions(self) -> Iterator[str]:
        return iter((self.incident,))


class ClosingStep(StepPart):
    """The incident is closed, or opened again."""

    kind: Literal["close", "reopen"]
    reason: Reason


class TextStep(StepPart):
    """A text message from a duty phone, if whoever replays has a carrier (the demo has).

    `{incident}` in it becomes the incident's code of three signs, `{code}` a one-time code of the mission, `{clock}` the step's time.
    """

    kind: Literal["text"]
    by: By
    text: str


class EnquiryStep(StepPart):
    """A family calls. `enquiry` is the body of the API."""

    kind: Literal["enquiry"]
    by: By
    enquiry: dict[str, Any]


class PublicStatementStep(StepPart):
    """A statement to the public: kept as a draft, and published if somebody can sign in (the demo can).

    The body of the API; without `clauses` it says what the automatic draft says by itself.
    """

    kind: Literal["public_statement"]
    public_statement: dict[str, Any] = Field(default_factory=dict)


class LookStep(StepPart):
    """Somebody reads the answer sheet: the sentence that may be read aloud, and the five answers, are told."""

    kind: Literal["look"]


Step = (
    EventStep
    | ReportStep
    | PersonStep
    | StatementStep
    | StatementWithdrawalStep
    | BroadcastStep
    | ConfirmStep
    | ResolveStep
    | DeathStep
    | TakeOverStep
    | CoverStep
    | SnoozeStep
    | ResumeStep
    | ChangeStep
    | OpenStep
    | MergeStep
    | ClosingStep
    | TextStep
    | EnquiryStep
    | PublicStatementStep
    | LookStep
)
