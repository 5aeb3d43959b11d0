"""Named reads of enquiries. Another mission's enquiry does not exist for a mission's staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from alerts.checkins.queries import standings_at
from alerts.checkins.rules import Standing
from alerts.families.matching import Sought, count_calls, find_matches, visible_to
from alerts.families.models import Enquiry, EnquiryCall, EnquiryEntry
from alerts.families.rules import EnquiryState, EntryKind, Known, Tell, fold_reference, may_tell
from alerts.families.schemas import CallView, EnquiryDetailView, EnquiryView, EntryView, TellView
from alerts.families.words import spoken
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging
from alerts.kit.i18n import LANGUAGES
from alerts.missions.queries import mission_names
from alerts.people.models import Person
from alerts.people.queries import states_of
from alerts.people.rules import GRAVITY, Axis

SEALED = {name: f"{name}_enc" for name in ("caller_name", "caller_phone", "sought_name", "about", "last_contact")}
BAD = {Axis.CONDITION: 4, Axis.CONTACT: 2, Axis.PLACE: 2}
"""From this gravity on, a word on that axis takes back what was allowed before it."""


@dataclass(frozen=True, slots=True)
class EnquiryCounts:
    """How many people families ask after, and how many callers wait for our call; as known at a time."""

    open: int
    calls: int
    waiting: int


def get_enquiry(session: Session, enquiry_id: UUID, actor: Actor) -> Enquiry:
    """The enquiry; 404 when there is none, or it is another mission's."""
    return _found(session.scalars(select(Enquiry).where(Enquiry.id == enquiry_id, visible_to(actor))).one_or_none())


def claim_enquiry(session: Session, enquiry_id: UUID, actor: Actor) -> Enquiry:
    """The enquiry, locked for change."""
    query = select(Enquiry).where(Enquiry.id == enquiry_id, visible_to(actor)).with_for_update()
    return _found(session.scalars(query.execution_options(populate_existing=True)).one_or_none())


def claim_case(session: Session, enquiry_id: UUID, actor: Actor) -> Enquiry:
    """The enquiry, locked for change; where it was joined while we waited for the lock, the one that has the case now."""
    row = claim_enquiry(session, enquiry_id, actor)
    while row.joined_into is not None:
        row = claim_enquiry(session, row.joined_into, actor)
    return row


def claim_both(session: Session, actor: Actor, one_id: UUID, other_id: UUID) -> tuple[Enquiry, Enquiry, list[Enquiry]]:
    """Two enquiries and those that belong to the first, all locked in the order of their ids, so that nobody waits crosswise."""
    query = select(Enquiry).where(or_(Enquiry.id.in_((one_id, other_id)) & visible_to(actor), Enquiry.joined_into == one_id))
    locked = query.order_by(Enquiry.id).with_for_update().execution_options(populate_existing=True)
    rows = {row.id: row for row in session.scalars(locked)}
    one, other = _found(rows.get(one_id)), _found(rows.get(other_id))
    return one, other, [row for row in rows.values() if row.joined_into == one_id]


def list_enquiries(
    session: Session,
    actor: Actor,
    page: Paging,
    *,
    incident_id: UUID,
    states: Sequence[EnquiryState] = (EnquiryState.OPEN, EnquiryState.IN_HAND),
    reference: str | None = None,
) -> list[Enquiry]:
    """Up to `limit + 1` enquiries that the actor may see, the newest first; those joined into another are not among them."""
    query = select(Enquiry).where(Enquiry.incident_id == incident_id, visible_to(actor))
    if page.cursor is not None:
        query = query.where(Enquiry.id < page.cursor)
    if reference is None:
        query = query.where(Enquiry.joined_into.is_(None), Enquiry.state.in_(states))
    else:
        query = query.where(Enquiry.id.in_(select(EnquiryCall.enquiry_id).where(EnquiryCall.reference == fold_reference(reference))))
    return list(session.scalars(query.order_by(Enquiry.id.desc()).limit(page.limit + 1)))


def list_calls(session: Session, enquiry: Enquiry) -> list[EnquiryCall]:
    """Every call about this person, also those of the enquiries joined into this one; oldest first."""
    ours = select(Enquiry.id).where(or_(Enquiry.id == enquiry.id, Enquiry.joined_into == enquiry.id))
    return list(session.scalars(select(EnquiryCall).where(EnquiryCall.enquiry_id.in_(ours)).order_by(EnquiryCall.id)))


def list_entries(session: Session, enquiry_id: UUID) -> list[EnquiryEntry]:
    """What happened to the enquiry, oldest first."""
    return list(session.scalars(select(EnquiryEntry).where(EnquiryEntry.enquiry_id == enquiry_id).order_by(EnquiryEntry.id)))


