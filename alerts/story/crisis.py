"""The crisis file: a past or invented crisis as data, in our own form (docs/crisis-file.md). Parsed and checked here.

A file says what was known and said, in order; it says nothing about this program. Report bodies are in the
form of the report API and are not judged here: the API answers for each what it makes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

FORM = "siaga-crisis/1"
Ref = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
By = Annotated[str, Field(pattern=r"^(mission:[a-z0-9-]+|ministry)$")]


class CrisisFileError(Exception):
    """The file cannot be used; the message names the place in it."""


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


class EventStep(StepPart):
    """Something that happened; it is told, nothing is filed."""

    kind: Literal["event"]
    places: list[str] = Field(default_factory=list)


class ReportStep(StepPart):
    """One report. `report` is the body of the API without `as_of` (that is `at`, unless the body says otherwise).

    `supersedes` names an earlier step; a line's `withdraws` names a line of one: `ref#0`.
    """

    kind: Literal["report", "withdraw"]
    report: dict[str, Any]

    @property
    def by(self) -> str:
        source = str(self.report.get("source", ""))
        return source if source.startswith("mission:") else "ministry"

    def mentions(self) -> Iterator[str]:
        """The earlier steps that this one speaks of."""
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

    def mentions(self) -> Iterator[str]:
        return iter(())


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


Step = EventStep | ReportStep | PersonStep | StatementStep | StatementWithdrawalStep | BroadcastStep


class Broadcast(FilePart):
    """A message with its texts and the areas of the incident that it goes to."""

    ref: Ref
    areas: list[str]
    texts: Both


class Prepared(FilePart):
    """Words that two people stand for before anything happens: a first alert of one person's, or a correction by one click."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    kind: Literal["first_alert", "update", "cancel"]
    title: str
    texts: Both


class Crisis(FilePart):
    """A whole crisis file."""

    form: Literal["siaga-crisis/1"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,60}$")]
    about: Both
    incident: dict[str, Any]
    register_: dict[str, Any] = Field(default_factory=dict, alias="register")
    carrier: dict[str, Any] = Field(default_factory=dict)
    broadcasts: list[Broadcast] = Field(default_factory=list)
    prepared: list[Prepared] = Field(default_factory=list)
    steps: list[Annotated[Step, Field(discriminator="kind")]]

    @model_validator(mode="after")
    def _refs_lead_backwards(self) -> Self:
        seen: set[str] = set()
        messages = {broadcast.ref for broadcast in self.broadcasts}
        for step in self.steps:
            if step.ref in seen:
                raise ValueError(f"step {step.ref}: the ref is used twice")
            for mentioned in mentions(step):
                if mentioned not in seen:
                    raise ValueError(f"step {step.ref}: speaks of {mentioned}, which is no earlier step")
            if isinstance(step, BroadcastStep) and step.broadcast not in messages:
                raise ValueError(f"step {step.ref}: there is no broadcast {step.broadcast}")
            seen.add(step.ref)
        return self

    @property
    def digest(self) -> str:
        """Names this very content: another edition of the file is another crisis."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def incident_body(self) -> dict[str, Any]:
        """The body that opens the incident; the English title is for tellers only."""
        return {key: value for key, value in self.incident.items() if key != "title_en"}


def mentions(step: Step) -> Iterator[str]:
    """The refs of earlier steps that this one needs."""
    return iter(()) if isinstance(step, (EventStep, BroadcastStep)) else step.mentions()


def load_crisis(name_or_path: str | Path) -> Crisis:
    """A crisis file by path, or by the name of one that comes with the program. Raises CrisisFileError."""
    return parse_crisis(_text_of(name_or_path), where=str(name_or_path))


def parse_crisis(text: str, *, where: str = "the file") -> Crisis:
    """A crisis from JSON text. Raises CrisisFileError with the first fault and its place."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CrisisFileError(f"{where}: not JSON: {error}") from None
    try:
        return Crisis.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise CrisisFileError(f"{where}: {_place(first['loc'], document)}: {first['msg']}") from None


def bundled_names() -> list[str]:
    """The crises that come with the program."""
    folder = files("alerts.story").joinpath("data")
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def with_time(body: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """A body with `as_of`, which is the step's own time unless the body says otherwise."""
    return {"as_of": at.isoformat(), **body}


def _text_of(name_or_path: str | Path) -> str:
    if str(name_or_path) in bundled_names():
        return files("alerts.story").joinpath("data", f"{name_or_path}.json").read_text(encoding="utf-8")
    try:
        return Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CrisisFileError(f"{name_or_path}: cannot be read: {error}") from None


def _place(location: tuple[int | str, ...], document: Any) -> str:
    """`("steps", 3, "report", "report", "by")` → `steps[3] (ankara-6feb) report.by`."""
    if location[:1] == ("steps",) and len(location) > 1 and isinstance(location[1], int):
        step = document["steps"][location[1]]
        ref = step.get("ref", "?") if isinstance(step, dict) else "?"
        return f"steps[{location[1]}] ({ref}) {'.'.join(str(part) for part in location[2:])}".strip()
    return ".".join(str(part) for part in location) or "the whole"
