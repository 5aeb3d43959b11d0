"""Named reads of calls for help. Another mission's case does not exist for a mission's staff."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from alerts.checkins.cases.models import HelpCase, HelpCaseEntry
from alerts.checkins.cases.rules import CURRENT, CaseState, Owner, choose_owner
from alerts.checkins.cases.schemas import CaseDetailView, CaseView, EntryView
from alerts.checkins.cases.words import acknowledge
from alerts.citizens.models import Phone
from alerts.citizens.queries import names_of, open_e164
from alerts.incidents.queries import parts_query
from alerts.incidents.rules import Status, is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import array_of
from alerts.kit.errors import NotFoundError
from alerts.kit.http import Paging
from alerts.kit.i18n import LANGUAGES, Translator, translator
from alerts.missions.queries import mission_names, read_network
from alerts.missions.rules import Network, Responsibility, find_working, responsibilities


def get_case(session: Session, case_id: UUID, actor: Actor) -> HelpCase:
    """The case; 404 when there is none, or it is another mission's."""
    return _found(session.scalars(select(HelpCase).where(HelpCase.id == case_id, visible_to(actor))).one_or_none())


def claim_case(session: Session, case_id: UUID, actor: Actor | None = None) -> HelpCase:
    """The case, locked for change."""
    query = select(HelpCase).where(HelpCase.id == case_id).with_for_update()
    if actor is not None:
        query = query.where(visible_to(actor))
    return _found(session.scalars(query.execution_options(populate_existing=True)).one_or_none())


def claim_current_case(
    session: Session, *, incident_id: UUID | None, citizen_id: UUID | None, sender_index: bytes | None = None
) -> HelpCase | None:
    """The case that is still open for whoever asks, locked, or None; nobody else raises one until the transaction ends."""
    who = citizen_id or (sender_index or b"").hex()
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"case:{incident_id}:{who}", 0))))
    mine = HelpCase.citizen_id == citizen_id if citizen_id else (HelpCase.citizen_id.is_(None)) & (HelpCase.sender_index == sender_index)
    query = select(HelpCase).where(mine, HelpCase.incident_id.is_not_distinct_from(incident_id), HelpCase.state.in_(CURRENT))
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


def find_current_case(session: Session, incident_id: UUID, citizen_id: UUID) -> HelpCase | None:
    """The case that is still open for this person in this incident."""
    query = select(HelpCase).where(HelpCase.citizen_id == citizen_id, HelpCase.incident_id == incident_id, HelpCase.state.in_(CURRENT))
    return session.scalars(query).one_or_none()


def find_told(session: Session, t: Translator, *, incident_id: UUID, citizen_id: UUID) -> str | None:
    """What whoever asks may be told of their call for help now (`words.acknowledge`); None when none is open."""
    row = find_current_case(session, incident_id, citizen_id)
    if row is None:
        return None
    return acknowledge(t, row, mission_names(session, [row.owner_mission]).get(row.owner_mission) if row.owner_mission else None)


def list_cases(
    session: Session,
    actor: Actor,
    page: Paging,
    *,
    incident_id: UUID | None = None,
    states: Sequence[CaseState] = tuple(CURRENT),
    status: Status | None = None,
) -> list[HelpCase]:
    """Up to `limit + 1` cases that the actor may see; whoever has waited longest comes first."""
    query = select(HelpCase).where(visible_to(actor), HelpCase.state.in_(states))
    if page.cursor is not None:
        query = query.where(HelpCase.id > page.cursor)
    if incident_id is not None:
        query = query.where(HelpCase.incident_id == incident_id)
    if status is not None:
        query = query.where(HelpCase.status == status)
    return list(session.scalars(query.order_by(HelpCase.id).limit(page.limit + 1)))


def list_entries(session: Session, case_id: UUID) -> list[HelpCaseEntry]:
    """What happened to the case, oldest first."""
    return list(session.scalars(select(HelpCaseEntry).where(HelpCaseEntry.case_id == case_id).order_by(HelpCaseEntry.id)))


def find_owner(session: Session, *, incident_id: UUID | None, citizen_id: UUID | None) -> Owner:
    """Which mission answers for this person's place in this incident now (`rules.choose_owner`); a failed one is covered."""
    return find_owners(session, [(incident_id, citizen_id)])[0]


