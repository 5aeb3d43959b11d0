"""Failures that receipts and look-ups told of, counted by the clock: per sender and message, and told of where somebody must look.

One receipt says little: that carriers filter a text shows over minutes. So nothing of this is judged while receipts come in;
an index of what failed lately makes the question cheap, and the whole of a message is counted only where it is asked about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.answers import CODES, Answer, Codes, told_answer
from alerts.channels.ports import Step
from alerts.channels.rule_book_outlets import EXERCISE_SENDER
from alerts.deliveries.findings import ALARMS, raise_alarm
from alerts.kit.vitals import Measured, add_to_vital, find_vital, keep_vitals

IN_ANY_CASE = 3
"""So few of a code may be chance, whatever share of a message they are."""
LAG_SECONDS = 5.0
"""What was applied so lately may still be waiting for its commit."""
SHARES_SECONDS = 45.0
"""A share takes a count of the whole message: asked this often at most, so that whoever must know does within about a minute."""
WATCHED_UNTIL = "failures_watched_until"
SHARES_UNTIL = "failure_shares_until"
TOLD_FAILED = "told_failed"
"""The figure that counts failures told of, by `sender code`."""
SHARE_ALARMS: Mapping[Step, str] = MappingProxyType({Step.DO_NOT_REPEAT_TEXT: "content_filtered"})


class Failed(NamedTuple):
    """`cases` failures of one code, of one message by one sender, since the last look."""

    sender: str
    code: str
    broadcast_id: UUID
    cases: int


class Reported(NamedTuple):
    """Of a message and a sender, in one country: how many ends are known, and how many are the failures asked about."""

    number_country: str
    ends: int
    failures: int


def watch_failures(session: Session, *, codes: Codes = CODES, lag_seconds: float = LAG_SECONDS) -> int:
    """Count what failed since the last look, and raise what needs a person; the count. One at a time: another look in between is none."""
    if not session.execute(ONE_AT_A_TIME).scalar_one():
        return 0
    values = {"since": find_vital(session, WATCHED_UNTIL), "lag": lag_seconds}
    since, until = session.execute(SPAN, values).one()
    failed = [Failed(*row) for row in session.execute(LATELY, {"since": since, "until": until})]
    keep_vitals(session, [Measured(WATCHED_UNTIL, "", until)])
    for (sender, code), count in sorted(_summed(failed).items()):
        add_to_vital(session, Measured(TOLD_FAILED, f"{sender} {code}", count))
    _alarm_each(session, failed, codes)
    _watch_shares(session, until, codes=codes, lag_seconds=lag_seconds)
    return sum(each.cases for each in failed)


def is_above(reported: Sequence[Reported], share: float) -> bool:
    """Whether more than the share failed so, of the whole message or in one country: carriers filter country by country."""
    whole = Reported("", sum(each.ends for each in reported), sum(each.failures for each in reported))
    return any(each.failures > max(IN_ANY_CASE, each.ends * share) for each in (whole, *reported))


def _summed(failed: Iterable[Failed]) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for each in failed:
        sums[each.sender, each.code] += each.cases
    return sums


def _row_of(each: Failed, codes: Codes) -> Answer:
    return told_answer(each.sender.removeprefix(EXERCISE_SENDER), each.code, codes)


def _alarm_each(session: Session, failed: Iterable[Failed], codes: Codes) -> None:
    """Of these one is enough: a code in no table, a permission that is off, a template that is not there."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in failed:
        row = _row_of(each, codes)
        if row.step in ALARMS and row.alarm_above is None:
            counts[ALARMS[row.step], each.sender] += each.cases
    for (kind, sender), count in sorted(counts.items()):
        raise_alarm(session, kind, sender=sender, count=count)


def _watch_shares(session: Session, until: float, *, codes: Codes, lag_seconds: float) -> None:
    """What failed since the shares were last looked at, if that is long enough ago."""
    since, _ = session.execute(SPAN, {"since": find_vital(session, SHARES_UNTIL), "lag": lag_seconds}).one()
    if until - since < SHARES_SECONDS:
        return
    keep_vitals(session, [Measured(SHARES_UNTIL, "", until)])
    _alarm_shares(session, [Failed(*row) for row in session.execute(LATELY, {"since": since, "until": until})], codes)


def _alarm_shares(session: Session, failed: Iterable[Failed], codes: Codes) -> None:
    """Of these some are usual: the share of the message's known ends decides."""
    asked: dict[tuple[UUID, str, str, float], list[Failed]] = defaultdict(list)
    for each in failed:
        row = _row_of(each, codes)
        if row.alarm_above is not None and row.step in SHARE_ALARMS:
            asked[each.broadcast_id, each.sender, SHARE_ALARMS[row.step], row.alarm_above].append(each)
    for (broadcast_id, sender, kind, share), lately in sorted(asked.items(), key=lambda item: str(item[0])):
        values = {"broadcast": broadcast_id, "sender": sender, "codes": sorted({each.code for each in lately})}
        if is_above([Reported(*row) for row in session.execute(REPORTED_OF, values)], share):
            raise_alarm(session, kind, sender=sender, count=sum(each.cases for each in lately))


ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtext('watch_failures'))")

# The first look goes an hour back, and so does one after a long silence.
SPAN = text("""
SELECT greatest(coalesce(CAST(:since AS float8), 0), CAST(extract(epoch FROM clock_timestamp()) AS float8) - 3600),
    CAST(extract(epoch FROM clock_timestamp()) AS float8) - :lag
""")

LATELY = text("""
SELECT coalesce(nullif(a.sender, ''), 'SMS'), a.error_code, d.broadcast_id, count(*)
FROM attempt a JOIN delivery d ON d.id = a.delivery_id
WHERE a.state IN ('undelivered', 'failed') AND a.evidence IN ('callback', 'lookup') AND a.error_code IS NOT NULL
  AND a.resolved_at > to_timestamp(:since) AND a.resolved_at <= to_timestamp(:until)
GROUP BY 1, 2, 3
""")

REPORTED_OF = text("""
SELECT coalesce(d.number_country, ''), count(*), count(*) FILTER (WHERE a.state <> 'delivered' AND a.error_code = ANY (:codes))
FROM delivery_batch b JOIN delivery d ON d.batch_id = b.id JOIN attempt a ON a.delivery_id = d.id
WHERE b.broadcast_id = :broadcast AND coalesce(nullif(a.sender, ''), 'SMS') = :sender
  AND a.state IN ('delivered', 'undelivered', 'failed') AND a.evidence IN ('callback', 'lookup')
GROUP BY 1
""")
