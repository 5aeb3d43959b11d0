"""Who may be meant by a family's question: in the register, among the persons of the incident, in earlier calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from alerts.checkins.queries import standings_at
from alerts.citizens.finding import Alike, find_alike, fingerprints, sounds_literal
from alerts.citizens.likeness import ALIKE, STRONG, likeness
from alerts.citizens.models import Citizen
from alerts.citizens.queries import find_by_phone_index, open_name
from alerts.families.models import Enquiry, EnquiryCall
from alerts.families.rules import Described, is_surely_the_same
from alerts.families.schemas import MatchKind, MatchView
from alerts.incidents.models import IncidentMission
from alerts.incidents.queries import is_for_mission
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.people.models import Person
from alerts.people.queries import states_of
from alerts.people.queries import visible_to as visible_person
from alerts.people.rules import Axis, AxisState

SHOWN = 12
UNMARKED_MAX = 2_000
"""So many persons who were written down before names had fingerprints are compared one by one."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Who is sought, as the caller says it, in which incident. `but`: the enquiry itself."""

    incident_id: UUID
    name: str
    place_code: str | None = None
    phone_index: bytes | None = None
    caller_index: bytes | None = None
    but: UUID | None = None


def find_matches(session: Session, keyring: Keyring, actor: Actor, sought: Sought) -> list[MatchView]:
    """Everybody that this actor may know of who may be meant: the same number first, then the likest; at most a dozen of each sort.

    Staff of a mission find those of the register for whom it answers, its own persons, and its own enquiries.
    """
    register = _of_register(session, keyring, actor, sought)
    persons = _persons(session, keyring, actor, sought)
    shown = [*_first(register), *_first(persons), *_first(find_enquiries(session, keyring, actor, sought))]
    return sorted(shown, key=_rank)


def find_enquiries(session: Session, keyring: Keyring, actor: Actor, sought: Sought) -> list[MatchView]:
    """Earlier enquiries of the incident about somebody of this name, or by the same caller."""
    of_call = aliased(Enquiry)
    calls = select(func.coalesce(of_call.joined_into, of_call.id)).join(EnquiryCall, EnquiryCall.enquiry_id == of_call.id)
    by_caller = calls.where(EnquiryCall.caller_phone_index == sought.caller_index)
    meant = Enquiry.sought_sounds.overlap(sounds_literal(fingerprints(keyring, sought.name)))
    if sought.caller_index is not None:
        meant = or_(meant, Enquiry.id.in_(by_caller))
    where = [Enquiry.incident_id == sought.incident_id, Enquiry.joined_into.is_(None), visible_to(actor), meant]
    if sought.but is not None:
        where.append(Enquiry.id != sought.but)
    rows = session.scalars(select(Enquiry).where(*where).order_by(Enquiry.id.desc()).limit(UNMARKED_MAX)).all()
    same = set(session.scalars(by_caller)) if sought.caller_index is not None else set()
    counts = count_calls(session, [row.id for row in rows])
    return [
        match for row in rows if (match := _enquiry_match(keyring, sought, row, calls=counts.get(row.id, 0), is_same_number=row.id in same))
    ]


def asked_before(session: Session, keyring: Keyring, actor: Actor, sought: Sought) -> list[UUID]:
    """The cases in which this caller asked after surely the same person before (`rules.is_surely_the_same`)."""
    own = aliased(Enquiry)
    rows = session.execute(
        select(EnquiryCall, own, Enquiry.id)
        .select_from(EnquiryCall)
        .join(own, own.id == EnquiryCall.enquiry_id)
        .join(Enquiry, Enquiry.id == func.coalesce(own.joined_into, own.id))
        .where(Enquiry.incident_id == sought.incident_id, EnquiryCall.caller_phone_index == sought.caller_index, visible_to(actor))
    ).all()
    now = Described(sought.name, sought.phone_index, sought.place_code)
    return sorted({case_id for call, row, case_id in rows if is_surely_the_same(now, _described(keyring, call, row))})


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition under which this actor may know of an enquiry: staff of a mission, of those that it owns."""
    if not is_bound_to_mission(actor):
        return Enquiry.id.is_not(None)
    return Enquiry.owner_mission == (actor.mission_code or "")


def count_calls(session: Session, enquiry_ids: Sequence[UUID], *where: ColumnElement[bool]) -> dict[UUID, int]:
    """Calls by case, with those of the enquiries that were joined into it; only those for which `where` holds."""
    own = aliased(Enquiry)
    query = select(Enquiry.id, func.count()).join(own, or_(own.id == Enquiry.id, own.joined_into == Enquiry.id))
    query = query.join(EnquiryCall, EnquiryCall.enquiry_id == own.id).where(Enquiry.id.in_(enquiry_ids), *where)
    return {row[0]: row[1] for row in session.execute(query.group_by(Enquiry.id))}


def _described(keyring: Keyring, call: EnquiryCall, row: Enquiry) -> Described:
    """Whom this call was about; for one of before it kept that itself, as its enquiry says."""
    said: EnquiryCall | Enquiry = call if call.sought_name_enc is not None else row
    name = keyring.decrypt(said.sought_name_enc or b"", table=said.__tablename__, column="sought_name_enc", row=said.id)
    return Described(name, said.sought_phone_index, said.place_code)


def _of_register(session: Session, keyring: Keyring, actor: Actor, sought: Sought) -> list[MatchView]:
    where = []
    if is_bound_to_mission(actor):
        this = literal(sought.incident_id, Uuid())
        where.append(is_for_mission(actor.mission_code or "", citizen_id=Citizen.id, incident_id=this))
    near = [sought.place_code] if sought.place_code else _places(session, sought.incident_id)
    found = {each.citizen_id: each for each in find_alike(session, keyring, sought.name, near=near, where=where)[:SHOWN]}
    by_number = _holders(session, keyring, sought, where)
    found |= {each.citizen_id: each for each in by_number}
    answers = _answers(session, sought.incident_id, list(found))
    same = {each.citizen_id for each in by_number}
    return [_register_match(each, answers.get(each.citizen_id), is_same_number=each.citizen_id in same) for each in found.values()]


def _holders(session: Session, keyring: Keyring, sought: Sought, where: Iterable[ColumnElement[bool]]) -> list[Alike]:
    """Whoever has the number of the person sought, whatever they are called."""
    if sought.phone_index is None:
        return []
    holders = [citizen.id for citizen in find_by_phone_index(session, sought.phone_index)]
    named = (
        (row, open_name(keyring, row.id, row.name_enc)) for row in session.scalars(select(Citizen).where(Citizen.id.in_(holders), *where))
    )
    return [Alike(row.id, name, likeness(sought.name, name), row.province_code or row.country_iso2) for row, name in named]


def _places(session: Session, incident_id: UUID) -> list[str]:
    """Where the incident is, by its missions' places."""
    query = select(IncidentMission.places).where(IncidentMission.incident_id == incident_id, IncidentMission.left_at.is_(None))
    return sorted({place for places in session.scalars(query) for place in places})