def find_owners(session: Session, people: Sequence[tuple[UUID | None, UUID | None]]) -> list[Owner]:
    """`find_owner` for several (incident, citizen), in their order."""
    places = _places_of(session, {citizen for _, citizen in people if citizen is not None})
    return _owners_of_places(session, [(incident, places.get(citizen) if citizen else None) for incident, citizen in people])


def find_owner_of_place(session: Session, *, incident_id: UUID | None, place: str | None) -> Owner:
    """`find_owner`, for a place that somebody names; None where nobody knows it."""
    return _owners_of_places(session, [(incident_id, place)])[0]


def present_cases(rows: Sequence[HelpCase]) -> list[CaseView]:
    """The cases as a list shows them."""
    return [CaseView.model_validate(row) for row in rows]


def present_detail(session: Session, row: HelpCase, keyring: Keyring | None) -> CaseDetailView:
    """The case with its history and what is told to whoever asked; names, numbers and notes only with a keyring."""
    view = CaseView.model_validate(row)
    entries = [_entry_view(entry, keyring) for entry in list_entries(session, row.id)]
    mission = mission_names(session, [row.owner_mission]).get(row.owner_mission) if row.owner_mission else None
    words = {lang: acknowledge(translator(lang), row, mission) for lang in LANGUAGES}
    detail = CaseDetailView(**view.model_dump(), history=entries, owner_name=mission, acknowledgement=words)
    if keyring is not None:
        detail.name = names_of(session, keyring, [row.citizen_id]).get(row.citizen_id) if row.citizen_id else None
        detail.numbers = _numbers(session, row, keyring)
    return detail


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition under which this actor may know of a case: staff of a mission, of those that it owns."""
    if not is_bound_to_mission(actor):
        return HelpCase.id.is_not(None)
    return HelpCase.owner_mission == (actor.mission_code or "")


def _owners_of_places(session: Session, asked: Sequence[tuple[UUID | None, str | None]]) -> list[Owner]:
    network = read_network(session)
    parts = _parts_of_incidents(session, network, {incident for incident, _ in asked if incident is not None})
    return [
        choose_owner(responsibilities(network, place) if place else [], parts[incident] if incident else []) for incident, place in asked
    ]


def _places_of(session: Session, citizen_ids: Collection[UUID]) -> dict[UUID, str]:
    return {row.id: row.place for row in session.execute(PLACES, {"ids": array_of(citizen_ids)})}


def _parts_of_incidents(session: Session, network: Network, incident_ids: Collection[UUID]) -> dict[UUID, list[Responsibility]]:
    """The missions of each incident, each replaced by whoever covers it now."""
    parts: dict[UUID, list[Responsibility]] = {incident_id: [] for incident_id in incident_ids}
    for row in session.connection().execute(parts_query(incident_ids)) if incident_ids else ():
        code = find_working(network, row.mission_code)
        if code is not None and row.places:
            parts[row.incident_id].append(Responsibility(code, row.places[0][:2], row.basis, row.is_assumed, row.part))
    return parts


def _entry_view(row: HelpCaseEntry, keyring: Keyring | None) -> EntryView:
    view = EntryView.model_validate(row)
    if row.note_enc is not None and keyring is not None:
        view.note = keyring.decrypt(row.note_enc, table="help_case_entry", column="note_enc", row=row.id)
    return view


def _numbers(session: Session, row: HelpCase, keyring: Keyring) -> list[str]:
    if row.citizen_id is None:
        sealed = row.sender_enc
        return [keyring.decrypt(sealed, table="help_case", column="sender_enc", row=row.id)] if sealed else []
    query = select(Phone.id, Phone.e164_enc).where(Phone.citizen_id == row.citizen_id, Phone.retired_at.is_(None), Phone.is_valid)
    return [open_e164(keyring, phone.id, phone.e164_enc) for phone in session.execute(query.order_by(Phone.position))]


def _found(row: HelpCase | None) -> HelpCase:
    if row is None:
        raise NotFoundError("case_not_found", "There is no such call for help.")
    return row


PLACES = text("SELECT id, coalesce(province_code, country_iso2) AS place FROM citizen WHERE id = ANY (CAST(:ids AS uuid[]))")
