"""Who was reached: the counts agree with an outside judge, sum up in every cut, and answer for the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from alerts.broadcasts.queries import get_broadcast
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.rules import Answer
from alerts.checkins.rules import Channel as AnswerChannel
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.evidence import mark_answered
from alerts.deliveries.facts import export_facts
from alerts.deliveries.sending import send_batch
from alerts.kit.actor import SYSTEM
from alerts.kit.db import begin
from alerts.live.reach.courses import load_course
from alerts.live.reach.presenting import present_course, present_reach, present_series
from alerts.live.reach.queries import load_missions, load_rows
from alerts.live.reach.rules import POINTS_MAX, Cut, Happening, Tally, Verdict, pace_of, series_of, sum_by, sum_up
from alerts.live.reach.schemas import CountsView, ReachSeries, ReachView
from alerts.sandbox.judge import judge, read_facts, read_journal
from tests.deliveries.conftest import Carrier, Fanout

Make = Callable[..., Fanout]
CUTS = (
    (Cut.COUNTRY, "countries", "number_country"),
    (Cut.CHANNEL, "channels", "channel"),
    (Cut.MISSION, "missions", "mission_code"),
)
SETS = [verdict.value for verdict in Verdict]
# By the sandbox's last digits: throttled, taken though it said no, not taken, cut off after and before, a bad number, opted out.
FAULTS = ("9990429", "9990500", "9990503", "9990104", "9990103", "9991211", "9991610")
MIXED = [f"+62812500{n:05d}" for n in range(40)] + [f"+97150123{n:04d}" for n in range(6)] + [f"+62812{digits}" for digits in FAULTS]


def reach_of(message: Fanout, *, known_at: datetime | None = None) -> ReachView:
    with begin(message.sessions) as session:
        return read(session, message, known_at)[0]


def read(session: Session, message: Fanout, known_at: datetime | None = None) -> tuple[ReachView, ReachSeries]:
    broadcast = get_broadcast(session, message.broadcast_id)
    rows, missions = load_rows(session, broadcast, known_at=known_at), load_missions(session, broadcast, known_at=known_at)
    return present_reach(message.settings, broadcast, rows, missions=missions, forecast=None), present_series(broadcast, rows)


def now_of(message: Fanout) -> datetime:
    at: datetime = message.rows("SELECT clock_timestamp() AS at")[0]["at"]
    return at


def check_sums(reach: ReachView) -> None:
    """Every cut holds everybody once, and in each row the sets sum to its people."""
    cuts: list[list[Any]] = [reach.countries, reach.channels, reach.missions, reach.waves]
    for part in [reach, *(row for cut in cuts for row in cut)]:
        assert part.frozen == sum(getattr(part, name) for name in SETS) == part.handed_over + part.unknown + part.unreachable + part.missed
        assert part.delivered + part.no_receipt_possible <= part.handed_over
    for cut in cuts:
        for name in CountsView.model_fields:
            assert sum(getattr(row, name) for row in cut) == getattr(reach, name), name
    assert reach.answers.safe + reach.answers.need_help + reach.answers.other == reach.answered
    assert sum(group.people for group in reach.groups) == sum(step.begun for step in reach.steps) >= reach.frozen
    for step in reach.steps:
        assert step.begun >= step.handed_over >= step.delivered


@pytest.mark.deliveries
def test_the_counts_are_those_of_the_outside_judge(fanout: Make, carriers: Carriers, carrier: Carrier, tmp_path: Path) -> None:
    message = fanout(*MIXED, people=[{"phones": ()}], validity_seconds=3600)
    message.release()
    for _ in range(3):
        message.run("UPDATE delivery SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL")
        message.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        for row in message.rows("SELECT id FROM delivery_batch WHERE state = 'waiting'"):
            send_batch(message.settings, message.sessions, carriers, batch_id=row["id"], owner="test")
    reach = reach_of(message)
    check_sums(reach)
    with begin(message.sessions) as session:
        (tmp_path / "facts.json").write_text(json.dumps(export_facts(session)))
        short = message.reach()
    total = judge(read_journal(carrier.log_path), read_facts(tmp_path / "facts.json")).total
    known = total.accepted_reads_unknown
    assert (reach.frozen, reach.sent_twice, reach.resent) == (total.frozen, total.sent_twice, total.resent)
    assert (reach.handed_over, reach.unknown) == (total.handed_over - known, total.unknown + known)
    assert (reach.unreachable, reach.missed) == (total.unreachable, total.missed + total.left_out)
    assert {name: getattr(short, name) for name in SETS} == {name: getattr(reach, name) for name in SETS}
    assert sum(each.attempts for each in reach.unknowns) == reach.unknown
    assert all(each.due_at is not None for each in reach.unknowns), "it is said what happens next, and when"


@pytest.mark.deliveries
def test_a_past_moment_is_answered_by_what_was_known_then(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*[f"+628125000{n:04d}" for n in range(3)])
    before = now_of(message)
    message.release()
    message.send(carriers)
    handed_over = now_of(message)
    first, second, _ = message.attempts()
    message.hear(first, "delivered", provider_id=first["provider_id"])
    message.apply()
    delivered = now_of(message)
    person = message.rows("SELECT citizen_id FROM audience_member WHERE id = :id", id=second["delivery_id"] // 64)[0]["citizen_id"]
    with begin(message.sessions) as session:
        mark_answered(session, [{"citizen_id": str(person), "incident_id": str(message.incident_id)}])
        new = NewCheckin(message.incident_id, person, Answer.NEED_HELP, AnswerChannel.LINK)
        record_checkin(session, actor=SYSTEM, keyring=message.keyring, new=new)
    seen = [reach_of(message, known_at=at) for at in (before, handed_over, delivered, None)]
    for each in seen:
        check_sums(each)
    figures = [(each.frozen, each.handed_over, each.delivered, each.answered, each.answers.need_help) for each in seen]
    assert figures == [(0, 0, 0, 0, 0), (3, 3, 0, 0, 0), (3, 3, 1, 0, 0), (3, 3, 1, 1, 1)]
    assert [each.groups[0].state.value for each in seen[1:]] == ["accepted", "accepted", "accepted"]
    assert seen[3].hand_over.people == 3
    assert seen[3].delivery.last_at is not None


@pytest.mark.deliveries
def test_the_course_ends_with_the_counts(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*[f"+628125000{n:04d}" for n in range(30)])
    message.release()
    message.send(carriers)
    message.run("UPDATE broadcast SET released_at = released_at - interval '2 hours'")
    message.run("UPDATE delivery SET accepted_at = created_at - interval '2 hours' + make_interval(secs => (id % 977) * 7)")
    with begin(message.sessions) as session:
        broadcast = get_broadcast(session, message.broadcast_id)
        reach, series = read(session, message)
        rows = load_rows(session, broadcast)
    assert len(series.points) <= POINTS_MAX
    assert series.points[-1].handed_over == reach.handed_over == sum(n for *_, n in rows.moments[Happening.HANDED_OVER])


@pytest.mark.deliveries
def test_the_course_of_each_part_sums_to_that_of_all(fanout: Make, carriers: Carriers) -> None:
    """By country, way and mission: whoever is in the counts of a part is at the end of its course, now and at a past moment."""
    message = fanout(*MIXED[:12], *MIXED[40:], people=[{"phones": ()}])
    message.release()
    message.send(carriers)
    early = now_of(message)
    for attempt in message.attempts()[:5]:
        message.hear(attempt, "delivered", provider_id=attempt["provider_id"])
    message.apply()
    with begin(message.sessions) as session:
        broadcast = get_broadcast(session, message.broadcast_id)
        for known_at in (early, None):
            reach, whole = read(session, message, known_at)
            for cut, rows, key in CUTS:
                course = present_course(broadcast, cut, load_course(session, broadcast, cut, known_at=known_at))
                assert course.points == whole.points
                counts = {getattr(row, key): row for row in getattr(reach, rows)}
                assert {part.key for part in course.parts} == set(counts)
                for part in course.parts:
                    row = counts[part.key]
                    assert (part.frozen, len(part.points)) == (row.frozen, len(whole.points))
                    last = part.points[-1]
                    assert (last.handed_over, last.delivered, last.answered) == (row.handed_over, row.delivered, row.answered)


people = st.builds(
    Tally,
    wave=st.integers(1, 3),
    channel=st.sampled_from(["push", "sms", "none"]),
    number_country=st.sampled_from([None, "ID", "AE"]),
    state=st.sampled_from(["accepted", "unknown", "failed"]),
    error_code=st.none(),
    verdict=st.sampled_from(SETS),
    is_delivered=st.booleans(),
    is_answered=st.booleans(),
    is_silent=st.booleans(),
    is_first_taken=st.booleans(),
    is_first_delivered=st.booleans(),
    people=st.integers(1, 10**6),
)
moments = st.lists(st.tuples(st.integers(1, 2), st.integers(-5, 400_000), st.integers(1, 5_000)), max_size=60)


@given(st.lists(people, max_size=30))
def test_a_cut_loses_and_doubles_nobody(groups: list[Tally]) -> None:
    whole = sum_up(groups)
    for key in ("wave", "channel", "number_country"):
        parts = sum_by(groups, lambda group, key=key: getattr(group, key)).values()  # type: ignore[misc]
        assert sum(part.frozen for part in parts) == whole.frozen
        assert sum(part.missed for part in parts) == whole.missed
    assert whole.frozen == whole.handed_over + whole.unknown + whole.unreachable + whole.missed


@given(moments, moments)
def test_a_course_only_climbs_and_ends_with_everybody(handed_over: Any, delivered: Any) -> None:
    points = series_of({Happening.HANDED_OVER: handed_over, Happening.DELIVERED: delivered})
    assert len(points) <= POINTS_MAX
    last = max((tenths for _, tenths, _ in handed_over + delivered), default=0)
    if last <= 0:
        assert not points
        return
    assert points[0].seconds == 0
    assert points[-1].handed_over == sum(n for *_, n in handed_over)
    assert points[-1].delivered == sum(n for *_, n in delivered)
    assert points[-1].seconds * 10 >= last
    assert all(a.handed_over <= b.handed_over and a.delivered <= b.delivered for a, b in pairwise(points))


@given(moments)
def test_a_share_is_never_said_to_be_reached_too_soon(found: Any) -> None:
    pace = pace_of(found, {2: 100})
    total = sum(n for *_, n in found)
    waits = [(max(0, tenths - (100 if wave == 2 else 0)) / 10, n) for wave, tenths, n in found]
    assert pace.people == total
    for share, seconds in ((0.5, pace.seconds_50), (0.95, pace.seconds_95), (1.0, pace.seconds_100)):
        assert (seconds is None) == (not found)
        if seconds is not None:
            assert sum(n for at, n in waits if at <= seconds) >= share * total
