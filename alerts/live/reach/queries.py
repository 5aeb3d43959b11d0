"""The counts of one message from its rows: one pass over its people, whatever the number of cuts; and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.checkins.queries import standings_at
from alerts.checkins.rules import Standing
from alerts.country_rules.queries import load_book
from alerts.kit.clock import db_now
from alerts.kit.db import rows_of
from alerts.live.reach.rules import Happening, Moments, Tally
from alerts.missions.queries import mission_names

CUT_PEOPLE = 7
CUTS = {3: Happening.HANDED_OVER, 5: Happening.DELIVERED, 6: Happening.ANSWERED}
"""What GROUPING(handed_over, delivered, answered) says of a row of PEOPLE."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database says of one message at `at`.

    `people` are groups that are alike in every cut; `moments` tell when things happened; `steps` are those after the first.
    """

    at: datetime
    people: Sequence[Tally]
    moments: Mapping[Happening, Moments]
    steps: Sequence[Mapping[str, Any]]
    answers: Mapping[Standing, int]
    waves: Mapping[int, datetime | None]
    missions: Mapping[str, str]
    newest_at: datetime | None
    resent: int
    sent_twice: int
    unknowns: Sequence[Mapping[str, Any]]
    alarms: Sequence[Mapping[str, Any]]


def load_rows(session: Session, broadcast: Broadcast, *, known_at: datetime | None = None) -> Rows:
    """Everything as it stands, or as it was known at `known_at`. A message that was not released by then has no rows."""
    now = db_now(session)
    at = min(known_at or now, now)
    values = {"broadcast": broadcast.id, "incident": broadcast.incident_id, "at": at, "released_at": broadcast.released_at}
    values["silent"] = [f"{channel}:{country}" for channel, country in load_book(session).never_receipted()]
    if broadcast.released_at is None or broadcast.released_at > at:
        return Rows(at, [], {}, [], {}, {}, {}, None, 0, 0, [], [])
    rows = rows_of(session.execute(text(PEOPLE), values))
    people = [Tally(*(row[name] for name in Tally.__slots__)) for row in rows if row["cut"] == CUT_PEOPLE]
    again = session.execute(text(AGAIN), values).one()
    return Rows(
        at=at,
        people=people,
        moments={happening: _moments(rows, cut) for cut, happening in CUTS.items()},
        steps=rows_of(session.execute(text(LATER_STEPS), values)),
        answers=_answers(session, broadcast, at),
        waves={row.wave: row.released_at for row in session.execute(text(WAVES), values)},
        missions=mission_names(session, {row.mission for row in people if row.mission}),
        newest_at=max((row["newest_at"] for row in rows if row["cut"] == CUT_PEOPLE), default=None),
        resent=again.resent,
        sent_twice=again.sent_twice,
        unknowns=rows_of(session.execute(text(UNKNOWNS), values)),
        alarms=rows_of(session.execute(text(ALARMS), values)),
    )


def _moments(rows: Sequence[Mapping[str, Any]], cut: int) -> Moments:
    """Tenths of a second since the release, by wave, each with how many people."""
    found = [row for row in rows if row["cut"] == cut]
    name = CUTS[cut].value
    return [(row["wave"], row[name], row["people"]) for row in found if row[name] is not None]


def _answers(session: Session, broadcast: Broadcast, at: datetime) -> dict[Standing, int]:
    """People of this message's list by where each stands in the incident: a call for help stays one until somebody made contact."""
    each = standings_at(broadcast.incident_id, at)
    query = select(each.c.standing, func.count()).join(AudienceMember, AudienceMember.citizen_id == each.c.citizen_id)
    query = query.where(AudienceMember.broadcast_id == broadcast.id, text(HAS_ANSWERED).bindparams(at=at)).group_by(each.c.standing)
    return {Standing(standing): people for standing, people in session.execute(query)}


# A state that came after the moment asked for is not told; what had happened by then is.
_STATE = """CASE WHEN d.state_at <= :at THEN d.state WHEN d.delivered_at <= :at THEN 'delivered' WHEN d.accepted_at <= :at THEN 'accepted'
    ELSE 'queued' END"""

