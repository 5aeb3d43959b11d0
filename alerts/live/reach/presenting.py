"""From the rows of a message to what is shown of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.preview_schemas import ForecastView
from alerts.broadcasts.rules import Channel
from alerts.checkins.rules import Standing
from alerts.deliveries.call_list.rules import Outcome
from alerts.deliveries.rules import State
from alerts.live.reach.courses import Course
from alerts.live.reach.queries import MissionRows, Rows
from alerts.live.reach.rules import TENTHS, Counts, Cut, Happening, Moments, Next, Pace, Tally, end_of, pace_of, series_of, sum_by, sum_up
from alerts.live.reach.schemas import (
    AlarmView,
    AnswersView,
    CallReach,
    ChannelReach,
    CountryReach,
    MissionReach,
    PaceView,
    PointView,
    ReachGroup,
    ReachSeries,
    ReachView,
    RoamingReach,
    SeriesPart,
    StepReach,
    UnknownView,
    WaveReach,
)
from alerts.live.schemas import Words
from alerts.notices.rules import AlarmKind, alarm_texts
from alerts.settings import Settings

WAITING = frozenset({State.QUEUED, State.SENDING})
STOPPED = frozenset({State.CANCELLED, State.EXPIRED})
FAILED = frozenset({State.FAILED, State.UNDELIVERED, State.OPTED_OUT})


def present_reach(
    settings: Settings, broadcast: Broadcast, rows: Rows, *, missions: MissionRows, forecast: ForecastView | None
) -> ReachView:
    """All cuts of one message. `forecast` None: of a past moment."""
    counts, people = sum_up(rows.people), rows.people
    wave_tenths = _wave_tenths(broadcast, rows)
    return ReachView(
        **_values(counts),
        broadcast_id=broadcast.id,
        as_of=rows.at,
        newest_at=rows.newest_at,
        sent_twice=rows.sent_twice,
        resent=rows.resent,
        answers=_answers(rows, counts.answered),
        claimed=rows.claimed,
        hand_over=_pace(broadcast, pace_of(rows.moments.get(Happening.HANDED_OVER, []), wave_tenths)),
        delivery=_pace(broadcast, pace_of(rows.moments.get(Happening.DELIVERED, []), wave_tenths)),
        forecast=forecast,
        countries=[CountryReach(number_country=key, **_values(each)) for key, each in sum_by(people, lambda g: g.number_country).items()],
        channels=[ChannelReach(channel=Channel(key), **_values(each)) for key, each in sum_by(people, lambda g: g.channel).items()],
        missions=_missions(missions),
        missions_as_of=missions.at,
        waves=[
            WaveReach(wave=key, released_at=rows.waves.get(key), **_values(each))
            for key, each in sorted(sum_by(people, lambda g: g.wave).items())
        ],
        steps=_steps(rows),
        unknowns=[_unknown(settings, row) for row in rows.unknowns],
        alarms=[_alarm(row) for row in rows.alarms],
        calls=[CallReach(outcome=outcome, people=rows.calls[outcome]) for outcome in Outcome if outcome in rows.calls],
        roaming=[RoamingReach(**row) for row in rows.roaming],
        groups=_groups(rows),
    )


def present_series(broadcast: Broadcast, rows: Rows) -> ReachSeries:
    """The course over time."""
    return _series(broadcast, rows.at, rows.moments)


def present_course(broadcast: Broadcast, cut: Cut, course: Course) -> ReachSeries:
    """The course over time, of everybody and of each part at the same times; the largest part first."""
    together = course.together
    until = end_of(together)
    parts = [
        SeriesPart(key=key, name=course.names.get(key or ""), frozen=part.people, points=_points(part.moments, until))
        for key, part in sorted(course.parts.items(), key=lambda item: (-item[1].people, item[0] or ""))
    ]
    return _series(broadcast, course.at, together).model_copy(update={"by": cut, "parts": parts})


def _series(broadcast: Broadcast, at: datetime, moments: Mapping[Happening, Moments]) -> ReachSeries:
    points = _points(moments, end_of(moments))
    step = points[1].seconds if len(points) > 1 else 0
    released_at = broadcast.released_at if broadcast.released_at and broadcast.released_at <= at else None
    return ReachSeries(broadcast_id=broadcast.id, released_at=released_at, as_of=at, step_seconds=step, points=points)


def _points(moments: Mapping[Happening, Moments], until: int) -> list[PointView]:
    return [PointView(**_fields(point)) for point in series_of(moments, until=until)]


def _fields(row: Any) -> dict[str, Any]:
    return asdict(row)


def _values(counts: Counts) -> dict[str, int]:
    return asdict(counts) | {"missed": counts.missed}


def _wave_tenths(broadcast: Broadcast, rows: Rows) -> dict[int, int]:
    """When each wave began to be released, after the message. The first began with the message itself, whatever its list took."""
    first = broadcast.released_at
    if first is None:
        return {}
    later = {wave: at for wave, at in rows.waves.items() if at is not None and wave > 1}
    return {wave: int((at - first).total_seconds() * TENTHS) for wave, at in later.items()}


def _answers(rows: Rows, answered: int) -> AnswersView:
    """An answer that no check-in says more of is neither "safe" nor a call for help."""
    need_help = min(rows.answers.get(Standing.NEED_HELP, 0), answered)
    safe = min(rows.answers.get(Standing.SAFE, 0), answered - need_help)
    return AnswersView(safe=safe, need_help=need_help, other=answered - need_help - safe)


def _pace(broadcast: Broadcast, pace: Pace) -> PaceView:
    return PaceView(
        people=pace.people,
        seconds_50=pace.seconds_50,
        seconds_95=pace.seconds_95,
        seconds_100=pace.seconds_100,
        first_at=_after(broadcast, pace.first_seconds),
        last_at=_after(broadcast, pace.last_seconds),
    )


def _after(broadcast: Broadcast, seconds: float | None) -> datetime | None:
    return None if seconds is None or broadcast.released_at is None else broadcast.released_at + timedelta(seconds=seconds)


def _missions(rows: MissionRows) -> list[MissionReach]:
    counts = {code: sum_up(people) for code, people in rows.people.items()}
    largest = sorted(counts.items(), key=lambda item: (-item[1].frozen, item[0] or ""))
    return [MissionReach(mission_code=code, mission_name=rows.names.get(code or ""), **_values(each)) for code, each in largest]


def _steps(rows: Rows) -> list[StepReach]:
    """First steps are counted from the people, later ones from their own rows."""
    parts: dict[tuple[int, str, str | None], list[Mapping[str, Any]]] = defaultdict(list)
    for row in (*_first_steps(rows.people), *rows.steps):
        parts[row["step"], row["channel"], row["number_country"]].append(row)
    return [_step(key, found) for key, found in sorted(parts.items(), key=lambda item: (item[0][0], -_sum(item[1]), str(item[0])))]


def _step(key: tuple[int, str, str | None], found: Sequence[Mapping[str, Any]]) -> StepReach:
    step, channel, country = key
    return StepReach(
        step=step,
        channel=Channel(channel),
        number_country=country,
        begun=_sum(found),
        handed_over=sum(row["handed_over"] for row in found),
        delivered=sum(row["delivered"] for row in found),
        answered=sum(row["answered"] for row in found),
        unknown=_sum(row for row in found if row["state"] == State.UNKNOWN),
        waiting=_sum(row for row in found if row["state"] in WAITING),
        failed=_sum(row for row in found if row["state"] in FAILED),
        stopped=_sum(row for row in found if row["state"] in STOPPED),
    )


def _first_steps(people: Iterable[Tally]) -> Iterable[Mapping[str, Any]]:
    for group in people:
        yield {
            "step": 1,
            "channel": group.channel,
            "number_country": group.number_country,
            "state": group.state,
            "error_code": group.error_code,
            "people": group.people,
            "handed_over": group.people * group.is_first_taken,
            "delivered": group.people * group.is_first_delivered,
            "answered": group.people * group.is_answered,
        }


def _groups(rows: Rows) -> list[ReachGroup]:
    sums: dict[tuple[str, str | None, str, str | None], list[int]] = defaultdict(lambda: [0, 0])
    for row in (*_first_steps(rows.people), *rows.steps):
        both = sums[row["channel"], row["number_country"], row["state"], row["error_code"]]
        both[0] += row["people"]
        both[1] += row["answered"]
    found = sorted(sums.items(), key=lambda item: (-item[1][0], str(item[0])))
    return [
        ReachGroup(channel=Channel(channel), number_country=country, state=State(state), error_code=code, people=people, answered=answered)
        for (channel, country, state, code), (people, answered) in found
    ]


def _unknown(settings: Settings, row: Mapping[str, Any]) -> UnknownView:
    """Look-ups come after one wait, a permitted repetition after a second one."""
    delivery, what = settings.delivery, Next(row["next"])
    waits = {
        Next.LOOK_UP: delivery.lookup_after_seconds,
        Next.RESEND: delivery.lookup_after_seconds + delivery.resend_after_seconds,
    }
    due_at = row["oldest_at"] + timedelta(seconds=waits[what]) if what in waits else None
    return UnknownView(next=what, attempts=row["attempts"], oldest_at=row["oldest_at"], newest_at=row["newest_at"], due_at=due_at)


def _alarm(row: Mapping[str, Any]) -> AlarmView:
    kind = AlarmKind(row["kind"])
    words = Words(**alarm_texts(kind, sender=row["sender"], count=row["count"]))
    return AlarmView(**(dict(row) | {"kind": kind}), text=words)


def _sum(rows: Iterable[Mapping[str, Any]]) -> int:
    return sum(row["people"] for row in rows)
