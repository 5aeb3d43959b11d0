"""Who may have an export, and until when. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from alerts.kit.errors import ConflictError, ForbiddenError, NotFoundError

REASON_CHARACTERS = 1_000
COLUMNS = (
    "citizen_id",
    "wave",
    "step",
    "channel",
    "number_country",
    "state",
    "error_code",
    "handed_over_at",
    "delivered_at",
    "answered_at",
    "state_at",
)
CONTACT_COLUMNS = ("name", "number")


class ExportState(StrEnum):
    """Where an export stands. Every end is final: whoever needs it again asks again."""

    WAITING = "waiting"
    GRANTED = "granted"
    DECLINED = "declined"
    FETCHED = "fetched"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides on an export: who asked, who decided what, whether it was fetched, until when it holds."""

    asked_by: UUID
    expires_at: datetime
    is_decided: bool = False
    is_granted: bool = False
    is_fetched: bool = False


def state_of(standing: Standing, now: datetime) -> ExportState:
    """Derived, so that it can never disagree with its times."""
    if standing.is_fetched:
        return ExportState.FETCHED
    if standing.is_decided and not standing.is_granted:
        return ExportState.DECLINED
    if now >= standing.expires_at:
        return ExportState.EXPIRED
    return ExportState.GRANTED if standing.is_granted else ExportState.WAITING


def check_grant(standing: Standing, *, staff_id: UUID | None, told: int, row_count: int, now: datetime) -> None:
    """A second person, who has seen how many rows leave."""
    check_waiting(standing, now)
    if staff_id is None or staff_id == standing.asked_by:
        raise ForbiddenError("own_export", "Somebody else must grant an export than whoever asked for it.")
    if told != row_count:
        raise ConflictError("other_row_count", "That is not the number of rows of this export.", row_count=row_count)


def check_waiting(standing: Standing, now: datetime) -> None:
    """Decided once, and in time."""
    state = state_of(standing, now)
    if state is not ExportState.WAITING:
        raise ConflictError("export_not_waiting", "This export does not wait for a decision any more.", state=state.value)


def check_fetch(standing: Standing, *, staff_id: UUID | None, now: datetime) -> None:
    """The asker alone, once, in time."""
    if staff_id is None or staff_id != standing.asked_by:
        raise NotFoundError("not_your_export", "There is no such file for you: only whoever asked for an export can fetch it.")
    state = state_of(standing, now)
    if state is not ExportState.GRANTED:
        raise ConflictError("export_not_granted", "This export is not granted, was fetched already, or has expired.", state=state.value)