# One row per person: the first step, with what the later ones (of the few who have any) add to it. The last step has the last
# word on who was stopped, the last that was begun on what is unknown. Times are tenths of a second since the release, rounded
# up, to the second after 100 seconds and to ten seconds after an hour: so there are never more than a few thousand of them.
PEOPLE = f"""
WITH batch AS MATERIALIZED (
    SELECT q.id, coalesce(a.wave, 1) AS wave, concat(q.channel, ':*') = ANY (CAST(:silent AS text[]))
        OR concat(q.channel, ':', q.number_country) = ANY (CAST(:silent AS text[])) AS is_silent
    FROM delivery_batch q LEFT JOIN audience a ON a.id = q.audience_id WHERE q.broadcast_id = :broadcast
), later AS MATERIALIZED (
    SELECT d.member_id, min(d.accepted_at) FILTER (WHERE d.accepted_at <= :at) AS accepted_at,
        min(d.delivered_at) FILTER (WHERE d.delivered_at <= :at) AS delivered_at,
        min(d.answered_at) FILTER (WHERE d.answered_at <= :at) AS answered_at,
        bool_and(b.is_silent) FILTER (WHERE d.accepted_at <= :at) AS is_silent,
        bool_or({_STATE} IN ('queued', 'sending')) AS is_under_way, max(least(d.state_at, :at)) AS state_at,
        max(d.step * 2 + CAST({_STATE} = 'unknown' AS int)) FILTER (WHERE d.attempts > 0 OR d.state = 'unknown') % 2 AS last_is_unknown,
        max(d.step * 2 + CAST({_STATE} IN ('cancelled', 'expired') AS int)) % 2 AS last_is_stopped
    FROM batch b JOIN delivery d ON d.batch_id = b.id WHERE d.step > 1 AND d.created_at <= :at GROUP BY 1
), place AS MATERIALIZED (
    SELECT DISTINCT ON (place) place, mission_code FROM incident_mission, unnest(places) AS place
    WHERE incident_id = :incident AND (left_at IS NULL OR left_at > :at) ORDER BY place, part, mission_code
), person AS (
    SELECT b.wave, coalesce(p.mission_code, n.mission_code) AS mission, d.channel, d.number_country, {_STATE} AS state,
        CASE WHEN d.state_at <= :at THEN d.error_code END AS error_code, l.last_is_unknown, l.last_is_stopped, l.is_under_way, greatest(least(d.state_at, :at), l.state_at) AS state_at,
        coalesce(b.is_silent OR d.accepted_at IS NULL, true) AND coalesce(l.is_silent, true) AS is_silent,
        coalesce(d.accepted_at <= :at, false) AS is_first_taken, coalesce(d.delivered_at <= :at, false) AS is_first_delivered,
        least(CASE WHEN d.accepted_at <= :at THEN d.accepted_at END, l.accepted_at) AS accepted_at,
        least(CASE WHEN d.delivered_at <= :at THEN d.delivered_at END, l.delivered_at) AS delivered_at,
        least(CASE WHEN d.answered_at <= :at THEN d.answered_at END, l.answered_at) AS answered_at
    FROM batch b JOIN delivery d ON d.batch_id = b.id JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id
    LEFT JOIN later l ON l.member_id = d.member_id LEFT JOIN place p ON p.place = c.province_code LEFT JOIN place n ON n.place = c.country_iso2
    WHERE d.step = 1 AND d.created_at <= :at
), judged AS (
    SELECT wave, mission, channel, number_country, state, error_code, state_at, delivered_at IS NOT NULL AS is_delivered,
        answered_at IS NOT NULL AS is_answered, is_first_taken, is_first_delivered,
        accepted_at IS NOT NULL AND delivered_at IS NULL AND is_silent AS is_silent,
        CASE WHEN accepted_at IS NOT NULL THEN 'handed_over'
            WHEN coalesce(last_is_unknown = 1, state = 'unknown') THEN 'unknown'
            WHEN channel = 'none' THEN 'unreachable'
            WHEN state IN ('queued', 'sending') OR is_under_way THEN 'in_progress'
            WHEN coalesce(last_is_stopped = 1, state IN ('cancelled', 'expired')) THEN 'stopped'
            ELSE 'unreachable' END AS verdict,
        CAST(ceil(10 * date_part('epoch', accepted_at - :released_at)) AS int) AS a,
        CAST(ceil(10 * date_part('epoch', delivered_at - :released_at)) AS int) AS d,
        CAST(ceil(10 * date_part('epoch', answered_at - :released_at)) AS int) AS r
    FROM person
), timed AS (
    SELECT wave, mission, channel, number_country, state, error_code, verdict, is_delivered, is_answered, is_silent,
        is_first_taken, is_first_delivered, state_at,
        CASE WHEN a < 1000 THEN a WHEN a < 36000 THEN (a + 9) / 10 * 10 ELSE (a + 99) / 100 * 100 END AS handed_over,
        CASE WHEN d < 1000 THEN d WHEN d < 36000 THEN (d + 9) / 10 * 10 ELSE (d + 99) / 100 * 100 END AS delivered,
        CASE WHEN r < 1000 THEN r WHEN r < 36000 THEN (r + 9) / 10 * 10 ELSE (r + 99) / 100 * 100 END AS answered
    FROM judged
)
SELECT GROUPING(handed_over, delivered, answered) AS cut, wave, mission, channel, number_country, state, error_code, verdict,
    is_delivered, is_answered, is_silent, is_first_taken, is_first_delivered, handed_over, delivered, answered, count(*) AS people, max(state_at) AS newest_at
FROM timed GROUP BY GROUPING SETS (
    (wave, mission, channel, number_country, state, error_code, verdict, is_delivered, is_answered, is_silent, is_first_taken,
        is_first_delivered),
    (wave, handed_over), (wave, delivered), (wave, answered))
"""  # noqa: S608 - our own words

