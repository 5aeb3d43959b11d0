"""Loading the missions from the files that come with the product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alerts.missions.models import Mission, MissionCountry, MissionDistrict
from alerts.places.names import read_data

PACKAGE = "alerts.missions"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load changed: missions in the files, rows written, rows taken away. Twice in a row: 0 and 0."""

    missions: int
    written: int
    removed: int


def load_missions(session: Session) -> Loaded:
    """Bring missions, accreditations and districts to what our data files say; as often as one likes.

    A mission that an installation added itself is left alone.
    """
    missions = read_missions()
    codes = [row["code"] for row in missions]
    accreditations, districts = read_accreditations(), read_districts()
    written = _upsert(session, Mission, missions)
    removed = _remove(session, MissionCountry, accreditations, codes) + _remove(session, MissionDistrict, districts, codes)
    written += _upsert(session, MissionCountry, accreditations) + _upsert(session, MissionDistrict, districts)
    return Loaded(len(missions), written, removed)


def read_missions() -> list[Row]:
    """The missions file, with numbers as numbers and empty cells as None."""
    nullable = ("country_iso2", "covered_by", "note")
    rows = read_data("missions.csv", package=PACKAGE)
    return [row | {n: row[n] or None for n in nullable} | {"lat": float(row["lat"]), "lon": float(row["lon"])} for row in rows]


def read_districts() -> list[Row]:
    """The districts file."""
    return [row | {"is_assumed": row["is_assumed"] == "yes"} for row in read_data("districts.csv", package=PACKAGE)]


def read_accreditations() -> list[Row]:
    """The accreditations file."""
    return list(read_data("accreditations.csv", package=PACKAGE))


def _upsert(session: Session, model: type[Mission | MissionCountry | MissionDistrict], rows: Sequence[Row]) -> int:
    """Insert, or update where something differs; how many rows were written."""
    table = model.__table__
    keys = [column.name for column in table.primary_key]
    statement = insert(model).values(list(rows))
    given = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    is_other = tuple_(*(table.c[name] for name in given)).is_distinct_from(tuple_(*given.values()))
    stamp = {"updated_at": func.now()} if "updated_at" in table.c else {}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=given | stamp, where=is_other)
    return len(session.execute(statement.returning(table.c[keys[0]])).all())


def _remove(session: Session, model: type[MissionCountry | MissionDistrict], rows: Sequence[Row], codes: Sequence[str]) -> int:
    """Take away relations of our missions that the files no longer have."""
    key = tuple_(*model.__table__.primary_key)
    names = [column.name for column in model.__table__.primary_key]
    kept = [tuple(row[name] for name in names) for row in rows]
    stale = select(*model.__table__.primary_key).where(model.mission_code.in_(codes), key.not_in(kept))
    found = [tuple(row) for row in session.execute(stale)]
    if found:
        session.execute(delete(model).where(key.in_(found)))
    return len(found)
