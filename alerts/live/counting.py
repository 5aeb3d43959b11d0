"""The counts of a sheet that a large crisis makes dear: the register, the reach of every message, the answers.

Counted anew for each who asks, as long as that is quick. Where it is not, they are counted by whoever refreshes the sheet and kept
beside it; who asks then gets those of the last count, with its time, and everything that staff filed as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.checkins.queries import safe_counts
from alerts.citizens.queries import register_counts
from alerts.deliveries.queries import reach_of_incident
from alerts.incidents.models import Incident, IncidentArea, IncidentList
from alerts.incidents.queries import count_lists
from alerts.kit.clock import db_now
from alerts.live.models import LiveState
from alerts.live.rules.facts import AnswerFacts
from alerts.live.rules.figures import number_words
from alerts.live.schemas import Reach, Register, RegisterClass, RegisterList, Words
from alerts.places import AreaSpec

DEAR_SECONDS = 0.1
"""What takes longer is counted once for all who ask."""
KEPT_FOR = timedelta(seconds=60)
"""A count that nobody has renewed for so long is not used: the sheet's refresher looks every 15 s."""
CLASSES = {
    "resident": Words(id="menetap", en="residents"),
    "traveller": Words(id="pelintas", en="travellers"),
    "contingent": Words(id="kontingen", en="contingents"),
    "seafarer": Words(id="pelaut", en="seafarers"),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts, when they were taken, and how long that took. `register` None: what was known then is asked of the snapshots.

    `ground`: of which areas, lists and messages.
    """

    register: Register | None
    reach: tuple[Reach, ...]
    answers: AnswerFacts
    counted_at: datetime
    took_seconds: float = 0.0
    ground: str = ""


_KEPT = TypeAdapter(Counted)


def count(session: Session, incident: Incident, areas: list[IncidentArea], *, as_of: datetime, heard_by: datetime, is_now: bool) -> Counted:
    """Count now. `heard_by`: what receipts and answers had come by then; `is_now`: the register too, which has no past of its own."""
    began, ground = perf_counter(), _ground(session, incident.id, areas, at=heard_by)
    register = _register(session, incident, areas, as_of=as_of) if is_now else None
    reach = tuple(_reach(row) for row in reach_of_incident(session, incident.id, known_at=heard_by))
    answers = _answers(session, incident.id, heard_by)
    # Of a past moment the same question has the same answer, whenever it is asked.
    return Counted(register, reach, answers, db_now(session) if is_now else heard_by, perf_counter() - began, ground)


def find_kept(session: Session, incident_id: UUID, areas: list[IncidentArea], now: datetime) -> Counted | None:
    """The last count, if counting is dear, it is not too old, and it is of the areas, lists and messages that there are now."""
    state = session.get(LiveState, incident_id)
    if state is None or state.counted is None or state.counted["took_seconds"] < DEAR_SECONDS:
        return None
    counted = _KEPT.validate_python(state.counted)
    is_recent = now - counted.counted_at <= KEPT_FOR
    return counted if is_recent and counted.ground == _ground(session, incident_id, areas, at=now) else None


def keep(state: LiveState, counted: Counted) -> None:
    """For whoever asks from now on."""
    state.counted = _KEPT.dump_python(counted, mode="json")


def _ground(session: Session, incident_id: UUID, areas: list[IncidentArea], *, at: datetime) -> str:
    """What counts are of. Old counts of the same ground are only old; those of another one would be wrong."""
    lists = select(IncidentList.id).where(IncidentList.incident_id == incident_id, IncidentList.removed_at.is_(None))
    messages = select(Broadcast.id).where(Broadcast.incident_id == incident_id, Broadcast.released_at <= at)
    found = [area.id for area in areas], session.scalars(lists).all(), session.scalars(messages).all()
    return "|".join(",".join(sorted(map(str, ids))) for ids in found)


def _register(session: Session, incident: Incident, areas: list[IncidentArea], *, as_of: datetime) -> Register:
    specs: list[AreaSpec] = [area.spec for area in areas]
    counts = register_counts(session, specs, on=None if incident.is_replayed else as_of.date())
    number = number_words(counts.total)
    return Register(
        people=counts.total,
        country_only=counts.country_only,
        text=Words(id=f"data lapor diri: {number.id}", en=f"our register: {number.en}"),
        classes=[
            RegisterClass(
                class_=name,
                label=CLASSES.get(name, Words(id=name, en=name)),
                people=count.registered,
                oldest_place_at=count.place_as_of_oldest,
                newest_place_at=count.place_as_of_newest,
                undated=count.undated,
            )
            for name, count in sorted(counts.by_class.items())
        ],
        lists=[
            RegisterList(kind=each.row.kind, name=each.row.name, members=each.members, unmatched=each.unmatched)
            for each in count_lists(session, incident.id)
        ],
        counted_at=db_now(session),
    )


def _reach(row: dict[str, Any]) -> Reach:
    return Reach(**{name: row[name] for name in Reach.model_fields})


def _answers(session: Session, incident_id: UUID, known_at: datetime) -> AnswerFacts:
    counts = safe_counts(session, incident_id, known_at)
    return AnswerFacts(
        answered=counts.answered,
        safe=counts.safe,
        safe_contacted=counts.safe_contact_made,
        need_help=counts.need_help,
        need_help_says_safe=counts.need_help_says_safe,
        other=counts.other,
    )
