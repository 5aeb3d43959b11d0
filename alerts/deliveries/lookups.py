"""Asks the carrier about messages of which nobody knows. Finding one is evidence; finding none proves nothing.

A carrier lists messages by number and text, not by our names. Where a text carries the person's own link, that is name
enough; where it does not (some countries let no link through, a call shows no text at all), two attempts to one number
look alike. What may be another attempt's message is nobody's evidence: it stays unknown, and is not repeated either.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.rules import Channel
from alerts.channels.answers import reported_state, told_answer
from alerts.channels.ports import LOOK_BACK, FoundMessage, Message, SmsMessage, Transient, WhatsAppMessage
from alerts.channels.sms_dialect import codes_of, dialects_of
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import NOT_REACHED, AttemptKey, News, apply_news
from alerts.deliveries.findings import note_unread_words
from alerts.deliveries.heeding import Failure, Slowed, heed, slow_down
from alerts.deliveries.messages import Messages, Row
from alerts.deliveries.rules import REPORTED, Evidence, State
from alerts.deliveries.sending import TASK_SECONDS
from alerts.deliveries.statements import IS_AFTER_PROMISE, SEALED
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings

log = structlog.get_logger()
AT_ONCE = 100
ASKED_TOGETHER = 8
LOOKED_UP = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
"""Channels whose provider lists what it took."""
UNCLEAR = "listed_unclear"
"""The error code of an unknown attempt for which something is listed that may be its message, or another's that looks the same, or
says in no word of ours how far it got. It is not repeated: whoever it went to has it."""


def look_up(settings: Settings, sessions: Sessions, carriers: Carriers) -> int:
    """Ask for all that is due, channel by channel; how many became known."""
    return sum(_Round(settings, sessions, carriers, channel).run() for channel in LOOKED_UP)


class _Round:
    """The look-ups of one channel that are due now. Texts are read once."""

    def __init__(self, settings: Settings, sessions: Sessions, carriers: Carriers, channel: Channel) -> None:
        self._settings, self._sessions, self._carriers, self._channel = settings, sessions, carriers, channel
        self._texts: dict[UUID, Messages] = {}
        self._is_unreadable = False
        self._slowed: set[Slowed] = set()

    def run(self) -> int:
        """Round after round while there is more; what is left is the next sweep's."""
        known, ends_at = 0, time.monotonic() + TASK_SECONDS
        while True:
            values = {"after": self._settings.delivery.lookup_after_seconds, "limit": AT_ONCE, "channel": self._channel.value}
            with begin(self._sessions) as session:
                rows = rows_of(session.execute(DUE[self._channel], values))
                written = [(row, message) for row in rows if (message := self._write(session, row)) is not None]
            if written:
                known += self._ask(written)
            if self._is_unreadable or len(rows) < AT_ONCE or time.monotonic() >= ends_at:
                return known

    def _ask(self, written: Sequence[tuple[Mapping[str, Any], Message]]) -> int:
        known = 0
        with ThreadPoolExecutor(ASKED_TOGETHER) as pool:
            asked = [(row, message, pool.submit(self._find, row, message)) for row, message in written]
            for row, message, answer in asked:
                try:
                    found = answer.result()
                except Transient as error:
                    # The carrier's list cannot be read now: the others of this round would only wait as long.
                    log.info("look_up.later", code=error.code)
                    pool.shutdown(wait=False, cancel_futures=True)
                    self._is_unreadable = True
                    break
                with begin(self._sessions) as session:
                    known += self._settle(session, row, message, found)
        slow_down(self._settings, self._carriers, self._slowed)
        self._slowed.clear()
        return known

    def _find(self, row: Mapping[str, Any], message: Message) -> Sequence[FoundMessage]:
        created_after = row["intent_at"] - LOOK_BACK
        return self._carriers.find(Status(row["status"]), row["sender"], message, created_after=created_after)

    def _write(self, session: Session, row: Mapping[str, Any]) -> Message | None:
        broadcast_id = row["broadcast_id"]
        if broadcast_id not in self._texts:
            self._texts[broadcast_id] = Messages.load(session, self._settings, broadcast_id)
        return self._texts[broadcast_id].try_write(Row.of(row), self._channel, row["sender"])

    def _settle(self, session: Session, row: Mapping[str, Any], message: Message, found: Sequence[FoundMessage]) -> int:
        """Take the listed message that can only be this attempt's, or one of as many as there are attempts alike."""
        session.execute(ONE_AT_A_TIME, {"address_id": row["address_id"]})
        taken = self._taken(session, row, found)
        free = sorted((each for each in found if each.provider_id not in taken), key=lambda each: each.created_at)
        rivals = self._rivals(session, row, message, [each.created_at for each in free])
        own = free[sum(began < row["intent_at"] for began in rivals)] if len(free) > len(rivals) else None
        source = self._texts[row["broadcast_id"]].provider(row["sender"])
        reported = reported_state(source, own.raw_status, dialects_of(self._settings)) if own else None
        attempt = AttemptKey(row["delivery_id"], row["number"])
        looked = {"is_unclear": bool(free) and own is None, "unclear": UNCLEAR, **attempt._asdict()}
        if own is not None and reported is None:
            note_unread_words(session, [(source, own.raw_status)])
        if session.execute(LOOKED, looked).first() is None or own is None:
            return 0
        # What is listed was taken, whatever the word beside it means.
        news = News(attempt, REPORTED[reported] if reported else State.ACCEPTED, own.provider_id, own.raw_status, own.error_code)
        apply_news(session, [news], Evidence.LOOKUP)
        if news.error_code and news.state in NOT_REACHED:
            step = told_answer(source, news.error_code, codes_of(self._settings)).step
            failure = Failure(*attempt, news.error_code, step)
            self._slowed |= heed(session, [failure], rest_seconds=self._settings.delivery.rest_seconds)
        return 1

    def _taken(self, session: Session, row: Mapping[str, Any], found: Sequence[FoundMessage]) -> set[str]:
        """Which of these are known to be other deliveries', by any evidence of ours."""
        values = {name: row[name] for name in ("delivery_id", "number", "address_id")} | {"providers": [each.provider_id for each in found]}
        return set(session.execute(TAKEN, values).scalars())

    def _rivals(self, session: Session, row: Mapping[str, Any], message: Message, created: Sequence[datetime]) -> list[datetime]:
        """When the other deliveries began whose fate is as open and whose message would look the same; oldest first."""
        if not created:
            return []
        values = {name: row[name] for name in ("delivery_id", "address_id", "sender")} | {"channel": self._channel.value}
        began: dict[int, datetime] = {}
        for rival in rows_of(session.execute(RIVALS[self._channel], values)):
            may_be = any(self._may_have_made(rival["intent_at"], at) for at in created)
            if may_be and _looks_like(message, self._write(session, rival)):
                began.setdefault(rival["delivery_id"], rival["intent_at"])
        return sorted(began.values())

    def _may_have_made(self, intent_at: datetime, created_at: datetime) -> bool:
        """Nothing is begun after the lease that an intent was written under; the carrier's clock may differ from ours."""
        lease = timedelta(seconds=self._settings.delivery.lease_seconds)
        return intent_at - LOOK_BACK <= created_at <= intent_at + lease + LOOK_BACK


