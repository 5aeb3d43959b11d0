"""Named reads of persons, as of and as known at any time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from alerts.incidents.rules import Claim, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging
from alerts.people import rules
from alerts.people.models import Person, PersonStatement
from alerts.people.rules import Axis, AxisState, Nationality, PersonState, Statement
from alerts.people.schemas import AxisView, ContactView, PersonSummaryView, PersonView, StatementView


@dataclass(frozen=True, slots=True)
class Moment:
    """A question's two times: what was true by `as_of`, as known by `known_at`. None: now."""

    as_of: datetime | None = None
    known_at: datetime | None = None


NOW = Moment()


@dataclass(frozen=True, slots=True)
class TallyRow:
    """So many persons stand there. Rows of different axes are never added: the same people are in each."""

    axis: Axis
    value: str
    claim: Claim
    nationality: Nationality
    authority_confirmed: bool
    mission_code: str | None
    place_code: str | None
    count: int


def get_person(session: Session, person_id: UUID, actor: Actor) -> Person:
    """The person; 404 when there is none, or it is another mission's."""
    return _found(session.scalars(select(Person).where(Person.id == person_id, visible_to(actor))).one_or_none())


def claim_person(session: Session, person_id: UUID, actor: Actor) -> Person:
    """The person, locked for a new statement."""
    query = select(Person).where(Person.id == person_id, visible_to(actor)).with_for_update()
    return _found(session.scalars(query.execution_options(populate_existing=True)).one_or_none())


def list_persons(session: Session, actor: Actor, page: Paging, *, incident_id: UUID | None = None) -> list[Person]:
    """Up to `limit + 1` persons that the actor may know of, newest first."""
    query = select(Person).where(visible_to(actor))
    if page.cursor is not None:
        query = query.where(Person.id < page.cursor)
    if incident_id is not None:
        query = query.where(Person.incident_id == incident_id)
    return list(session.scalars(query.order_by(Person.id.desc()).limit(page.limit + 1)))


def find_by_citizen(session: Session, incident_id: UUID, citizen_id: UUID) -> Person | None:
    """The record of this citizen in the incident."""
    query = select(Person).where(Person.incident_id == incident_id, Person.citizen_id == citizen_id)
    return session.scalars(query).one_or_none()


def states_of(session: Session, person_ids: Sequence[UUID], at: Moment = NOW) -> dict[UUID, dict[Axis, AxisState]]:
    """What stands of each person at that moment; a person of whom nothing was said is absent."""
    said, withdrawn = _read(session, PersonStatement.person_id.in_(person_ids), at)
    return {person_id: rules.current(statements, withdrawn) for person_id, statements in said.items()}


def standings(session: Session, incident_id: UUID, at: Moment = NOW, *, mission_code: str | None = None) -> list[PersonState]:
    """Everybody in the incident of whom something was said by that moment, and what stands of them."""
    where = [Person.incident_id == incident_id]
    if mission_code is not None:
        where.append(Person.mission_code == mission_code)
    columns = (Person.id, Person.citizen_id, Person.nationality, Person.mission_code, Person.place_code)
    people = {row.id: row for row in session.execute(select(*columns).where(*where).order_by(Person.id))}
    said, withdrawn = _read(session, PersonStatement.person_id.in_(select(Person.id).where(*where)), at)
    return [PersonState(*row, rules.current(said[row.id], withdrawn)) for row in people.values() if row.id in said]


def tally_of(people: Iterable[PersonState]) -> list[TallyRow]:
    """So many persons stand there, axis by axis."""
    counts: Counter[tuple[Axis, str, Claim, Nationality, bool, str | None, str | None]] = Counter()
    for person in people:
        for axis, state in person.state.items():
            stands = state.stands
            key = (axis, stands.value, stands.claim, person.nationality, stands.authority_confirmed, person.mission_code, person.place_code)
            counts[key] += 1
    return [TallyRow(*key, count) for key, count in sorted(counts.items(), key=lambda item: tuple(map(str, item[0])))]


def tally(session: Session, incident_id: UUID, at: Moment = NOW, *, mission_code: str | None = None) -> list[TallyRow]:
    """How many persons stand where, per axis, rung, nationality, mission and place; in a fixed order."""
    return tally_of(standings(session, incident_id, at, mission_code=mission_code))


def list_statements(session: Session, person_id: UUID, at: Moment = NOW) -> list[PersonStatement]:
    """Everything said of a person by that moment, newest knowledge first, withdrawals among it."""
    query = select(PersonStatement).where(PersonStatement.person_id == person_id, *_by(at))
    return list(session.scalars(query.order_by(PersonStatement.known_at.desc(), PersonStatement.id.desc())))


