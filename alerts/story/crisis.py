"""The crisis file: a past or invented crisis as data, in our own form (docs/crisis-file.md). Parsed and checked here.

A file says what was known and said, in order; it says nothing about this program. Report bodies are in the
form of the report API and are not judged here: the API answers for each what it makes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from alerts.story.form import LARGEST_BYTES, CrisisFileError, document_of, first_fault, text_of
from alerts.story.steps import Both, BroadcastStep, By, FilePart, Ref, Step

FORM = "siaga-crisis/1"
MOST_STEPS = 10_000
__all__ = ["CrisisFileError"]
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]


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


class Live(FilePart):
    """How the demo tells a story as it happens: opened now, a minute of the story in so many seconds, and all waits shortened alike."""

    opened_at: AwareDatetime
    seconds_per_minute: Annotated[float, Field(gt=0, le=60)]


class Crisis(FilePart):
    """A whole crisis file."""

    form: Literal["siaga-crisis/1"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,60}$")]
    about: Both
    incident: dict[str, Any]
    opened_by: By = "ministry"
    live: Live | None = None
    duty_phones: dict[By, Phone] = Field(default_factory=dict)
    register_: dict[str, Any] = Field(default_factory=dict, alias="register")
    carrier: dict[str, Any] = Field(default_factory=dict)
    broadcasts: list[Broadcast] = Field(default_factory=list)
    prepared: list[Prepared] = Field(default_factory=list)
    steps: Annotated[list[Annotated[Step, Field(discriminator="kind")]], Field(max_length=MOST_STEPS)]

    @model_validator(mode="after")
    def _refs_lead_backwards(self) -> Self:
        seen: set[str] = set()
        messages = {broadcast.ref for broadcast in self.broadcasts}
        for step in self.steps:
            if step.ref in seen:
                raise ValueError(f"step {step.ref}: the ref is used twice")
            for mentioned in step.mentions():
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


def load_crisis(name_or_path: str | Path) -> Crisis:
    """A crisis file by path, or by the name of one that comes with the program. Raises CrisisFileError."""
    return parse_crisis(_text_of(name_or_path), where=str(name_or_path))


def parse_crisis(text: str, *, where: str = "the file") -> Crisis:
    """A crisis from JSON text. Raises CrisisFileError with the first fault and its place."""
    document = document_of(text, where)
    try:
        return Crisis.model_validate(document)
    except ValidationError as error:
        raise first_fault(error, document, where) from None


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
        with Path(name_or_path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)  # of a pipe or a device, too, no more than that
    except (OSError, ValueError) as error:
        raise CrisisFileError(f"{name_or_path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return text_of(content, str(name_or_path))
