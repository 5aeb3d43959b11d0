"""summary: the answer sheet of one incident, asked for by one viewer.

Ours is computed anew from the tables, as the API does; a live screen is cheaper still: it reads a stored version, which
is measured beside it. The naive way loads the rows as objects and counts them, for each viewer. The limit is one bare
GROUP BY over the deliveries. Two missions have filed 2,000 reports on 200 places.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.bench.filing import VALUES, file_reports
from alerts.bench.ground import COUNTRY, Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.broadcasts.models import AudienceMember
from alerts.checkins.models import Checkin
from alerts.checkins.rules import Answer
from alerts.citizens.models import Citizen
from alerts.deliveries.actions import release_all
from alerts.deliveries.models import Delivery
from alerts.deliveries.rules import State
from alerts.embedded import Services
from alerts.incidents.queries import get_incident
from alerts.kit.db import begin
from alerts.kit.memory import settle
from alerts.live.actions import refresh
from alerts.live.queries import latest_snapshot, load_sheet, sheet_of
from alerts.live.schemas import AnswerSheet
from alerts.reports.models import Report, ReportLine

FULL, QUICK = 1_000_000, 1_000
REPORTS_FULL, REPORTS_QUICK = 2_000, 250
REPEATS = 3
GOALS = {"sheet_ms": Goal(at_most=200), "ratio_to_naive": Goal(at_least=10, floor=5)}
Counts = dict[str, int]


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """One alerted crowd, of whom each tenth fares in a known way; all ways of counting must agree with that."""
    people = plan.size(full=FULL, quick=QUICK)
    with ground(services, "summary", plan=plan, say=say) as floor:
        say(f"summary: {people} people alerted, answers given")
        incident_id = _prepare(floor, people)
        reports = REPORTS_QUICK if plan.is_quick else REPORTS_FULL
        with begin(floor.sessions) as session:
            totals = file_reports(session, incident_id, reports)
        expected = expected_counts(people) | totals
        with begin(floor.sessions) as session:
            refresh(session, incident_id, no_more_often=timedelta(0))
        counted = [_read(floor, lambda s: counts_of(_sheet(s, incident_id))), _read(floor, lambda s: count_objects(s, incident_id))]
        settle()  # as the web server does when it is ready
        rounds: list[Round] = []
        for number in range(plan.rounds):
            rounds.append(_round(floor, incident_id, rounds[0].naive if rounds else None))
            one = rounds[-1]
            say(f"summary {number + 1}/{plan.rounds}: ours {1000 / one.ours:.0f} ms, objects {1000 / (one.naive or 1):.0f} ms")
        details = _stored(floor, incident_id)
    ours = Outcome("summary", plan, people, rounds, all(each == expected for each in counted), {}, {}).figures()["ours_per_second"]
    details |= {"sheet_ms": round(1000 / ours, 1), "naive": "rows as objects, counted per viewer", "limit": "one GROUP BY"}
    return Outcome("summary", plan, people, rounds, all(each == expected for each in counted), GOALS, details)


def expected_counts(people: int) -> Counts:
    """What every way of counting must find, from how `FARE` lets each tenth fare."""
    tenth = [len(range(rest, people, 10)) for rest in range(10)]
    delivered = sum(tenth[4:])
    return {
        "registered": people,
        "frozen": people,
        "unreachable": tenth[0],
        "unknown": tenth[1],
        "handed_over": sum(tenth[2:]),
        "delivered": delivered,
        "answered": tenth[4] + tenth[5],
        "safe": tenth[4],
        "need_help": tenth[5],
    }


def counts_of(sheet: AnswerSheet) -> Counts:
    """The same counts as the sheet shows them."""
    reach = {name: getattr(sheet.reach, name) for name in ("frozen", "unreachable", "unknown", "handed_over", "delivered", "answered")}
    registered = sheet.registered.people if sheet.registered else 0
    lines = [*sheet.figures, *(figure for question in sheet.questions for figure in question.values)]
    totals = Counter({category: sum(line.number or 0 for line in lines if line.category == category) for category in VALUES})
    return {"registered": registered, **reach, "safe": sheet.contact.safe, "need_help": sheet.contact.need_help, **totals}


def count_objects(session: Session, incident_id: UUID) -> Counts:
    """What is written first and regretted later: load everything and loop. So long that the server would take it for forgotten."""
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    people = session.scalars(select(Citizen).where(Citizen.country_iso2 == COUNTRY, Citizen.merged_into.is_(None)))
    found = Counter(registered=sum(person.died_at is None for person in people))
    for delivery, _ in session.execute(select(Delivery, AudienceMember).join(AudienceMember, AudienceMember.id == Delivery.member_id)):
        found["frozen"] += 1
        found["unknown"] += delivery.state is State.UNKNOWN
        found["unreachable"] += delivery.state is State.FAILED
        found["handed_over"] += delivery.accepted_at is not None
        found["delivered"] += delivery.delivered_at is not None
        found["answered"] += delivery.answered_at is not None
    last: dict[Any, Answer] = {}
    for checkin in session.scalars(select(Checkin).where(Checkin.incident_id == incident_id).order_by(Checkin.received_at)):
        last[checkin.citizen_id] = checkin.answer
    found["safe"] = sum(answer is Answer.SAFE for answer in last.values())
    found["need_help"] = sum(answer is Answer.NEED_HELP for answer in last.values())
    return dict(found) | _count_lines(session, incident_id)


def _count_lines(session: Session, incident_id: UUID) -> Counts:
    """The newest line of each place and category."""
    newest: dict[tuple[str, str], int] = {}
    lines = select(ReportLine).join(Report, Report.id == ReportLine.report_id).where(Report.incident_id == incident_id)
    for line in session.scalars(lines.order_by(Report.as_of)):
        newest[line.places[0], line.category] = line.number or 0
    return {category: sum(number for (_, of), number in newest.items() if of == category) for category in VALUES}


def _prepare(floor: Ground, people: int) -> UUID:
    floor.invent_people(people)
    incident_id = floor.open_incident()
    broadcast_id = floor.approve_message(incident_id, people=people)
    release_all(floor.settings, floor.sessions, broadcast_id)
    with begin(floor.sessions) as session:
        session.execute(text(FARE), {"broadcast": broadcast_id})
        session.execute(text(ANSWERS), {"broadcast": broadcast_id, "incident": incident_id})
    with begin(floor.sessions) as session:
        session.execute(text("ANALYZE"))
    return incident_id


def _round(floor: Ground, incident_id: UUID, known_naive: float | None) -> Round:
    """One turn of each; the naive way takes a minute and is asked once."""
    with begin(floor.sessions) as session:  # as the refresher does every few seconds
        refresh(session, incident_id, no_more_often=timedelta(0))
    used = floor.cpu_seconds() + time.process_time()
    ours = _seconds(floor, lambda session: _sheet(session, incident_id), repeats=REPEATS)
    cpu = (floor.cpu_seconds() + time.process_time() - used) / REPEATS
    naive = 1 / known_naive if known_naive else _seconds(floor, lambda session: count_objects(session, incident_id))
    limit = _seconds(floor, lambda session: session.execute(text(GROUPED), {"incident": incident_id}).all(), repeats=REPEATS)
    return Round(1 / ours, 1 / naive, 1 / limit, cpu * 1000)


def _stored(floor: Ground, incident_id: UUID) -> dict[str, Any]:
    """Computing and keeping a version, once for all viewers; and reading it, once per viewer."""
    keep = _seconds(floor, lambda session: refresh(session, incident_id, no_more_often=timedelta(0)))
    read = _seconds(floor, lambda session: _stored_sheet(session, incident_id), repeats=REPEATS)
    return {"keep_version_ms": round(keep * 1000, 1), "stored_version_ms": round(read * 1000, 1)}


def _stored_sheet(session: Session, incident_id: UUID) -> AnswerSheet:
    snapshot = latest_snapshot(session, incident_id)
    assert snapshot is not None
    return sheet_of(snapshot)


def _sheet(session: Session, incident_id: UUID) -> AnswerSheet:
    return load_sheet(session, get_incident(session, incident_id))


def _read(floor: Ground, work: Callable[[Session], Counts]) -> Counts:
    with begin(floor.sessions) as session:
        return work(session)


def _seconds(floor: Ground, work: Callable[[Session], object], *, repeats: int = 1) -> float:
    """Mean seconds of one viewer's turn, each in a transaction of its own."""
    began = time.perf_counter()
    for _ in range(repeats):
        with begin(floor.sessions) as session:
            work(session)
    return (time.perf_counter() - began) / repeats


