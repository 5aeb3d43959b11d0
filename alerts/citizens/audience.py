"""Who is in the areas: the one selection behind audiences, previews and the first figure of an incident.

A circle or polygon is asked in two steps: an index over (lat, lon) by bounding box, then the exact shape.
Whoever has no point is judged by the main town of the province, and the reason says so. Whoever has only a
country is in no shape or province of it; `register_counts` tells how many these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Date, Select, and_, case, cast, false, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from alerts.citizens.models import Citizen
from alerts.citizens.rules import FOUND_BY_AREA, NEVER_TEXTED, STAY_TOLERANCE, CitizenClass, Reason
from alerts.places import AreaKind, AreaSpec, bounding_boxes, contains_many, is_named, provinces

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Registered persons of one class, and how old the word on their place is."""

    registered: int
    place_as_of_oldest: datetime | None
    place_as_of_newest: datetime | None
    undated: int


@dataclass(frozen=True, slots=True)
class RegisterCounts:
    """What the register alone says. `country_only` persons are in a touched country but may be outside the area."""

    total: int
    country_only: int
    by_class: dict[str, ClassCount] = field(default_factory=dict)

    @property
    def upper_bound(self) -> int:
        """All who may be inside."""
        return self.total + self.country_only


def in_areas(
    session: Session, areas: Sequence[AreaSpec], *, on_lists: Select[Any] | None = None, on: date | None = None
) -> Select[UUID, str]:
    """A Core select of (`citizen_id`, `reason`), each person once, ready for INSERT … SELECT.

    `on_lists` is a select of citizen ids from lists (ships, flights, groups): the only way to seafarers.
    Left out: contingents, the dead, the merged, and whose stay does not include the day `on` (today). The
    opted out are in: they count as unreachable. Exact shapes are decided now, so use it in this transaction.
    """
    branches = [(condition, reason) for area in areas for condition, reason in _inside(session, area)]
    by_area = and_(Citizen.class_.in_(FOUND_BY_AREA), or_(false(), *(condition for condition, _ in branches)))
    on_list = Citizen.id.in_(on_lists) if on_lists is not None else false()
    whens = [(condition, literal(reason.value)) for condition, reason in _by_strength(branches)]
    reason_column = case((on_list, literal(Reason.ON_LIST.value)), *whens, else_=literal(Reason.ON_LIST.value))
    everyone = and_(_alive(), Citizen.class_.not_in(NEVER_TEXTED))
    return select(Citizen.id.label("citizen_id"), reason_column.label("reason")).where(everyone, or_(on_list, and_(by_area, _stays(on))))


def register_counts(session: Session, areas: Sequence[AreaSpec], *, on: date | None = None) -> RegisterCounts:
    """How many the register has in the areas, by class, with the age of the word on their place; one GROUP BY.

    All classes count here, contingents and seafarers too: these are the registered, not the texted.
    """
    inside = or_(false(), *(condition for area in areas for condition, _ in _inside(session, area)))
    # IS NOT TRUE: without a province the comparison is neither true nor false.
    vague = and_(inside.is_not(true()), Citizen.province_code.is_(None), _may_be_inside(areas))
    query = (
        select(
            Citizen.class_,
            func.count().filter(inside),
            func.min(Citizen.place_as_of).filter(inside),
            func.max(Citizen.place_as_of).filter(inside),
            func.count().filter(and_(inside, Citizen.place_as_of.is_(None))),
            func.count().filter(vague),
        )
        .where(_alive(), _stays(on), or_(inside, vague))
        .group_by(Citizen.class_)
    )
    rows = session.execute(query).all()
    by_class = {CitizenClass(row[0]).value: ClassCount(row[1], row[2], row[3], row[4]) for row in rows if row[1]}
    return RegisterCounts(sum(row[1] for row in rows), sum(row[5] for row in rows), by_class)


def _alive() -> Condition:
    return and_(Citizen.died_at.is_(None), Citizen.merged_into.is_(None))


def _stays(on: date | None) -> Condition:
    """Whose stay includes the day, a day's tolerance for the turning of the globe; no dates: always there."""
    day = cast(func.now(), Date) if on is None else literal(on, Date)
    generous = literal(STAY_TOLERANCE.days)
    return and_(
        or_(Citizen.stay_from.is_(None), Citizen.stay_from <= day + generous),
        or_(Citizen.stay_until.is_(None), Citizen.stay_until >= day - generous),
    )


def _inside(session: Session, area: AreaSpec) -> list[tuple[Condition, Reason]]:
    """The conditions under which a person is in the area, each with what it rests on."""
    if area.kind is AreaKind.COUNTRY:
        return [(Citizen.country_iso2 == area.code, Reason.IN_COUNTRY)]
    if area.kind is AreaKind.PROVINCE:
        return [(Citizen.province_code == area.code, Reason.IN_PROVINCE)]
    towns = _provinces_with_town_in(area)
    by_town = and_(Citizen.lat.is_(None), Citizen.province_code.in_(towns))
    by_point = Citizen.id == func.any(literal(_points_in(session, area), ARRAY(Uuid())))
    return [(by_point, Reason.IN_SHAPE), (by_town, Reason.PROVINCE_TOWN_IN_SHAPE)]


def _points_in(session: Session, area: AreaSpec) -> list[UUID]:
    """Whose own point lies in the shape: by bounding box from the index, then exactly."""
    boxes = [and_(Citizen.lat.between(box.south, box.north), Citizen.lon.between(box.west, box.east)) for box in bounding_boxes(area)]
    rows = session.execute(select(Citizen.id, Citizen.lat, Citizen.lon).where(Citizen.lat.is_not(None), or_(*boxes))).all()
    if not rows:
        return []
    ids, lats, lons = zip(*rows, strict=True)
    return [ids[i] for i in np.flatnonzero(contains_many(area, lats, lons))]


def _provinces_with_town_in(area: AreaSpec) -> list[str]:
    known = list(provinces().values())
    inside = contains_many(area, [p.lat for p in known], [p.lon for p in known])
    return [known[i].code for i in np.flatnonzero(inside)]


def _may_be_inside(areas: Sequence[AreaSpec]) -> Condition:
    """Of people without a province: who may yet be in an area smaller than the country. A point decides only for shapes."""
    of_provinces = {(area.code or "")[:2] for area in areas if area.kind is AreaKind.PROVINCE}
    of_shapes = {code[:2] for area in areas if not is_named(area) for code in _provinces_with_town_in(area)}
    return or_(
        Citizen.country_iso2.in_(sorted(of_provinces)),
        and_(Citizen.country_iso2.in_(sorted(of_shapes)), Citizen.lat.is_(None)),
    )


def _by_strength(branches: list[tuple[Condition, Reason]]) -> list[tuple[Condition, Reason]]:
    order = list(Reason)
    return sorted(branches, key=lambda branch: order.index(branch[1]))
