"""The counts of one message from its rows: one pass for all cuts, one for all moments; and what stands beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember, Broadcast
from alerts.checkins.queries import count_claims, standings_at
from alerts.checkins.rules import Standing
from alerts.country_rules.queries import load_book
from alerts.deliveries.call_list.queries import outcomes_of
from alerts.deliveries.call_list.rules import Outcome
from alerts.kit.clock import db_now
from alerts.kit.db import rows_of
from alerts.live.reach.rules import Group, Happening, Moments, Tally
from alerts.missions.queries import mission_names


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database says of one message at `at`.

    `people` are groups that are alike in every cut; `moments` tell when things happened; `steps` are those after the first.
    """

    at: datetime
    people: Sequence[Tally] = ()
    moments: Mapping[Happening, Moments] = field(default_factory=dict)
    steps: Sequence[Mapping[str, Any]] = ()
    answers: Mapping[Standing, int] = field(default_factory=dict)
    claimed: int = 0
    waves: Mapping[int, datetime | None] = field(default_factory=dict)
    newest_at: datetime | None = None
    resent: int = 0
    sent_twice: int = 0
    unknowns: Sequence[Mapping[str, Any]] = ()
    alarms: Sequence[Mapping[str, Any]] = ()
    calls: Mapping[Outcome, int] = field(default_factory=dict)
    roaming: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class MissionRows:
    """The same people by mission. Whom a mission answers for is read from the register, so this costs more than all the rest."""

    at: datetime
    people: Mapping[str | None, Sequence[Group]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def load_rows(session: Session, broadcast: Broadcast, *, known_at: datetime | None = None) -> Rows:
    """Everything as it stands, or as it was known at `known_at`. A message that was not released by then has no rows."""
    values = values_of(session, broadcast, known_at)
    if values["released_at"] is None:
        return Rows(values["at"])
    rows = rows_of(session.execute(text(PEOPLE), values))
    again = session.execute(text(AGAIN), values).one()
    return Rows(
        at=values["at"],
        people=[_tally(row["key"], row["people"]) for row in rows],
        moments=_moments(session, values),
        steps=rows_of(session.execute(text(LATER_STEPS), values)),
        answers=_answers(session, broadcast, values["at"]),
        claimed=count_claims(session, broadcast, values["at"]),
        waves={row.wave: row.released_at for row in session.execute(text(WAVES), values)},
        newest_at=max((row["newest_at"] for row in rows), default=None),
        resent=again.resent,
        sent_twice=again.sent_twice,
        unknowns=rows_of(session.execute(text(UNKNOWNS), values)),
        alarms=rows_of(session.execute(text(ALARMS), values)),
        calls=outcomes_of(session, broadcast.id, at=values["at"]),
        roaming=rows_of(session.execute(text(ROAMING), values)),
    )


def load_missions(session: Session, broadcast: Broadcast, *, known_at: datetime | None = None) -> MissionRows:
    """People by the mission that answers for their registered place; None: none does."""
    values = values_of(session, broadcast, known_at)
    if values["released_at"] is None:
        return MissionRows(values["at"])
    people: dict[str | None, list[Group]] = defaultdict(list)
    for row in rows_of(session.execute(text(MISSIONS), values)):
        _, _, *key = row["key"].split("|")
        people[row["mission"]].append(Group(**_facts(key), people=row["people"]))
    return MissionRows(values["at"], dict(people), mission_names(session, [code for code in people if code]))


def values_of(session: Session, broadcast: Broadcast, known_at: datetime | None) -> dict[str, Any]:
    """What the statements ask with; `released_at` None: not released by then."""
    now = db_now(session)
    at = min(known_at or now, now)
    released_at = broadcast.released_at if broadcast.released_at and broadcast.released_at <= at else None
    silent = [f"{channel}:{country}" for channel, country in load_book(session).never_receipted()]
    return {"broadcast": broadcast.id, "incident": broadcast.incident_id, "at": at, "released_at": released_at, "silent": silent}


def _tally(key: str, people: int) -> Tally:
    wave, channel, country, *facts, taken, delivered, state, code = key.split("|", 10)
    return Tally(
        wave=int(wave),
        channel=channel,
        number_country=country or None,
        state=state,
        error_code=code or None,
        is_first_taken=taken == "t",
        is_first_delivered=delivered == "t",
        people=people,
        **_facts(facts),
    )


def _facts(key: Sequence[str]) -> dict[str, Any]:
    verdict, *flags = key
    names = ("is_delivered", "is_answered", "is_silent")
    return {"verdict": verdict} | {name: flag == "t" for name, flag in zip(names, flags, strict=True)}


def _moments(session: Session, values: Mapping[str, Any]) -> dict[Happening, Moments]:
    found: dict[Happening, list[tuple[int, int, int]]] = {happening: [] for happening in Happening}
    for row in session.execute(text(MOMENTS), values):
        found[Happening(row.kind)].append((row.wave, row.tenths, row.people))
    return dict(found)


def _answers(session: Session, broadcast: Broadcast, at: datetime) -> dict[Standing, int]:
    """People of this message's list by where each stands in the incident: a call for help stays one until somebody made contact."""
    each = standings_at(broadcast.incident_id, at)
    query = select(each.c.standing, func.count()).join(AudienceMember, AudienceMember.citizen_id == each.c.citizen_id)
    query = query.where(AudienceMember.broadcast_id == broadcast.id, text(HAS_ANSWERED).bindparams(at=at)).group_by(each.c.standing)
    return {Standing(standing): people for standing, people in session.execute(query)}


# A state that came after the moment asked for is not told; what had happened by then is.
_STATE = """CASE WHEN d.state_at <= :at THEN d.state WHEN d.delivered_at <= :at THEN 'delivered' WHEN d.accepted_at <= :at THEN 'accepted'
    ELSE 'queued' END"""

PLACES = """
SELECT DISTINCT ON (place) place, mission_code FROM incident_mission, unnest(places) AS place
WHERE incident_id = :incident AND (left_at IS NULL OR left_at > :at) ORDER BY place, part, mission_code
"""
"""Which mission answers for a province or a country: one that acts before one that is only informed."""

_SILENT = """
(concat(q.channel, ':*') = ANY (CAST(:silent AS text[])) OR concat(q.channel, ':', q.number_country) = ANY (CAST(:silent AS text[])))
"""
"""Whether no receipt can come by this lane."""

# One row per person: the first step, with what the later ones (of the few who have any) add to it. The last step has the last
# word on who was stopped, the last that was begun on what is unknown. No CTE: those keep Postgres from sharing the work out.
PERSON = f"""
(SELECT q.id, q.channel, coalesce(a.wave, 1) AS wave, concat_ws('|', coalesce(a.wave, 1), q.channel, q.number_country) AS lane,
        {_SILENT} AS is_silent
    FROM delivery_batch q LEFT JOIN audience a ON a.id = q.audience_id WHERE q.broadcast_id = :broadcast AND q.step = 1) b
JOIN delivery d ON d.batch_id = b.id AND d.created_at <= :at
LEFT JOIN (
    SELECT d.member_id, min(d.accepted_at) FILTER (WHERE d.accepted_at <= :at) AS accepted_at,
        min(d.delivered_at) FILTER (WHERE d.delivered_at <= :at) AS delivered_at,
        min(d.answered_at) FILTER (WHERE d.answered_at <= :at) AS answered_at,
        bool_and({_SILENT}) FILTER (WHERE d.accepted_at <= :at) AS is_silent,
        bool_or({_STATE} IN ('queued', 'sending')) AS is_under_way, max(least(d.state_at, :at)) AS state_at,
        max(d.step * 2 + CAST({_STATE} = 'unknown' AS int)) FILTER (WHERE d.attempts > 0 OR d.state = 'unknown') % 2 AS last_is_unknown,
        max(d.step * 2 + CAST({_STATE} IN ('cancelled', 'expired') AS int)) % 2 AS last_is_stopped
    FROM delivery_batch q JOIN delivery d ON d.batch_id = q.id
    WHERE q.broadcast_id = :broadcast AND q.step > 1 AND d.created_at <= :at GROUP BY 1
) l ON l.member_id = d.member_id
CROSS JOIN LATERAL (SELECT
    least(CASE WHEN d.accepted_at <= :at THEN d.accepted_at END, l.accepted_at) AS accepted_at,
    least(CASE WHEN d.delivered_at <= :at THEN d.delivered_at END, l.delivered_at) AS delivered_at,
    least(CASE WHEN d.answered_at <= :at THEN d.answered_at END, l.answered_at) AS answered_at) t
"""  # noqa: S608 - our own words

# All that people are grouped by is one text: of one expression Postgres expects few groups, and then shares the work out.
_KEY = f"""concat_ws('|', {{0}}, CASE WHEN t.accepted_at IS NOT NULL THEN 'handed_over'
        WHEN coalesce(l.last_is_unknown = 1, {_STATE} = 'unknown') THEN 'unknown'
        WHEN b.channel = 'none' THEN 'unreachable'
        WHEN {_STATE} IN ('queued', 'sending') OR l.is_under_way THEN 'in_progress'
        WHEN coalesce(l.last_is_stopped = 1, {_STATE} IN ('cancelled', 'expired')) THEN 'stopped'
        ELSE 'unreachable' END, t.delivered_at IS NOT NULL, t.answered_at IS NOT NULL,
    t.accepted_at IS NOT NULL AND t.delivered_at IS NULL AND (b.is_silent OR d.accepted_at IS NULL)
        AND coalesce(l.is_silent, true) {{1}})"""

_PEOPLE_KEY = _KEY.format(
    "b.lane",
    f""", coalesce(d.accepted_at <= :at, false), coalesce(d.delivered_at <= :at, false), {_STATE},
    CASE WHEN d.state_at <= :at THEN coalesce(d.error_code, '') ELSE '' END""",
)
PEOPLE = f"""
SELECT {_PEOPLE_KEY} AS key, count(*) AS people, max(greatest(least(d.state_at, :at), l.state_at)) AS newest_at FROM {PERSON} GROUP BY 1
"""  # noqa: S608

# The place is grouped by as it is registered, and which mission answers for it is looked up for the groups.
_MISSIONS_KEY = _KEY.format("c.country_iso2, coalesce(c.province_code, '')", "")
MISSIONS = f"""
SELECT coalesce(p.mission_code, n.mission_code) AS mission, g.key, g.people FROM (
    SELECT {_MISSIONS_KEY} AS key, count(*) AS people
    FROM {PERSON} JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id GROUP BY 1
) g LEFT JOIN ({PLACES}) p ON p.place = split_part(g.key, '|', 2) LEFT JOIN ({PLACES}) n ON n.place = split_part(g.key, '|', 1)
"""  # noqa: S608

# Tenths of a second since the release, rounded up: to the second after 100 seconds, to ten seconds after an hour. So there
# are never more than a few thousand of them, whatever the number of people.
TENTHS = "CAST(CASE WHEN y.s < 100 THEN ceil(y.s * 10) WHEN y.s < 3600 THEN ceil(y.s) * 10 ELSE ceil(y.s / 10) * 100 END AS int)"
HAPPENINGS = """
    ('handed_over', date_part('epoch', t.accepted_at - :released_at)),
    ('delivered', date_part('epoch', t.delivered_at - :released_at)),
    ('answered', date_part('epoch', t.answered_at - :released_at))
"""
MOMENTS = f"""
SELECT b.wave, y.kind, count(*) AS people, {TENTHS} AS tenths
FROM {PERSON} CROSS JOIN LATERAL (VALUES {HAPPENINGS}) AS y(kind, s) WHERE y.s IS NOT NULL GROUP BY b.wave, y.kind, tenths
"""  # noqa: S608

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
        AND NOT EXISTS (SELECT FROM attempt r WHERE r.delivery_id = a.delivery_id AND r.resend_of IS NOT NULL
                        AND (r.state <> 'failed' OR r.error_code IS DISTINCT FROM 'still_owed')) AS may_resend
    FROM attempt a JOIN delivery d ON d.id = a.delivery_id AND d.accepted_at IS NULL
    JOIN broadcast b ON b.id = d.broadcast_id JOIN incident i ON i.id = b.incident_id
    WHERE a.state = 'unknown' AND a.intent_at <= :at AND d.broadcast_id = :broadcast
)
SELECT CASE WHEN channel IN ('sms', 'whatsapp', 'voice') AND looked_up_at IS NULL THEN 'look_up'
        WHEN may_resend THEN 'resend' ELSE 'left' END AS next,
    count(*) AS attempts, min(intent_at) AS oldest_at, max(intent_at) AS newest_at FROM open GROUP BY 1 ORDER BY 1
"""

ALARMS = """
SELECT kind, sender, count, first_at, last_at, acknowledged_at IS NOT NULL AS is_acknowledged FROM alarm
WHERE last_at >= :released_at AND first_at <= :at
    AND kind NOT IN ('nobody_to_page', 'round_trip_late', 'promise_broken', 'message_stuck', 'codes_guessed')
ORDER BY last_at DESC LIMIT 20
"""

# Phones, not persons: what each operator had counted last, as we knew it then.
ROAMING = """
SELECT r.country, r.operator, r.language, c.as_of, c.known_at, c.phones_found, c.phones_delivered
FROM roaming_broadcast r LEFT JOIN LATERAL (
    SELECT as_of, known_at, phones_found, phones_delivered FROM roaming_count
    WHERE roaming_broadcast_id = r.id AND known_at <= :at ORDER BY as_of DESC LIMIT 1) c ON true
WHERE r.broadcast_id = :broadcast AND r.asked_at <= :at ORDER BY r.id
"""
