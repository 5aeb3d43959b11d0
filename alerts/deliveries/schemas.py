"""Wire forms of reach: who was handed a message, who has it, who answered, and of whom we do not know."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from alerts.broadcasts.preview_schemas import ForecastView
from alerts.broadcasts.rules import Channel
from alerts.deliveries.rules import State
from alerts.kit.http import View


class ReachGroup(View):
    """People of one channel, number country and state. `error_code` is the provider's or ours."""

    channel: Channel
    number_country: str | None
    state: State
    error_code: str | None
    people: int
    answered: int


class ReachView(View):
    """Counts of persons on the frozen list.

    `frozen` = `handed_over` + `unknown` + `unreachable` + `in_progress` + `stopped`. Accepted is not delivered, and
    delivered is not answered; where no receipt is possible that is counted instead of guessed.
    """

    broadcast_id: UUID
    frozen: int
    handed_over: int
    unknown: int
    unreachable: int
    in_progress: int
    stopped: int
    delivered: int
    answered: int
    no_receipt_possible: int
    newest_at: datetime | None
    forecast: ForecastView
    groups: list[ReachGroup]