def _looks_like(message: Message, other: Message | None) -> bool:
    """Whether a list of the carrier's would show no difference. What cannot be written any more may look like anything."""
    if isinstance(message, SmsMessage) and isinstance(other, SmsMessage):
        return message.body.strip() == other.body.strip()
    if isinstance(message, WhatsAppMessage) and isinstance(other, WhatsAppMessage):
        return message.variables == other.variables
    return True


_ROW = f"""d.broadcast_id, b.status, d.member_id, m.citizen_id, d.address_id, m.language, d.number_country, m.link_generation,
    {IS_AFTER_PROMISE}"""

# Whoever was tried longest ago comes first, so that what cannot be looked up keeps nobody else waiting. What has long been unknown is
# asked for ever more seldom: a carrier that never had it will not have it, and each question is a request.
_DUE = """
WITH due AS (
    UPDATE attempt a SET look_up_tried_at = clock_timestamp() FROM (
        SELECT delivery_id, number FROM attempt WHERE state = 'unknown' AND channel = :channel
          AND intent_at < clock_timestamp() - make_interval(secs => :after)
          AND (look_up_tried_at IS NULL
               OR look_up_tried_at < clock_timestamp() - greatest(make_interval(secs => :after), (clock_timestamp() - intent_at) / 4))
        ORDER BY look_up_tried_at NULLS FIRST, intent_at LIMIT :limit FOR UPDATE SKIP LOCKED) n
    WHERE (a.delivery_id, a.number) = (n.delivery_id, n.number)
    RETURNING a.delivery_id, a.number, a.sender, a.intent_at
)
SELECT due.delivery_id, due.number, due.sender, due.intent_at, {row}, {fields} AS sealed
FROM due JOIN delivery d ON d.id = due.delivery_id JOIN audience_member m ON m.id = d.member_id
JOIN {table} a ON a.id = d.address_id JOIN broadcast b ON b.id = d.broadcast_id
ORDER BY due.intent_at
"""

