"""One more sending: of what nobody knows of, after looking, if the approval allows it; of a known failure, if it was the handset.

The delivery stays as it was until something is evidence; the second handing-over is an attempt of its own that names
the first (`resend_of`), so that whoever counts can tell a permitted repetition from a mistake. A handset that was off
had nothing: its one more sending, after minutes, is a step of the table of answers and needs nobody's leave. The same
discipline as for the first: a committed window, then the carrier, then the record.

What surely did not leave (a provider out of reach, "not now") uses up nothing: it is still owed, and waits longer each time.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.answers import TWILIO_ANSWERS
from alerts.channels.ports import Step
from alerts.channels.rule_book_outlets import other_accounts
from alerts.deliveries.buckets import Lane
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import AttemptKey, News, apply_news
from alerts.deliveries.findings import Told, remember
from alerts.deliveries.lookups import UNCLEAR
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.pruning import count_dead, dead_of, prune
from alerts.deliveries.resting import Leave, ask_leave, open_if_at_work
from alerts.deliveries.restoring import may_send
from alerts.deliveries.rules import BACKOFF_SECONDS_MAX, STILL_OWED, Evidence, Outcome, State
from alerts.deliveries.sending import CANNOT_BE_WRITTEN, NOT_BEGUN, TASK_SECONDS, begin_until
from alerts.deliveries.statements import IS_AFTER_PROMISE, SEALED
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings

Group = tuple[UUID, str]


class Paid(NamedTuple):
    """The tokens of one second sending: where they were taken, and how many."""

    lane: Lane
    cost: int


def resend_unknown(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Commit windows, hand over, record. The count of second sendings that a carrier took."""
    with begin(sessions) as session:
        if not may_send(session):
            return 0
    return sum(_resend(settings, sessions, carriers, channel) for channel in SEALED)


def _resend(settings: Settings, sessions: Sessions, carriers: Carriers, channel: Channel) -> int:
    """Window after window while there is more, at the pace of the lane; what is left is the next sweep's."""
    total, ends_at, idle = 0, time.monotonic() + TASK_SECONDS, set[str]()
    while time.monotonic() < ends_at:
        taken = 0
        with begin(sessions) as session:
            due = rows_of(session.execute(DUE[channel], _values(settings, channel) | {"idle": sorted(idle)}))
            messages = {row["broadcast_id"]: Messages.load(session, settings, row["broadcast_id"]) for row in due}
        for (broadcast_id, sender), paid in _granted(carriers, messages, channel, due).items():
            if sender in idle or time.monotonic() >= ends_at:
                _give_back(carriers, paid.values())
                continue
            accepted = _resend_group(settings, sessions, carriers, messages[broadcast_id], channel, paid)
            taken += accepted
            if not accepted:  # a carrier that takes nothing is not asked again at once
                idle.add(sender)
        total += taken
        if not taken:  # nothing more, or not now
            break
    return total


def _resend_group(  # noqa: PLR0917 - a window is told by all of these
    settings: Settings, sessions: Sessions, carriers: Carriers, messages: Messages, channel: Channel, paid: Mapping[int, Paid]
) -> int:
    """One window, committed just before it is handed over: a cancel that came while another went out is seen."""
    until = begin_until(time.monotonic(), lease_seconds=settings.delivery.lease_seconds)
    with begin(sessions) as session:
        rows = _begin(session, settings, channel, only=list(paid))
    begun = {row["delivery_id"] for row in rows}
    _give_back(carriers, (each for delivery_id, each in paid.items() if delivery_id not in begun))
    if not rows:
        return 0
    outcomes = _hand_over(settings, carriers, messages, channel, rows, until=until)
    with begin(sessions) as session:
        return _record(session, settings, channel, rows, outcomes)


