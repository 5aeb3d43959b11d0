"""Named reads of possible and publishable deaths, as of and as known at any time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.citizens.queries import names_of
from alerts.citizens.rules import FOUND_BY_AREA
from alerts.incidents.queries import citizens_on_lists, list_list_ids
from alerts.kit.crypto import Keyring
from alerts.people.deaths.models import DeathStep
from alerts.people.deaths.rules import OF, Death, Recorded, Standing, initials_of, stand
from alerts.people.deaths.schemas import DeathView, StepView
from alerts.people.models import Person
from alerts.people.queries import NOW, Moment, standings, states_of
from alerts.people.rules import Axis, AxisState, PersonState


def deaths_of(session: Session, incident_id: UUID, at: Moment = NOW) -> list[Death]:
    """Everybody in the incident whose record says dead at that moment, on whatever rung, of whatever nationality."""
    return deaths_among(session, standings(session, incident_id, at), at)


def deaths_among(session: Session, people: Iterable[PersonState], at: Moment = NOW) -> list[Death]:
    """`deaths_of`, for those who were read already at that moment."""
    dead = [person for person in people if is_dead(person.state)]
    steps = steps_of(session, [person.id for person in dead], at) if dead else {}
    return [_death(person, steps.get(person.id, [])) for person in dead]


def publishable_deaths(session: Session, incident_id: UUID, as_of: datetime | None = None, known_at: datetime | None = None) -> list[Death]:
    """The deaths that may be published: confirmed, and the family told or decided about; as it was at those two times."""
    return [death for death in deaths_of(session, incident_id, Moment(as_of, known_at)) if death.standing.is_publishable]


def standing_of(session: Session, person_id: UUID, at: Moment = NOW) -> Standing:
    """What stands of one person's death."""
    return stand(steps_of(session, [person_id], at).get(person_id, []), _said_dead(session, person_id, at))


def steps_of(session: Session, person_ids: Sequence[UUID], at: Moment = NOW) -> Mapping[UUID, list[Recorded]]:
    """Every recorded step by person. A withdrawal counts from when it was known, whatever it speaks of."""
    found: defaultdict[UUID, list[Recorded]] = defaultdict(list)
    for row in session.scalars(select(DeathStep).where(DeathStep.person_id.in_(person_ids), *_by(at))):
        recorded = Recorded(row.id, row.step, row.basis, row.said_by, row.as_of, row.known_at, row.withdraws, row.finding_id)
        found[row.person_id].append(recorded)
    return found


def initials_of_death(session: Session, keyring: Keyring, death: Death) -> str | None:
    """The initials, where somebody decided that they may be shown; else None."""
    if death.standing.initials is None or not death.standing.is_publishable:
        return None
    person = session.get_one(Person, death.person_id)
    name = name_of(session, keyring, person)
    return initials_of(name) if name else None


def name_of(session: Session, keyring: Keyring, person: Person) -> str | None:
    """The name in clear: the incident's own, else the register's. Never to be logged."""
    if person.name_enc is not None:
        return keyring.decrypt(person.name_enc, table="person", column="name_enc", row=person.id)
    return names_of(session, keyring, [person.citizen_id]).get(person.citizen_id) if person.citizen_id else None


def count_of_ours_there(session: Session, place_code: str | None) -> int | None:
    """How many the register knows in the place; None where the place is not known."""
    if place_code is None:
        return None
    there = or_(Citizen.province_code == place_code, Citizen.country_iso2 == place_code)
    living = (Citizen.merged_into.is_(None), Citizen.class_.in_(FOUND_BY_AREA))
    return session.execute(select(func.count()).select_from(Citizen).where(there, *living)).scalar_one()


def is_of_a_group(session: Session, person: Person) -> bool:
    """Whether the person belongs to something known by its names: a flight, a ship, a contingent, a crew."""
    if person.citizen_id is None:
        return False
    listed = citizens_on_lists(list_list_ids(session, person.incident_id)).subquery()
    on_a_list = session.execute(select(func.count()).select_from(listed).where(listed.c.citizen_id == person.citizen_id)).scalar_one()
    class_ = session.execute(select(Citizen.class_).where(Citizen.id == person.citizen_id)).scalar_one()
    return bool(on_a_list) or class_ not in FOUND_BY_AREA


def present_death(session: Session, person: Person, at: Moment = NOW) -> DeathView:
    """How far this death is from its publication, with every step."""
    standing = standing_of(session, person.id, at)
    rows = session.scalars(select(DeathStep).where(DeathStep.person_id == person.id, *_by(at)).order_by(DeathStep.id.desc())).all()
    withdrawn, said = {row.withdraws for row in rows}, _said_dead(session, person.id, at)
    past = {row.id for row in rows if row.step in OF and (said is None or row.finding_id not in said.finding)}
    names = ("incident_id", "nationality", "mission_code", "place_code")
    return DeathView(
        **{name: getattr(person, name) for name in names},
        person_id=person.id,
        is_publishable=standing.is_publishable,
        missing=list(standing.missing),
        may_show_initials=standing.initials is not None,
        steps=[_step_view(row, is_withdrawn=row.id in withdrawn, is_past=row.id in past) for row in rows],
    )


def is_dead(state: Mapping[Axis, AxisState]) -> bool:
    """Whether the record says dead, on whatever rung."""
    said = state.get(Axis.CONDITION)
    return said is not None and said.stands.value == "dead"


def _death(person: PersonState, steps: Sequence[Recorded]) -> Death:
    said = person.state[Axis.CONDITION]
    return Death(person.id, person.nationality, person.mission_code, person.place_code, said.stands, stand(steps, said))


def _said_dead(session: Session, person_id: UUID, at: Moment) -> AxisState | None:
    state = states_of(session, [person_id], at).get(person_id, {})
    return state[Axis.CONDITION] if is_dead(state) else None


def _step_view(row: DeathStep, *, is_withdrawn: bool, is_past: bool) -> StepView:
    names = set(StepView.model_fields) - {"is_withdrawn", "is_past"}
    return StepView(**{name: getattr(row, name) for name in names}, is_withdrawn=is_withdrawn, is_past=is_past)


def _by(at: Moment) -> Iterable[ColumnElement[bool]]:
    if at.as_of is not None:
        yield (DeathStep.as_of <= at.as_of) | DeathStep.withdraws.is_not(None)
    if at.known_at is not None:
        yield DeathStep.known_at <= at.known_at
