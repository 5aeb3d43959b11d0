"""rows: from approved to a row for every recipient. Ours is the release; the naive way adds one object after another.

The limit is COPY of the very same rows, ready as bytes, into an empty table with the same indexes.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.bench.ground import Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.broadcasts.models import AudienceMember
from alerts.broadcasts.queries import get_broadcast
from alerts.deliveries.actions import release_all
from alerts.deliveries.models import Delivery
from alerts.deliveries.rules import STEP_PLACES, State
from alerts.embedded import Services
from alerts.kit.db import begin

FULL, QUICK = 1_000_000, 2_000
NAIVE_SHARE = 50
NAIVE_STEP = 2  # beside the true rows of the same members: the same table, keys and indexes
GOALS = {"ours_per_second": Goal(at_least=150_000), "ratio_to_naive": Goal(at_least=10, floor=2)}


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Release the same list anew each round; add a part of it as objects; copy it as bytes."""
    people = plan.size(full=FULL, quick=QUICK)
    with ground(services, "rows", plan=plan, say=say) as floor:
        say(f"rows: inventing {people} people")
        floor.invent_people(people)
        incident_id = floor.open_incident()
        rounds, exact = [], True
        for number in range(plan.rounds):
            broadcast_id = floor.approve_message(incident_id, people=people)
            each, is_exact = _round(floor, broadcast_id, people)
            rounds.append(each)
            exact &= is_exact
            say(f"rows {number + 1}/{plan.rounds}: ours {each.ours:.0f}/s, objects {each.naive or 0:.0f}/s, copy {each.limit:.0f}/s")
    return Outcome("rows", plan, people, rounds, exact, GOALS, {"naive": "one object per row in one session", "limit": "copy"})


def _round(floor: Ground, broadcast_id: UUID, people: int) -> tuple[Round, bool]:
    ours, cpu = _release(floor, broadcast_id)
    with begin(floor.sessions) as session:
        is_exact = tuple(session.execute(text(COUNT), {"broadcast": broadcast_id}).one()) == (people, people, people)
    naive_count = max(1, people // NAIVE_SHARE)
    naive = _add_objects(floor, broadcast_id, naive_count)
    limit = _copy(floor, broadcast_id)
    return Round(people / ours, naive_count / naive, people / limit, cpu / people * 1000), is_exact


def _release(floor: Ground, broadcast_id: UUID) -> tuple[float, float]:
    """Seconds from the call to the last slice's commit, and processor seconds of ours and of Postgres."""
    used, began = _cpu(floor), time.perf_counter()
    release_all(floor.settings, floor.sessions, broadcast_id)
    return time.perf_counter() - began, _cpu(floor) - used


def _add_objects(floor: Ground, broadcast_id: UUID, count: int) -> float:
    """Read members, add a row for each, commit once: generous, since many commit once per row."""
    began = time.perf_counter()
    with begin(floor.sessions) as session:
        broadcast = get_broadcast(session, broadcast_id)
        batch_id = session.execute(text(ANY_BATCH), {"broadcast": broadcast_id}).scalar_one()
        members = select(AudienceMember).where(AudienceMember.audience_id == broadcast.audience_id).limit(count)
        for member in session.scalars(members):
            named = {"id": member.id * STEP_PLACES + NAIVE_STEP, "member_id": member.id, "step": NAIVE_STEP, "batch_id": batch_id}
            session.add(Delivery(**named, broadcast_id=broadcast.id, channel=member.channel, state=State.QUEUED))
    return time.perf_counter() - began


def _copy(floor: Ground, broadcast_id: UUID) -> float:
    with begin(floor.sessions) as session:
        session.execute(text("CREATE TABLE copied (LIKE delivery INCLUDING ALL)"))
        chunks = _bytes_of(session, broadcast_id)
    began = time.perf_counter()
    with begin(floor.sessions) as session, _cursor(session).copy("COPY copied FROM STDIN") as copy:
        for chunk in chunks:
            copy.write(chunk)
    seconds = time.perf_counter() - began
    with begin(floor.sessions) as session:
        session.execute(text("DROP TABLE copied"))
    return seconds


def _bytes_of(session: Session, broadcast_id: UUID) -> list[bytes]:
    query = "COPY (SELECT * FROM delivery WHERE broadcast_id = %s AND step = 1 ORDER BY id) TO STDOUT"
    with _cursor(session).copy(query, (broadcast_id,)) as copy:
        return [bytes(chunk) for chunk in copy]


def _cursor(session: Session) -> Any:
    """The driver's own cursor, in the session's transaction."""
    return session.connection().connection.cursor()


def _cpu(floor: Ground) -> float:
    return floor.cpu_seconds() + time.process_time()


ANY_BATCH = "SELECT min(id) FROM delivery_batch WHERE broadcast_id = :broadcast"
COUNT = """
SELECT count(*), count(DISTINCT member_id), count(batch_id) FROM delivery WHERE broadcast_id = :broadcast AND step = 1
"""