def _granted(
    carriers: Carriers, messages: Mapping[UUID, Messages], channel: Channel, due: Sequence[Mapping[str, Any]]
) -> dict[Group, dict[int, Paid]]:
    """Which of these the pace allows now, by message and sender. A repetition costs a token like a first sending."""
    lanes: dict[tuple[UUID, str, str], list[int]] = defaultdict(list)
    for row in due:
        lanes[row["broadcast_id"], row["sender"], row["number_country"] or ""].append(row["delivery_id"])
    granted: dict[Group, dict[int, Paid]] = defaultdict(dict)
    for (broadcast_id, sender, country), deliveries in lanes.items():
        written = messages[broadcast_id]
        paid = Paid(written.lane(sender, country), written.segments(channel, country, sender))
        grant = carriers.pacer.take(paid.lane, len(deliveries), cost=paid.cost)
        if grant.count:
            granted[broadcast_id, sender] |= dict.fromkeys(deliveries[: grant.count], paid)
    return granted


def _give_back(carriers: Carriers, unused: Iterable[Paid]) -> None:
    """What was granted to those who are not sent to after all (cancelled meanwhile, one at a time, no time left) is the others'."""
    for paid, count in Counter(unused).items():
        carriers.pacer.give_back(paid.lane, count, cost=paid.cost)


def _values(settings: Settings, channel: Channel, only: Sequence[int] | None = None) -> dict[str, Any]:
    delivery = settings.delivery
    return {
        "channel": channel.value,
        "after": delivery.lookup_after_seconds + delivery.resend_after_seconds,
        "later": delivery.resend_after_seconds,
        "limit": delivery.window_size,
        "only": only,
        "unclear": UNCLEAR,
        "still_owed": STILL_OWED,
        "retry": delivery.retry_seconds,
        "backoff_max": BACKOFF_SECONDS_MAX,
        "idle": [],
        "accounts": json.dumps(dict(other_accounts())),
    }


def _begin(session: Session, settings: Settings, channel: Channel, *, only: Sequence[int]) -> list[dict[str, Any]]:
    """Commit one window of these deliveries of a message and a sender; its rows, as far as they are still due.

    Of a closed sender whose rest is over one message is the one that tries it, if nobody else does now.
    """
    rows = rows_of(session.execute(DUE[channel], _values(settings, channel, only)))
    leave = ask_leave(session, rows[0]["sender"]) if rows else Leave.NONE
    rows = rows[:1] if leave is Leave.ONE else rows if leave is Leave.ALL else []
    if rows:
        window = session.execute(INTEND, _intent(rows, lease_seconds=settings.delivery.lease_seconds)).scalar_one()
        rows = [row | {"window": window, "is_probe": leave is Leave.ONE} for row in rows]
    return rows


def _intent(rows: Sequence[Mapping[str, Any]], *, lease_seconds: float) -> dict[str, Any]:
    first = rows[0]
    return {
        "batch": first["batch_id"],
        "sender": first["sender"],
        "lease": lease_seconds,
        "deliveries": [row["delivery_id"] for row in rows],
        "numbers": [row["number"] for row in rows],
        "resend_of": [row["resend_of"] for row in rows],
    }


def _hand_over(  # noqa: PLR0917 - a window is told by all of these
    settings: Settings, carriers: Carriers, messages: Messages, channel: Channel, rows: Sequence[Mapping[str, Any]], *, until: float
) -> list[Outcome]:
    sender = rows[0]["sender"]
    written = [messages.try_write(Row.of(row), channel, sender) for row in rows]
    answers = iter(carriers.submit(Status(rows[0]["status"]), sender, [m for m in written if m is not None], until=until).result())
    outcomes = [CANNOT_BE_WRITTEN if message is None else next(answers) or NOT_BEGUN for message in written]
    by_country: dict[str, list[Outcome]] = defaultdict(list)
    for row, outcome in zip(rows, outcomes, strict=True):
        by_country[row["number_country"] or ""].append(outcome)
    for country, answered in by_country.items():
        carriers.slow(messages.lane(sender, country), answered, rest_seconds=settings.delivery.rest_seconds)
    return outcomes


