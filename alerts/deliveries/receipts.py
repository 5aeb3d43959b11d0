"""The door for carriers' receipts: kept first, together, and answered; what they mean is worked out afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import text

from alerts.deliveries.rules import parse_attempt_name
from alerts.kit.db import Sessions, array_of, begin
from alerts.kit.errors import ForbiddenError, InvalidError
from alerts.kit.group_commit import GroupCommit
from alerts.kit.ids import attempt_of_callback
from alerts.kit.text import visible

REST_SECONDS = 0.05
"""A carrier does not mind so short a wait, and a busy door commits twenty times a second instead of five hundred."""


class Receipt(NamedTuple):
    """One word of a carrier on one attempt. `source`: the dialect of the word.

    `is_exercise`: whether the account of exercises signed it, which has no say in other messages; None where the two
    cannot be told apart.
    """

    delivery_id: int
    number: int
    source: str
    raw_status: str
    provider_id: str
    error_code: str | None
    is_exercise: bool | None = None


Door = GroupCommit[Receipt, bool]


def make_door(sessions: Sessions) -> Door:
    """The door of one web process. Its answer: whether there is such a delivery."""
    return GroupCommit(lambda receipts: keep_receipts(sessions, receipts), name="receipts", rest_seconds=REST_SECONDS)


def keep_receipts(sessions: Sessions, receipts: Sequence[Receipt]) -> list[bool]:
    """Store each distinct word once, in one transaction; for each receipt, whether its delivery exists.

    A word from the account of exercises on a message of another status (or the other way round) is as if there were none.
    """
    values = {name: array_of(getattr(receipt, name) for receipt in receipts) for name in Receipt._fields}
    with begin(sessions) as session:
        known = {row.delivery_id: row.of_exercise for row in session.execute(KEEP, values)}
    return [known.get(receipt.delivery_id) in _fitting(receipt) for receipt in receipts]


def _fitting(receipt: Receipt) -> tuple[bool, ...]:
    """What the message may be: an exercise, or not."""
    return (True, False) if receipt.is_exercise is None else (receipt.is_exercise,)


class Said(NamedTuple):
    """What a receipt's fields say, as they came: strangers' words. `error_code` may be empty; `is_exercise`: see Receipt.

    `names`: how its sender calls the fields of the state and of the id.
    """

    source: str
    raw_status: str
    provider_id: str
    error_code: str
    is_exercise: bool | None = None
    names: tuple[str, str] = ("MessageStatus", "MessageSid")


def read_receipt(key: bytes, attempt: str, said: Said) -> Receipt:
    """A receipt from its address and fields. 403: we did not sign this attempt; 422 naming what is missing.

    What cannot be seen is left out of the words, and they are cut to what the columns are for.
    """
    name = attempt_of_callback(key, attempt)
    parsed = parse_attempt_name(name) if name else None
    if parsed is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    raw_status, provider_id = visible(said.raw_status)[:40], visible(said.provider_id)[:64]
    if not raw_status:
        raise InvalidError("status_missing", "a receipt says a state", field=said.names[0])
    if not provider_id:
        raise InvalidError("sid_missing", "a receipt says the message's id", field=said.names[1])
    return Receipt(*parsed, said.source, raw_status, provider_id, visible(said.error_code)[:16] or None, said.is_exercise)


def door_of(state: Any) -> Door:
    """The web process's own (`state`: of its application), made when the first receipt comes."""
    if not hasattr(state, "receipt_door"):
        state.receipt_door = make_door(state.sessions)
    door: Door = state.receipt_door
    return door


KEEP = text("""
WITH known AS MATERIALIZED (
    SELECT r.*, b.status = 'Exercise' AS of_exercise
    FROM unnest(CAST(:delivery_id AS bigint[]), CAST(:number AS smallint[]), CAST(:source AS text[]), CAST(:raw_status AS text[]),
        CAST(:provider_id AS text[]), CAST(:error_code AS text[]), CAST(:is_exercise AS boolean[]))
        AS r(delivery_id, number, source, raw_status, provider_id, error_code, is_exercise)
    JOIN delivery d ON d.id = r.delivery_id JOIN broadcast b ON b.id = d.broadcast_id
), kept AS (
    INSERT INTO receipt (delivery_id, number, source, raw_status, provider_id, error_code)
    SELECT DISTINCT ON (delivery_id, number, raw_status) delivery_id, number, source, raw_status, provider_id, error_code
    FROM known WHERE coalesce(is_exercise, of_exercise) = of_exercise ORDER BY 1, 2, 4 ON CONFLICT DO NOTHING
)
SELECT DISTINCT delivery_id, of_exercise FROM known
""")
