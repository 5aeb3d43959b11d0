"""People of the register found by how their name sounds, without keeping any name in clear (`likeness`).

Beside each citizen stand keyed fingerprints of the sounds of the name. Whoever asks has the same fingerprints made of what they
heard; what shares any is deciphered, compared, and forgotten again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, insert, literal, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from alerts.citizens.likeness import ALIKE, VERSION, likeness, sounds_of
from alerts.citizens.models import Citizen, CitizenName
from alerts.citizens.queries import open_name
from alerts.citizens.rules import CitizenClass
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import publish

CANDIDATES_MAX = 300
NEAR_WEIGHS = 2
"""To be near the event is worth as much as two sounds more in common: of a common name the likest thousand live elsewhere."""
BATCH, UNINDEXED_MAX = 1_000, 20_000


@dataclass(frozen=True, slots=True)
class Alike:
    """Somebody of the register whose name is like what was asked. `name` is in clear: never to be logged."""

    citizen_id: UUID
    name: str
    likeness: float
    place_code: str


def fingerprints(keyring: Keyring, name: str) -> list[int]:
    """What a name is found by: 64 bits of a keyed fingerprint for each of its sounds."""
    marks = (keyring.blind_index(f"name sound {VERSION} {sound}")[:8] for sound in sorted(sounds_of(name)))
    return [int.from_bytes(mark, signed=True) for mark in marks]


def list_unindexed(session: Session, *, limit: int = UNINDEXED_MAX) -> list[UUID]:
    """People who have no fingerprints, whose name has changed since, or whose were made by other rules."""
    n = CitizenName
    stale = or_(n.citizen_id.is_(None), n.name_index != Citizen.name_index, n.version != VERSION)
    query = select(Citizen.id).join(n, n.citizen_id == Citizen.id, isouter=True)
    return list(session.scalars(query.where(stale, Citizen.class_ != CitizenClass.SYNTHETIC).limit(limit)))


def index_names(session: Session, keyring: Keyring, citizen_ids: Sequence[UUID]) -> int:
    """Make the fingerprints of these people anew; how many there were. Safe to repeat; two at once wait for each other."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('citizen_name'))"))
    query = select(Citizen.id, Citizen.name_enc, Citizen.name_index).where(Citizen.id.in_(citizen_ids))
    rows = [_indexed(keyring, row) for row in session.execute(query)]
    session.execute(delete(CitizenName).where(CitizenName.citizen_id.in_(citizen_ids)))
    if rows:
        session.execute(insert(CitizenName), rows)
    return len(rows)


def index_some(sessions: Sessions, keyring: Keyring, *, limit: int = UNINDEXED_MAX, batch: int = BATCH) -> int:
    """For a task: the next of those without, some in each transaction. What is left is told of again by `citizens.imported`."""
    with begin(sessions) as session:
        waiting = list_unindexed(session, limit=limit)
    for start in range(0, len(waiting), batch):
        with begin(sessions) as session:
            index_names(session, keyring, waiting[start : start + batch])
    if len(waiting) == limit:
        with begin(sessions) as session:
            publish(session, "citizens.imported")
    return len(waiting)


def find_alike(
    session: Session, keyring: Keyring, name: str, *, near: Sequence[str] = (), where: Iterable[ColumnElement[bool]] = ()
) -> list[Alike]:
    """Who of the register may be meant, the likest first. `near`: places whose people go first where a name is common."""
    asked = fingerprints(keyring, name)
    if not asked:
        return []
    shared = _shared(asked)
    is_near = or_(Citizen.province_code.in_(near), Citizen.country_iso2.in_(near))
    query = (
        select(Citizen.id, Citizen.name_enc, Citizen.province_code, Citizen.country_iso2)
        .join(CitizenName, CitizenName.citizen_id == Citizen.id)
        .where(CitizenName.sounds.overlap(sounds_literal(asked)), Citizen.merged_into.is_(None), *where)
        .order_by((shared + case((is_near, NEAR_WEIGHS), else_=0)).desc(), Citizen.id)
        .limit(CANDIDATES_MAX)
    )
    found = (_alike(keyring, name, row) for row in session.execute(query))
    return sorted((each for each in found if each.likeness >= ALIKE), key=lambda each: (-each.likeness, str(each.citizen_id)))


def _indexed(keyring: Keyring, row: Any) -> dict[str, Any]:
    sounds = fingerprints(keyring, open_name(keyring, row.id, row.name_enc))
    return {"citizen_id": row.id, "name_index": row.name_index, "version": VERSION, "sounds": sounds}


def _alike(keyring: Keyring, asked: str, row: Any) -> Alike:
    name = open_name(keyring, row.id, row.name_enc)
    return Alike(row.id, name, likeness(asked, name), row.province_code or row.country_iso2)


def _shared(asked: Sequence[int]) -> ColumnElement[int]:
    """How many of the sounds a row has."""
    sound = func.unnest(CitizenName.sounds).column_valued("sound")
    return select(func.count(sound)).where(sound.in_(asked)).correlate(CitizenName).scalar_subquery()


def sounds_literal(asked: Sequence[int]) -> ColumnElement[list[int]]:
    """Fingerprints as a value in SQL."""
    return literal(list(asked), ARRAY(BigInteger))