# Of ten: one refused, one unknown, two accepted, six delivered; of those two answered.
FARE = """
WITH numbered AS (
    SELECT id, (row_number() OVER (ORDER BY id) - 1) % 10 AS tenth FROM delivery WHERE broadcast_id = :broadcast
)
UPDATE delivery d SET state_at = clock_timestamp(), attempts = 1,
    state = CASE n.tenth WHEN 0 THEN 'failed' WHEN 1 THEN 'unknown' WHEN 2 THEN 'accepted' WHEN 3 THEN 'accepted' ELSE 'delivered' END,
    error_code = CASE n.tenth WHEN 0 THEN '30005' END,
    provider_id = CASE WHEN n.tenth > 1 THEN 'SM' || d.id END,
    accepted_at = CASE WHEN n.tenth > 1 THEN clock_timestamp() END,
    delivered_at = CASE WHEN n.tenth > 3 THEN clock_timestamp() END,
    answered_at = CASE WHEN n.tenth IN (4, 5) THEN clock_timestamp() END
FROM numbered n WHERE n.id = d.id
"""

ANSWERS = """
INSERT INTO checkin (incident_id, citizen_id, answer, channel, rung, member_id, recorded_by)
SELECT :incident, m.citizen_id, CASE (row_number() OVER (ORDER BY d.id)) % 2 WHEN 1 THEN 'safe' ELSE 'need_help' END,
    'link', 'reported', m.id, 'bench'
FROM delivery d JOIN audience_member m ON m.id = d.member_id WHERE d.broadcast_id = :broadcast AND d.answered_at IS NOT NULL
"""

GROUPED = """
SELECT d.state, count(*) FROM delivery d JOIN broadcast b ON b.id = d.broadcast_id WHERE b.incident_id = :incident GROUP BY 1
"""