LATER_STEPS = f"""
SELECT d.step, d.channel, d.number_country, {_STATE} AS state, CASE WHEN d.state_at <= :at THEN d.error_code END AS error_code,
    count(*) AS people,
    count(*) FILTER (WHERE d.accepted_at <= :at) AS handed_over, count(*) FILTER (WHERE d.delivered_at <= :at) AS delivered,
    count(*) FILTER (WHERE d.answered_at <= :at) AS answered
FROM delivery_batch q JOIN delivery d ON d.batch_id = q.id
WHERE q.broadcast_id = :broadcast AND d.step > 1 AND d.created_at <= :at GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608

HAS_ANSWERED = """
EXISTS (SELECT FROM delivery d WHERE d.id BETWEEN audience_member.id * 64 + 1 AND audience_member.id * 64 + 63 AND d.answered_at <= :at)
"""

WAVES = "SELECT wave, released_at FROM audience WHERE broadcast_id = :broadcast AND released_at <= :at ORDER BY wave"

# (Person, step) pairs that a carrier took more than once: with the repetitions that the approval covers, or without.
AGAIN = """
WITH again AS (
    SELECT DISTINCT a.delivery_id, b.resend_unknown FROM attempt a JOIN delivery d ON d.id = a.delivery_id
    JOIN broadcast b ON b.id = d.broadcast_id WHERE a.number > 1 AND d.broadcast_id = :broadcast
), pair AS (
    SELECT a.delivery_id, count(DISTINCT a.provider_id) AS accepted,
        count(DISTINCT a.resend_of) FILTER (WHERE a.provider_id IS NOT NULL AND again.resend_unknown = 'once') AS permitted
    FROM again JOIN attempt a USING (delivery_id) WHERE a.intent_at <= :at GROUP BY 1
)
SELECT count(*) FILTER (WHERE accepted - permitted > 1) AS sent_twice,
    count(*) FILTER (WHERE accepted > 1 AND accepted - permitted <= 1) AS resent FROM pair
"""

# What is still done about an unknown: it is looked up where the provider lists what it took, then sent once more if that was
# approved and the message still holds, then it stays and is shown.
UNKNOWNS = """
WITH open AS (
    SELECT a.delivery_id, a.channel, a.intent_at, a.looked_up_at, b.resend_unknown = 'once' AND b.state = 'approved' AND NOT i.is_quiet
        AND :at < b.approved_at + make_interval(secs => b.validity_seconds)
        AND NOT EXISTS (SELECT FROM attempt r WHERE r.delivery_id = a.delivery_id AND r.resend_of IS NOT NULL) AS may_resend
    FROM attempt a JOIN delivery d ON d.id = a.delivery_id AND d.accepted_at IS NULL
    JOIN broadcast b ON b.id = d.broadcast_id JOIN incident i ON i.id = b.incident_id
    WHERE a.state = 'unknown' AND a.intent_at <= :at AND d.broadcast_id = :broadcast
)
SELECT CASE WHEN channel IN ('sms', 'whatsapp', 'voice') AND looked_up_at IS NULL THEN 'look_up' WHEN may_resend THEN 'resend' ELSE 'left' END AS next,
    count(*) AS attempts, min(intent_at) AS oldest_at, max(intent_at) AS newest_at FROM open GROUP BY 1 ORDER BY 1
"""

ALARMS = """
SELECT kind, sender, count, first_at, last_at, acknowledged_at IS NOT NULL AS is_acknowledged FROM alarm
WHERE last_at >= :released_at AND first_at <= :at AND kind NOT IN ('nobody_to_page', 'round_trip_late', 'promise_broken')
ORDER BY last_at DESC LIMIT 20
"""