def _record(  # noqa: PLR0917 - a window and what became of it
    session: Session, settings: Settings, channel: Channel, rows: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]
) -> int:
    """An acceptance moves the delivery; any other answer leaves it as it was: the first sending may still have arrived.

    What a refusal says of a person, an address or the sender is heeded as that of a first sending.
    """
    values = {
        "window": rows[0]["window"],
        "deliveries": [row["delivery_id"] for row in rows],
        "numbers": [row["number"] for row in rows],
        "resend_of": [row["resend_of"] for row in rows],
        "states": [NOT_TAKEN.get(outcome.state, State.FAILED).value for outcome in outcomes],
        "codes": [STILL_OWED if outcome.state is State.QUEUED else outcome.code for outcome in outcomes],
        "words": [outcome.code if outcome.state is State.QUEUED else None for outcome in outcomes],
    }
    if not session.execute(RECORD, values).scalar_one():
        return 0
    if rows[0]["is_probe"]:
        open_if_at_work(session, rows[0]["sender"], outcomes)
    accepted = [
        News(AttemptKey(row["delivery_id"], row["number"]), State.ACCEPTED, outcome.provider_id, outcome.raw_status or "", None)
        for row, outcome in zip(rows, outcomes, strict=True)
        if outcome.state is State.ACCEPTED
    ]
    apply_news(session, accepted, Evidence.ANSWER)
    told = [Told(row["citizen_id"], outcome) for row, outcome in zip(rows, outcomes, strict=True)]
    remember(session, rows[0]["sender"], told, rest_seconds=settings.delivery.rest_seconds)
    _bury(session, channel, rows, outcomes)
    return len(accepted)


