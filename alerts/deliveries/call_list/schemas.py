"""Wire types of the call list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from alerts.deliveries.call_list.rules import Gap, Outcome
from alerts.kit.http import View


class CallRowView(View):
    """One person to telephone. No name and no number: those are seen by whoever opens the row.

    `member_id` names the row. `place`: the registered province or country. `due_at` in the past, or null: now.
    """

    member_id: int
    broadcast_id: UUID
    gap: Gap
    place: str
    is_vulnerable: bool
    tries: int
    last_outcome: Outcome | None
    last_at: datetime | None
    due_at: datetime | None
    claimed_by: str | None
    claimed_until: datetime | None


class CallCounts(View):
    """People, not calls. `waiting`: to be telephoned, by why; `outcomes`: those who were, by how the last call ended."""

    waiting: dict[Gap, int]
    outcomes: dict[Outcome, int]
    calls: int


class CallList(View):
    """Who is to be called first stands first. `items` may be fewer than `counts.waiting` says."""

    items: list[CallRowView]
    counts: CallCounts


class CallNote(View):
    """How an earlier call ended."""

    at: datetime
    outcome: Outcome
    caller: str
    note: str | None = None


class OpenCallView(View):
    """An open row: whom to call, by which numbers, until when nobody else will, and what came of earlier calls.

    `name` and `numbers` are given by the read of the row, never by the answer that is kept for replay.
    """

    member_id: int
    incident_id: UUID
    citizen_id: UUID
    language: str
    claimed_until: datetime | None
    tries: int
    last_outcome: Outcome | None
    next_try_at: datetime | None
    done_at: datetime | None
    name: str | None = None
    numbers: Annotated[list[str], Field(default_factory=list)]
    history: Annotated[list[CallNote], Field(default_factory=list)]
