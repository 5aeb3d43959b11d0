"""Wire types of the way of a death to its publication."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from alerts.kit.http import View, Wire
from alerts.people.deaths.rules import Basis, Missing, Step
from alerts.people.rules import Nationality

Words = Annotated[str, Field(min_length=2, max_length=200)]
Reason = Annotated[str, Field(min_length=3, max_length=500)]
EXAMPLE: dict[str, JsonValue] = {
    "said_by": "Tim DVI",
    "as_of": "2023-02-18T12:00:00+03:00",
    "how": "surat 41/DVI",
    "reason": "sidik jari cocok",
}


class ConfirmationIn(Wire):
    """Who confirmed the death, by what document, and why we take their word.

    `head_of_mission`: the head's own signature, where no authority functions; `how` says on what the identification rests.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE | {"basis": "dvi"}]})

    basis: Basis
    said_by: Words
    how: Words
    reason: Reason
    as_of: AwareDatetime


class KinToldIn(Wire):
    """The next of kin were told: by whom of us (a function), when and how. No name of a relative belongs here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [EXAMPLE | {"said_by": "Direktur Pelindungan WNI", "how": "didatangi di rumah", "reason": "keluarga inti, ibu"}]
        }
    )

    said_by: Words
    how: Words
    reason: Reason
    as_of: AwareDatetime


class KinNotFoundIn(Wire):
    """The minister's decision that the next of kin could not be found in time; the reason says what was tried."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "tiga hari dicari lewat kepala desa", "as_of": "2023-02-18T12:00:00+03:00"}]}
    )

    reason: Reason
    as_of: AwareDatetime | None = Field(None, description="when it was decided; now, when left out")


class InitialsIn(Wire):
    """Initials may be published too. Refused where place or group would say who it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"said_by": "Direktur Pelindungan WNI", "reason": "keluarga setuju"}]})

    said_by: Words
    reason: Reason
    as_of: AwareDatetime | None = Field(None, description="when it was decided; now, when left out")


class StepWithdrawalIn(Wire):
    """An earlier step is taken back: by whom, and why. It stays readable; it no longer counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"said_by": "KBRI Ankara", "reason": "nama tertukar"}]})

    said_by: Words
    reason: Reason


class StepView(View):
    """One row: what was recorded, by whom, on whose word, why, when it was so and when we knew.

    `finding_id`: the statement "dead" that it was made for. `is_past`: that finding no longer stands, and this counts no more.
    """

    id: UUID
    step: Step
    basis: Basis | None
    said_by: str
    how: str | None
    reason: str
    as_of: datetime
    known_at: datetime
    recorded_by: str
    role: str
    withdraws: UUID | None
    finding_id: UUID | None
    is_withdrawn: bool
    is_past: bool


class DeathView(View):
    """How far one possible death is from its publication. `missing` empty: it may be published, without more than this says."""

    person_id: UUID
    incident_id: UUID
    nationality: Nationality
    mission_code: str | None
    place_code: str | None
    is_publishable: bool
    missing: list[Missing]
    may_show_initials: bool
    steps: list[StepView]