def _bury(session: Session, channel: Channel, rows: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
    sender = rows[0]["sender"]
    for batch_id in {row["batch_id"] for row in rows}:
        pairs = [(row["address_id"], outcome) for row, outcome in zip(rows, outcomes, strict=True) if row["batch_id"] == batch_id]
        dead = dead_of(channel, pairs, sender=sender)
        if dead:
            count_dead(session, batch_id, sender=sender, count=len(dead))
            prune(session, channel, batch_id, dead)


NOT_TAKEN = {State.UNKNOWN: State.UNKNOWN, State.ACCEPTED: State.UNKNOWN}
"""What an attempt is before its news is applied: an acceptance moves it on at once, by the rules of evidence."""

_DUE = """
WITH candidate AS (
    SELECT delivery_id, number, sender, state FROM attempt
    WHERE state = 'unknown' AND channel = :channel AND resend_of IS NULL AND intent_at < clock_timestamp() - make_interval(secs => :after)
      AND (channel NOT IN ('sms', 'whatsapp', 'voice') OR looked_up_at IS NOT NULL AND error_code IS DISTINCT FROM :unclear)
    UNION ALL
    SELECT delivery_id, number, sender, state FROM attempt
    WHERE state = 'undelivered' AND error_code IN ({again}) AND channel = :channel AND resend_of IS NULL
      AND resolved_at < clock_timestamp() - make_interval(secs => :later)
), due AS (
    SELECT d.id, d.attempts + 1 AS number, d.broadcast_id, d.batch_id, d.member_id, d.address_id, d.number_country, a.number AS resend_of,
        a.sender, b.status
    FROM candidate a JOIN delivery d ON d.id = a.delivery_id AND d.state = a.state
    JOIN broadcast b ON b.id = d.broadcast_id JOIN incident i ON i.id = b.incident_id
    JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id
    WHERE (a.state = 'unknown' OR NOT EXISTS (SELECT FROM delivery n WHERE n.id = d.id + 1))
      AND b.state = 'approved' AND (a.state <> 'unknown' OR b.resend_unknown = 'once') AND NOT i.is_quiet
      AND clock_timestamp() < b.approved_at + make_interval(secs => b.validity_seconds)
      AND c.opted_out_at IS NULL AND c.died_at IS NULL AND c.merged_into IS NULL AND d.answered_at IS NULL
      AND NOT EXISTS (SELECT FROM attempt r WHERE r.delivery_id = d.id AND r.resend_of = a.number
                      AND (r.state <> 'failed' OR r.error_code IS DISTINCT FROM :still_owed OR r.resolved_at > clock_timestamp()
                          - make_interval(secs => least(:backoff_max, :retry * 2.0 ^ least(r.number - a.number - 1, 20)))))
      AND a.sender <> ALL (CAST(:idle AS text[]))
      AND NOT EXISTS (SELECT FROM sender_rest s WHERE s.sender IN (a.sender, CAST(:accounts AS jsonb) ->> a.sender)
                      AND s.until > clock_timestamp())
      AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND d.id = ANY (w.deliveries))
      AND NOT EXISTS (SELECT FROM broadcast k WHERE b.id = ANY (k."references") AND k.msg_type IN ('Update', 'Cancel')
                      AND k.released_at IS NOT NULL)
      AND (CAST(:only AS bigint[]) IS NULL OR d.id = ANY (CAST(:only AS bigint[])))
    ORDER BY d.id LIMIT :limit FOR UPDATE OF d SKIP LOCKED FOR SHARE OF b
)
SELECT due.id AS delivery_id, due.number, due.broadcast_id, due.batch_id, due.resend_of, due.sender, due.status, due.member_id,
    m.citizen_id, due.address_id, m.language, due.number_country, m.link_generation, {late}, {fields} AS sealed
FROM due JOIN audience_member m ON m.id = due.member_id JOIN {table} a ON a.id = due.address_id ORDER BY due.id
"""
_AGAIN = ", ".join(f"'{code}'" for code, answer in sorted(TWILIO_ANSWERS.items()) if answer.step is Step.RESEND_ONCE_LATER)
DUE = {
    channel: text(_DUE.format(fields=fields, table=table, again=_AGAIN, late=IS_AFTER_PROMISE))
    for channel, (fields, table) in SEALED.items()
}

INTEND = text("""
INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, resend_of, lease_until)
VALUES (:batch, 0, :sender, :deliveries, :numbers, :resend_of, clock_timestamp() + make_interval(secs => :lease)) RETURNING id
""")

RECORD = text("""
WITH held AS (
    UPDATE send_window SET closed_at = clock_timestamp() WHERE id = :window AND closed_at IS NULL RETURNING id, sender, intent_at
), o AS (
    SELECT * FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:resend_of AS smallint[]),
        CAST(:states AS text[]), CAST(:codes AS text[]), CAST(:words AS text[])) AS o(delivery_id, number, resend_of, state, code, word)
), locked AS MATERIALIZED (
    SELECT d.id, d.channel FROM delivery d WHERE d.id = ANY (CAST(:deliveries AS bigint[])) AND EXISTS (SELECT FROM held)
    ORDER BY d.id FOR UPDATE
), counted AS (
    UPDATE delivery d SET attempts = greatest(d.attempts, o.number) FROM o, locked WHERE d.id = o.delivery_id AND locked.id = d.id
), written AS (
    INSERT INTO attempt AS a (delivery_id, number, window_id, channel, sender, state, evidence, resend_of, intent_at, resolved_at,
        error_code, raw_status)
    SELECT o.delivery_id, o.number, held.id, locked.channel, held.sender, o.state, 'answer', o.resend_of, held.intent_at,
        clock_timestamp(), o.code, o.word
    FROM o JOIN locked ON locked.id = o.delivery_id CROSS JOIN held
    ON CONFLICT (delivery_id, number) DO UPDATE SET window_id = excluded.window_id, sender = excluded.sender,
        resend_of = excluded.resend_of, intent_at = excluded.intent_at
)
SELECT count(*) FROM held
""")