def opener_for(actor: Actor, keyring: Keyring) -> Keyring | None:
    """The keys to names and words for those who may read them, else None."""
    return keyring if rules.sees_names(actor) else None


def present_persons(session: Session, people: Sequence[Person], *, opener: Keyring | None) -> list[PersonSummaryView]:
    """Persons as lists show them; names only with an opener."""
    states = states_of(session, [person.id for person in people])
    return [PersonSummaryView.model_validate(_summary(person, states.get(person.id, {}), opener)) for person in people]


def present_person(session: Session, person: Person, *, opener: Keyring | None, at: Moment = NOW) -> PersonView:
    """One person with every statement, at that moment; names and words only with an opener."""
    rows = list_statements(session, person.id, at)
    withdrawn = frozenset(row.withdraws for row in rows if row.withdraws is not None)
    state = states_of(session, [person.id], at).get(person.id, {})
    statements = [_statement_view(row, withdrawn, opener) for row in rows]
    return PersonView.model_validate(_summary(person, state, opener) | {"statements": statements})


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition on `person` under which this actor may know of them: of a mission, only its own."""
    if not is_bound_to_mission(actor):
        return Person.id.is_not(None)
    return Person.mission_code == (actor.mission_code or "")


def _read(session: Session, which: ColumnElement[bool], at: Moment) -> tuple[Mapping[UUID, list[Statement]], frozenset[UUID]]:
    """Statements by person, and the ids of those withdrawn by then.

    A withdrawal counts from when it was *known*, whatever its `as_of`: it corrects what we believed, not the world.
    """
    s = PersonStatement
    columns = (s.id, s.person_id, s.axis, s.value, s.claim, s.as_of, s.known_at, s.authority_confirmed, s.said_by, s.withdraws)
    said: defaultdict[UUID, list[Statement]] = defaultdict(list)
    withdrawn = set()
    for row in session.execute(select(*columns).where(which, *_by(at))):
        if row.withdraws is not None:
            withdrawn.add(row.withdraws)
        else:
            each = Statement(row.id, row.axis, row.value, row.claim, row.as_of, row.known_at, row.authority_confirmed, row.said_by)
            said[row.person_id].append(each)
    return said, frozenset(withdrawn)


def _by(at: Moment) -> Iterable[ColumnElement[bool]]:
    if at.as_of is not None:
        yield (PersonStatement.as_of <= at.as_of) | PersonStatement.withdraws.is_not(None)
    if at.known_at is not None:
        yield PersonStatement.known_at <= at.known_at


def _summary(person: Person, state: Mapping[Axis, AxisState], opener: Keyring | None) -> dict[str, object]:
    names = ("id", "incident_id", "citizen_id", "nationality", "mission_code", "place_code", "version", "created_at")
    name = None
    if person.name_enc is not None and opener is not None:
        name = opener.decrypt(person.name_enc, table="person", column="name_enc", row=person.id)
    axes = {axis: _axis_view(each) for axis, each in state.items()}
    return {each: getattr(person, each) for each in names} | {"name": name, "state": axes}


def _axis_view(state: AxisState) -> AxisView:
    view = _stands_view(state.stands)
    if state.also_claimed is not None:
        view.also_claimed = _stands_view(state.also_claimed)
    return view


def _stands_view(said: Statement) -> AxisView:
    return AxisView(
        value=said.value,
        claim=said.claim,
        authority_confirmed=said.authority_confirmed,
        as_of=said.as_of,
        known_at=said.known_at,
        statement_id=said.id,
    )


def _statement_view(row: PersonStatement, withdrawn: frozenset[UUID], opener: Keyring | None) -> StatementView:
    names = set(StatementView.model_fields) - {"words", "contact", "is_withdrawn"}
    words = contact = None
    if row.words_enc is not None and opener is not None:
        words = opener.decrypt(row.words_enc, table="person_statement", column="words_enc", row=row.id)
    if row.contacted_by and row.contacted_at and row.contact_how:
        contact = ContactView(who=row.contacted_by, when=row.contacted_at, how=row.contact_how)
    values = {name: getattr(row, name) for name in names}
    return StatementView(**values, words=words, contact=contact, is_withdrawn=row.id in withdrawn)


def _found(person: Person | None) -> Person:
    if person is None:
        raise NotFoundError("person_not_found", "There is no such person.")
    return person