def _answers(session: Session, incident_id: UUID, citizen_ids: Sequence[UUID]) -> dict[UUID, tuple[str, bool]]:
    """Where each stands by their own answers, and whether staff made contact."""
    each = standings_at(incident_id, citizen_ids=citizen_ids)
    rows = session.execute(select(each.c.citizen_id, each.c.standing, each.c.confirmed_at))
    return {row.citizen_id: (str(row.standing), row.confirmed_at is not None) for row in rows}


def _register_match(found: Alike, answer: tuple[str, bool] | None, *, is_same_number: bool) -> MatchView:
    return MatchView(
        kind=MatchKind.REGISTER,
        id=found.citizen_id,
        name=found.name,
        likeness=round(found.likeness, 2),
        is_strong=is_same_number or found.likeness >= STRONG,
        is_same_number=is_same_number,
        place_code=found.place_code,
        mission_code=None,
        answered=answer[0] if answer else None,
        is_reached=bool(answer and answer[1]),
    )


def _persons(session: Session, keyring: Keyring, actor: Actor, sought: Sought) -> list[MatchView]:
    named = or_(Person.name_sounds.is_(None), Person.name_sounds.overlap(sounds_literal(fingerprints(keyring, sought.name))))
    where = (Person.incident_id == sought.incident_id, Person.name_enc.is_not(None), visible_person(actor), named)
    rows = session.scalars(select(Person).where(*where).order_by(Person.id.desc()).limit(UNMARKED_MAX)).all()
    known = [(row, keyring.decrypt(row.name_enc or b"", table="person", column="name_enc", row=row.id)) for row in rows]
    judged = sorted(((likeness(sought.name, name), row, name) for row, name in known), key=lambda each: (-each[0], str(each[1].id)))
    alike = [each for each in judged if each[0] >= ALIKE][:SHOWN]
    states = states_of(session, [row.id for _, row, _ in alike])
    return [_person_match(row, name, score, states.get(row.id, {})) for score, row, name in alike]


def _person_match(row: Person, name: str, score: float, state: dict[Axis, AxisState]) -> MatchView:
    """A death is not shown among matches: whoever takes the call reads the person's page, and does not read it out."""
    said = {axis.value: each.stands.value for axis, each in state.items() if each.stands.value != "dead"}
    return MatchView(
        kind=MatchKind.PERSON,
        id=row.id,
        name=name,
        likeness=round(score, 2),
        is_strong=score >= STRONG,
        is_same_number=False,
        place_code=row.place_code,
        mission_code=row.mission_code,
        is_reached=said.get("contact") in {"contact_made", "verified"},
        state=said,
    )


def _enquiry_match(keyring: Keyring, sought: Sought, row: Enquiry, *, calls: int, is_same_number: bool) -> MatchView | None:
    name = keyring.decrypt(row.sought_name_enc, table="enquiry", column="sought_name_enc", row=row.id)
    score = likeness(sought.name, name)
    if score < ALIKE:
        return None
    return MatchView(
        kind=MatchKind.ENQUIRY,
        id=row.id,
        name=name,
        likeness=round(score, 2),
        is_strong=score >= STRONG,
        is_same_number=is_same_number,
        place_code=row.place_code,
        mission_code=row.owner_mission,
        state={"state": row.state.value},
        calls=calls,
    )


def _first(matches: list[MatchView]) -> list[MatchView]:
    return sorted(matches, key=_rank)[:SHOWN]


def _rank(match: MatchView) -> tuple[bool, float, str]:
    return (not match.is_same_number, -match.likeness, str(match.id))