def find_permission(session: Session, enquiry_id: UUID) -> EnquiryEntry | None:
    """What the person sought allowed last, if anything."""
    query = select(EnquiryEntry).where(EnquiryEntry.enquiry_id == enquiry_id, EnquiryEntry.kind == EntryKind.PERMITTED)
    newest = session.scalars(query.order_by(EnquiryEntry.id.desc()).limit(1)).one_or_none()
    return newest if newest is not None and newest.tells else None


def tells_now(session: Session, enquiry: Enquiry) -> tuple[Tell, ...]:
    """What a caller may be told now (`rules.may_tell`)."""
    permission = find_permission(session, enquiry.id)
    if permission is None:
        return ()
    allowed = {Tell(each) for each in permission.tells}
    return may_tell(allowed, permission.contacted_at, _known(session, enquiry))


def present_telling(session: Session, enquiry: Enquiry, *, opener: Keyring | None, reference: str | None = None) -> TellView:
    """What may be told now, with the sentences to read out. `is_held_back`: more was allowed, and something worse is known since."""
    permission, tells = find_permission(session, enquiry.id), tells_now(session, enquiry)
    message = _note(permission, opener) if permission else None
    contacted_at = permission.contacted_at if permission else None
    place = enquiry.place_code
    words = {lang: spoken(lang, tells, reference=reference, contacted_at=contacted_at, place=place, message=message) for lang in LANGUAGES}
    return TellView(tells=list(tells), is_held_back=bool(permission and not tells), words=words)


def present_enquiries(session: Session, rows: Sequence[Enquiry], *, opener: Keyring | None) -> list[EnquiryView]:
    """Enquiries as lists show them; names only with an opener."""
    ids = [row.id for row in rows]
    calls, waiting = count_calls(session, ids), count_calls(session, ids, ~_told())
    views = []
    for row in rows:
        view = EnquiryView.model_validate(row)
        view.calls, view.waiting = calls.get(row.id, 0), waiting.get(row.id, 0)
        view.sought_name = name_of(row, opener)
        views.append(view)
    return views


def present_detail(session: Session, row: Enquiry, actor: Actor, *, opener: Keyring | None) -> EnquiryDetailView:
    """An enquiry with its calls, its history, what may be told, and (with an opener) names, numbers and who may be meant."""
    (view,) = present_enquiries(session, [row], opener=opener)
    calls = list_calls(session, row)
    back = _called_back(session, [call.id for call in calls])
    matches = find_matches(session, opener, actor, sought_of(row, calls, opener)) if opener else []
    about = opener.decrypt(row.about_enc, table="enquiry", column="about_enc", row=row.id) if opener and row.about_enc else None
    names = mission_names(session, [row.owner_mission]) if row.owner_mission else {}
    return EnquiryDetailView(
        **view.model_dump(),
        about=about,
        owner_name=names.get(row.owner_mission or ""),
        call_list=[_call_view(call, back.get(call.id), opener) for call in calls],
        history=[_entry_view(entry, opener) for entry in list_entries(session, row.id)],
        may_tell=present_telling(session, row, opener=opener),
        matches=matches,
    )


def sought_of(row: Enquiry, calls: Sequence[EnquiryCall], keyring: Keyring) -> Sought:
    """Who is sought, to be looked for."""
    caller = next((call.caller_phone_index for call in calls if call.caller_phone_index), None)
    numbers = (row.sought_phone_index, *(call.sought_phone_index for call in calls))
    number = next((each for each in numbers if each), None)
    name = name_of(row, keyring) or ""
    return Sought(row.incident_id, name, row.place_code, number, caller, but=row.id)


def name_of(row: Enquiry, opener: Keyring | None) -> str | None:
    """Whom the caller asked after, in clear; never to be logged."""
    return opener.decrypt(row.sought_name_enc, table="enquiry", column="sought_name_enc", row=row.id) if opener else None


def enquiry_counts(session: Session, incident_id: UUID, known_at: datetime | None = None) -> EnquiryCounts:
    """How many enquiries were not closed, how many calls had come, and how many callers waited, by then (default: now)."""
    by_call = [] if known_at is None else [EnquiryCall.at <= known_at]
    calls = select(EnquiryCall.id).join(Enquiry, Enquiry.id == EnquiryCall.enquiry_id).where(Enquiry.incident_id == incident_id, *by_call)
    waiting = calls.where(~_told(known_at))
    total, waits = (session.execute(select(func.count()).select_from(each.subquery())).scalar_one() for each in (calls, waiting))
    return EnquiryCounts(session.execute(_open_at(incident_id, known_at)).scalar_one(), total, waits)


