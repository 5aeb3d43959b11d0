"""Wire types of statements and of answers to rumours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field

from alerts.kit.http import View, Wire
from alerts.kit.text import visible
from alerts.statements.rules import State, Verdict, WhyWithdrawn


def _seen(value: object) -> object:
    """What a reader would see: a hidden sign turns round what stands after it, or stands where no feed can hold it."""
    return visible(value).strip() if isinstance(value, str) else value


Sentence = Annotated[str, BeforeValidator(_seen), Field(min_length=3, max_length=400)]


class Both(Wire):
    """The same text in both languages."""

    id: Sentence
    en: Sentence


class Hotline(Wire):
    """Whom people may call. The number is no figure: digits, blanks, `+`, `-` and brackets.

    Typed words: somebody else publishes a statement with a name or number that no standing one of the incident has so far.
    """

    name: Annotated[str, BeforeValidator(_seen)] = Field(min_length=2, max_length=80)
    number: str = Field(pattern=r"^\+?[0-9][0-9 ()-]{1,19}$")


class StatementIn(Wire):
    """What a statement says: clauses of the brief by name, in the brief's order, and what a person adds.

    In `own` and `appeal` a figure is a reference such as `{own.injured}`; a typed number, "all are safe" in any form, a death
    without its figure and restricted places are refused. `sheet_version`: the sheet that was looked at; 409 `figures_changed`
    when a chosen figure is another since.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"clauses": ["as_of", "present"], "hotlines": []}]})

    clauses: list[Annotated[str, Field(max_length=60)]] = Field(max_length=40)
    own: list[Both] = Field(default_factory=list, max_length=5)
    appeal: Both | None = None
    hotlines: list[Hotline] = Field(default_factory=list, max_length=8)
    sheet_version: int | None = Field(None, ge=1, le=2_147_483_647)
    corrects: UUID | None = None


class Withdrawal(Wire):
    """Why it is withdrawn. The public reads prepared words for it, so that one person may do it at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "figure_corrected"}]})

    reason: WhyWithdrawn


class RumourIn(Wire):
    """A claim in its own words, and our answer with its reason.

    Whatever it says is typed: somebody else publishes it. Restricted places are refused in a claim too, and of a claim that we
    call true everything that is refused in our own sentences.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "claim": {"id": "KBRI sudah ditutup.", "en": "The embassy has closed."},
                    "verdict": "false",
                    "explanation": {"id": "KBRI tetap melayani WNI.", "en": "The embassy goes on serving citizens."},
                }
            ]
        }
    )

    claim: Both
    verdict: Verdict
    explanation: Both
    replaces: UUID | None = None


class StatementView(View):
    """A statement with all that it rests on. `is_stale`: `stale_figures` are other than what it says."""

    id: UUID
    incident_id: UUID
    number: int
    version: int
    state: State
    is_stale: bool
    texts: dict[str, str]
    heading: dict[str, str]
    clauses: list[dict[str, Any]]
    figures: list[dict[str, Any]]
    hotlines: list[dict[str, str]]
    copies: dict[str, dict[str, str]]
    public_url: str
    as_of: datetime
    sheet_version: int | None
    needs_second_hand: bool
    drafted_by: str
    drafted_at: datetime
    corrects: UUID | None
    published_by: str | None
    published_at: datetime | None
    content_hash: str | None
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    withdraw_reason: dict[str, str] | None
    stale_at: datetime | None
    stale_figures: list[dict[str, Any]] | None


class RumourView(View):
    """A claim and our answer. A draft is nobody's to read but ours; `withdrawn`: it was given up before it was published."""

    id: UUID
    incident_id: UUID
    state: State
    claim: dict[str, str]
    verdict: Verdict
    explanation: dict[str, str]
    drafted_by: str
    drafted_at: datetime
    published_by: str | None
    published_at: datetime | None
    replaces: UUID | None