# Whoever else of ours has that number may be who a listed message went to.
_SAME_NUMBER = """
FROM phone own JOIN phone p ON p.id = own.id OR p.e164_index = own.e164_index AND p.retired_at IS NULL
JOIN audience_member m ON m.citizen_id = p.citizen_id
"""

_RIVALS = """
SELECT o.delivery_id, o.number, o.sender, o.intent_at, {row}, {fields} AS sealed
{same_number}
JOIN delivery d ON d.id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63 AND d.address_id = p.id AND d.channel = :channel
JOIN broadcast b ON b.id = d.broadcast_id JOIN {table} a ON a.id = d.address_id
CROSS JOIN LATERAL (
    SELECT t.delivery_id, t.number, t.sender, t.intent_at FROM attempt t WHERE t.delivery_id = d.id AND t.state = 'unknown'
    UNION ALL
    SELECT u.delivery_id, u.number, w.sender, w.intent_at
    FROM send_window w, unnest(w.deliveries, w.numbers) AS u(delivery_id, number) WHERE w.closed_at IS NULL AND u.delivery_id = d.id
) o
WHERE own.id = :address_id AND d.id <> :delivery_id AND o.sender = :sender ORDER BY o.intent_at
"""


def _for_channels(statement: str) -> dict[Channel, Any]:
    return {
        channel: text(statement.format(row=_ROW, fields=SEALED[channel][0], table=SEALED[channel][1], same_number=_SAME_NUMBER))
        for channel in LOOKED_UP
    }


DUE, RIVALS = _for_channels(_DUE), _for_channels(_RIVALS)

# Two look-ups of one number would each see the message free that the other takes.
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(encode(e164_index, 'hex'), 0)) FROM phone WHERE id = :address_id")

LOOKED = text("""
UPDATE attempt SET looked_up_at = clock_timestamp(),
    error_code = CASE WHEN :is_unclear THEN CAST(:unclear AS text) ELSE nullif(error_code, :unclear) END
WHERE (delivery_id, number) = (:delivery_id, :number) AND state = 'unknown' RETURNING number
""")

# A callback that lies in the table and is not applied yet says as surely whose a message is.
TAKEN = text(f"""
SELECT k.provider_id {_SAME_NUMBER}
CROSS JOIN LATERAL (
    SELECT t.delivery_id, t.number, t.provider_id FROM attempt t WHERE t.delivery_id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63
    UNION ALL
    SELECT r.delivery_id, r.number, r.provider_id FROM receipt r WHERE r.delivery_id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63
) k
WHERE own.id = :address_id AND k.provider_id = ANY (:providers) AND (k.delivery_id, k.number) <> (:delivery_id, :number)
""")  # noqa: S608 - our own words