def _open_at(incident_id: UUID, known_at: datetime | None) -> Select[Any]:
    """Enquiries whose last move by then did not close them, and which were not joined into another by then."""
    last = select(EnquiryEntry.to_state).where(EnquiryEntry.enquiry_id == Enquiry.id, EnquiryEntry.kind == EntryKind.MOVED)
    joins = (EntryKind.JOINED, EntryKind.SEPARATED)
    joined = select(EnquiryEntry.kind).where(EnquiryEntry.enquiry_id == Enquiry.id, EnquiryEntry.kind.in_(joins))
    query = select(func.count()).select_from(Enquiry).where(Enquiry.incident_id == incident_id)
    if known_at is not None:
        last, joined = last.where(EnquiryEntry.at <= known_at), joined.where(EnquiryEntry.at <= known_at)
        query = query.where(Enquiry.opened_at <= known_at)
    state = last.order_by(EnquiryEntry.id.desc()).limit(1).correlate(Enquiry).scalar_subquery()
    is_joined = joined.order_by(EnquiryEntry.id.desc()).limit(1).correlate(Enquiry).scalar_subquery()
    return query.where(state.is_distinct_from(EnquiryState.CLOSED), is_joined.is_distinct_from(EntryKind.JOINED))


def _told(known_at: datetime | None = None) -> ColumnElement[bool]:
    """The condition that somebody called this caller back."""
    told = aliased(EnquiryEntry)
    where = [told.call_id == EnquiryCall.id, told.kind == EntryKind.TOLD]
    if known_at is not None:
        where.append(told.at <= known_at)
    return exists().where(*where)


def _called_back(session: Session, call_ids: Sequence[UUID]) -> dict[UUID | None, datetime]:
    """When each of these callers was last called back."""
    told = (EnquiryEntry.call_id.in_(call_ids), EnquiryEntry.kind == EntryKind.TOLD)
    query = select(EnquiryEntry.call_id, func.max(EnquiryEntry.at)).where(*told).group_by(EnquiryEntry.call_id)
    return {row[0]: row[1] for row in session.execute(query)}


def _known(session: Session, enquiry: Enquiry) -> Known:
    """What else is known of whom staff recognised: the person's own record in the incident, and the citizen's answers."""
    persons = _persons_of(session, enquiry)
    citizen_ids = {each for each in (enquiry.citizen_id, *(person.citizen_id for person in persons)) if each is not None}
    states = [state for each in states_of(session, [person.id for person in persons]).values() for state in each.values()]
    said = [one for state in states for one in (state.stands, state.also_claimed) if one is not None]
    bad = [each.known_at for each in said if GRAVITY[each.axis][each.value] >= BAD.get(each.axis, 99)]
    answers = standings_at(enquiry.incident_id)
    calls = session.execute(
        select(answers.c.help_at).where(answers.c.citizen_id.in_(citizen_ids), answers.c.standing == Standing.NEED_HELP)
    )
    worse = [*bad, *calls.scalars()]
    return Known(any(each.value == "dead" for each in said), max(worse, default=None))


def _persons_of(session: Session, enquiry: Enquiry) -> list[Person]:
    """Records of whom staff recognised: here, and of the same citizen in every other event of the same kind.

    A death is often written down in a neighbour's incident; a family must not hear "safe" because it was asked for in this one.
    """
    meant = [Person.id == enquiry.person_id] if enquiry.person_id else []
    citizen_id = enquiry.citizen_id
    if citizen_id is None and enquiry.person_id is not None:
        citizen_id = session.scalar(select(Person.citizen_id).where(Person.id == enquiry.person_id))
    if citizen_id is not None:
        meant.append(Person.citizen_id == citizen_id)
    if not meant:
        return []
    this, other = aliased(Incident), aliased(Incident)
    is_alike = (other.status == this.status, other.is_replayed == this.is_replayed)
    alike = select(other.id).join(this, this.id == enquiry.incident_id).where(*is_alike)
    return list(session.scalars(select(Person).where(Person.incident_id.in_(alike), or_(*meant))))


def _call_view(row: EnquiryCall, called_back_at: datetime | None, opener: Keyring | None) -> CallView:
    names = set(CallView.model_fields) - {"called_back_at", *SEALED}
    clear: dict[str, str] = {}
    for name, column in SEALED.items():
        sealed = getattr(row, column)
        if sealed is not None and opener is not None:
            clear[name] = opener.decrypt(sealed, table="enquiry_call", column=column, row=row.id)
    return CallView(**{name: getattr(row, name) for name in names}, called_back_at=called_back_at, **clear)


def _entry_view(row: EnquiryEntry, opener: Keyring | None) -> EntryView:
    view = EntryView.model_validate(row)
    view.note = _note(row, opener)
    return view


def _note(row: EnquiryEntry, opener: Keyring | None) -> str | None:
    if row.note_enc is None or opener is None:
        return None
    return opener.decrypt(row.note_enc, table="enquiry_entry", column="note_enc", row=row.id)


def _found(row: Enquiry | None) -> Enquiry:
    if row is None:
        raise NotFoundError("enquiry_not_found", "There is no such enquiry.")
    return row
