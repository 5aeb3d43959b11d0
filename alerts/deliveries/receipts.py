"""The door for carriers' receipts: kept first, together, and answered; what they mean is worked out afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from sqlalchemy import text

from alerts.deliveries.rules import parse_attempt_name
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import ForbiddenError, InvalidError
from alerts.kit.group_commit import GroupCommit
from alerts.kit.ids import attempt_of_callback
from alerts.kit.text import visible


class Receipt(NamedTuple):
    """One word of a carrier on one attempt. `source`: the dialect of the word."""

    delivery_id: int
    number: int
    source: str
    raw_status: str
    provider_id: str
    error_code: str | None


Door = GroupCommit[Receipt, bool]


def make_door(sessions: Sessions) -> Door:
    """The door of one web process. Its answer: whether there is such a delivery."""
    return GroupCommit(lambda receipts: keep_receipts(sessions, receipts), name="receipts")


def keep_receipts(sessions: Sessions, receipts: Sequence[Receipt]) -> list[bool]:
    """Store each distinct word once, in one transaction; for each receipt, whether its delivery exists."""
    values = dict(zip(Receipt._fields, map(list, zip(*receipts, strict=True)), strict=True))
    with begin(sessions) as session:
        known = set(session.execute(KEEP, values).scalars())
    return [receipt.delivery_id in known for receipt in receipts]


class Said(NamedTuple):
    """What a receipt's fields say, as they came: strangers' words. `error_code` may be empty."""

    source: str
    raw_status: str
    provider_id: str
    error_code: str


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
        raise InvalidError("status_missing", "a receipt says a state", field="MessageStatus")
    if not provider_id:
        raise InvalidError("sid_missing", "a receipt says the message's id", field="MessageSid")
    return Receipt(*parsed, said.source, raw_status, provider_id, visible(said.error_code)[:16] or None)


def _door_of(request: Request) -> Door:
    """The web process's own, made when the first receipt comes."""
    state = request.app.state
    if not hasattr(state, "receipt_door"):
        state.receipt_door = make_door(state.sessions)
    door: Door = state.receipt_door
    return door


ReceiptDoor = Annotated[Door, Depends(_door_of)]

KEEP = text("""
WITH new AS (
    SELECT DISTINCT ON (delivery_id, number, raw_status) * FROM unnest(CAST(:delivery_id AS bigint[]), CAST(:number AS smallint[]),
        CAST(:source AS text[]), CAST(:raw_status AS text[]), CAST(:provider_id AS text[]), CAST(:error_code AS text[]))
        AS r(delivery_id, number, source, raw_status, provider_id, error_code)
), known AS (
    SELECT new.* FROM new JOIN delivery d ON d.id = new.delivery_id
), kept AS (
    INSERT INTO receipt (delivery_id, number, source, raw_status, provider_id, error_code)
    SELECT delivery_id, number, source, raw_status, provider_id, error_code FROM known ORDER BY 1, 2, 4 ON CONFLICT DO NOTHING
)
SELECT DISTINCT delivery_id FROM known
""")
