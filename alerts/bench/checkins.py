"""checkins: a storm of answers by link, durable before each is thanked for.

Ours is `siaga serve` as it is; beside it the same product with the same route and another door (`checkin_doors`): the naive
way, a transaction of SQLAlchemy's per request, and the limit, which writes nothing. One crowd of raw sockets for all three,
64 connections with one answer under way on each. One in fifty calls for help, and has a case with an owner when thanked.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.bench.ground import Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.bench.receipts import wait_for_port
from alerts.embedded import Services
from alerts.embedded.scratch import CHECKOUT
from alerts.kit.db import begin
from alerts.kit.ids import member_token
from alerts.stage import free_port

FULL, QUICK = 20_000, 200
CONNECTIONS, NAIVE_SHARE, HELP_EVERY, WARM_UP = 64, 5, 50, 300
SECONDS_MAX = 600
GOALS = {
    "share_of_limit": Goal(at_least=0.8, floor=0.6),
    "ratio_to_naive": Goal(at_least=5, floor=3),
    "p99_ms": Goal(at_most=100),
}
Answers = list[tuple[str, str]]


@dataclass(frozen=True)
class Turn:
    """One round of the three doors."""

    ours: dict[str, Any]
    naive: dict[str, Any]
    limit: dict[str, Any]
    cpu_per_1000: float


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """Each round has an incident of its own: nobody in it has answered before."""
    people = plan.size(full=FULL, quick=QUICK)
    turns, is_exact = [], True
    with ground(services, "checkins", plan=plan, say=say) as floor, _standing(floor) as urls:
        floor.invent_people(people)
        for number in range(plan.rounds):
            turn, was_exact = _turn(floor, urls, people)
            turns.append(turn)
            is_exact &= was_exact
            rates = ", ".join(f"{name} {getattr(turn, name)['per_second']:.0f}/s" for name in ("ours", "naive", "limit"))
            say(f"checkins {number + 1}/{plan.rounds}: {rates}; p99 {turn.ours['latency_ms'].get('p99')} ms")
    rounds = [Round(each.ours["per_second"], each.naive["per_second"], each.limit["per_second"], each.cpu_per_1000) for each in turns]
    return Outcome("checkins", plan, people, rounds, is_exact, GOALS, _details(turns))


def _details(turns: list[Turn]) -> dict[str, Any]:
    marks = {f"{mark}_ms": median(each.ours["latency_ms"].get(mark, 0) for each in turns) for mark in ("p50", "p95", "p99")}
    return marks | {
        "connections": CONNECTIONS,
        "naive_p99_ms": median(each.naive["latency_ms"].get("p99", 0) for each in turns),
        "limit_p99_ms": median(each.limit["latency_ms"].get("p99", 0) for each in turns),
        "naive": "a transaction per request in the server's threads",
        "limit": "the same route behind which nothing is written",
    }


@contextmanager
def _standing(floor: Ground) -> Iterator[dict[str, str]]:
    """Our server and the two others, and where they are."""
    services = floor.stage.services
    floor.stage.start("serve")
    urls, names = {"ours": floor.stage.url}, ["serve"]
    try:
        for door in ("naive", "bare"):
            port = free_port()
            services.start_process(door, [sys.executable, "-m", "alerts.bench.checkin_doors", door, str(port)], floor.stage.environment)
            names.append(door)
            wait_for_port(port)
            urls[door] = f"http://127.0.0.1:{port}"
        yield urls
    finally:
        for name in names:
            services.stop_process(name, signal.SIGKILL)


def _turn(floor: Ground, urls: dict[str, str], people: int) -> tuple[Turn, bool]:
    incident_id = floor.open_incident()
    answers = _answers(floor, floor.approve_message(incident_id, people=people))
    warm = _answers(floor, floor.approve_message(floor.open_incident(), people=people))
    apart = _answers(floor, floor.approve_message(incident_id, people=people))[: max(1, people // NAIVE_SHARE)]
    for place, url in enumerate(urls.values()):  # pages and plans are made by the first who come
        _answer(floor, url, warm[place::3][:WARM_UP])
    limit = _answer(floor, urls["bare"], answers)
    used = floor.cpu_seconds("serve")
    ours = _answer(floor, urls["ours"], answers)
    cpu = (floor.cpu_seconds("serve") - used) / people * 1000
    is_exact = _is_written(floor, incident_id, people)
    theirs = _answer(floor, urls["naive"], apart)
    doors = ((ours, people), (limit, people), (theirs, len(apart)))
    return Turn(ours, theirs, limit, cpu), is_exact and all(each["statuses"] == {"200": count} for each, count in doors)


def _answers(floor: Ground, broadcast_id: UUID) -> Answers:
    """What each person on the list posts, in a shuffled order that is the same each time."""
    key = floor.settings.keyring.link
    with begin(floor.sessions) as session:
        members = session.execute(text(MEMBERS), {"broadcast": broadcast_id}).all()
    paths = [f"/i/{member_token(key, number=row.id, generation=row.link_generation)}" for row in members]
    return [(path, f"answer={'safe' if place % HELP_EVERY else 'need_help'}") for place, path in enumerate(paths, start=1)]


def _answer(floor: Ground, url: str, answers: Answers) -> dict[str, Any]:
    file = floor.stage.folder / "answers.tsv"
    file.write_text("".join(f"{path}\t{body}\n" for path, body in answers), encoding="ascii")
    argv = [sys.executable, "-m", "alerts.bench.crowd", url, str(file), str(min(CONNECTIONS, len(answers)))]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True)  # noqa: S603 - our own
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _is_written(floor: Ground, incident_id: UUID, people: int) -> bool:
    """Everybody's answer once, an event for each, and an open case for each call for help."""
    with begin(floor.sessions) as session:
        found = session.execute(text(COUNT), {"incident": incident_id}).one()
    return tuple(found) == (people, people, people // HELP_EVERY, people // HELP_EVERY, people)


MEMBERS = "SELECT id, link_generation FROM audience_member WHERE broadcast_id = :broadcast ORDER BY hashint8(id), id"

COUNT = """
SELECT count(*), count(DISTINCT c.member_id), count(*) FILTER (WHERE c.answer = 'need_help'),
    (SELECT count(*) FROM help_case h WHERE h.incident_id = :incident),
    (SELECT count(*) FROM outbox_event e WHERE e.name = 'checkin.recorded' AND e.payload ->> 'incident_id' = CAST(:incident AS text))
FROM checkin c WHERE c.incident_id = :incident
"""
