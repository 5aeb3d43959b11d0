"""HTTP of families' enquiries: for the mission that has them, and for the ministry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from alerts.families import actions, queries
from alerts.families.matching import find_matches
from alerts.families.models import Enquiry
from alerts.families.rules import EnquiryState
from alerts.families.schemas import (
    CallBackIn,
    EnquiryAssign,
    EnquiryDetailView,
    EnquiryIn,
    EnquiryJoin,
    EnquiryMove,
    EnquiryNote,
    EnquiryView,
    LoggedView,
    PermissionIn,
    Recognition,
)
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, etag_of, page_of
from alerts.kit.idempotency import Idem
from alerts.people.queries import opener_for
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["families"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Clerk = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
OPEN = (EnquiryState.OPEN, EnquiryState.IN_HAND)


@router.post("/incidents/{incident_id}/enquiries", status_code=201, response_model=LoggedView, operation_id="log_enquiry")
def post_enquiry(incident_id: UUID, body: EnquiryIn, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Log a family's call: it makes an enquiry or joins one, and says the caller's reference and what to say. Nobody becomes missing.

    The answer names nobody, since it is kept to be replayed; read the enquiry for names.
    """
    idem.start(actor.key)
    logged = actions.log_call(session, actor=actor, keyring=keyring, incident_id=incident_id, command=body)
    enquiry = logged.enquiry
    sought = queries.sought_of(enquiry, [logged.call], keyring)
    matches = [each.model_copy(update={"name": None}) for each in find_matches(session, keyring, actor, sought)]
    (view,) = queries.present_enquiries(session, [enquiry], opener=None)
    say = queries.present_telling(session, enquiry, opener=None, reference=logged.call.reference)
    answer = LoggedView(reference=logged.call.reference, enquiry=view, is_joined=logged.is_joined, say=say.words, matches=matches)
    return idem.answer(201, answer, {"Location": f"/api/v1/enquiries/{enquiry.id}"})


@router.get("/incidents/{incident_id}/enquiries", operation_id="list_enquiries")
def get_enquiries(
    incident_id: UUID,
    actor: Viewer,
    session: Tx,
    keyring: KeyringDep,
    page: PagingDep,
    state: Annotated[list[EnquiryState] | None, Query(description="those not closed, when left out")] = None,
    reference: Annotated[str | None, Query(max_length=20, description="a caller's reference")] = None,
) -> Page[EnquiryView]:
    """Enquiries, newest first. Staff of a mission see those that their mission has."""
    get_incident(session, incident_id, actor)
    rows = queries.list_enquiries(session, actor, page, incident_id=incident_id, states=state or OPEN, reference=reference)
    views = queries.present_enquiries(session, rows, opener=opener_for(actor, keyring))
    return page_of(views, [row.id for row in rows], page.limit)


@router.get("/enquiries/{enquiry_id}", response_model=EnquiryDetailView, operation_id="get_enquiry")
def get_enquiry(enquiry_id: UUID, actor: Viewer, session: Tx, keyring: KeyringDep) -> EnquiryDetailView:
    """One enquiry: its calls, history, what may be told, and who may be meant as of now. 404 when it is another mission's."""
    row = queries.get_enquiry(session, enquiry_id, actor)
    return queries.present_detail(session, row, actor, opener=opener_for(actor, keyring))


@router.post("/enquiries/{enquiry_id}/move", response_model=EnquiryDetailView, operation_id="move_enquiry")
def post_move(enquiry_id: UUID, body: EnquiryMove, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Take it on, put it back, or close it."""
    idem.start(actor.key)
    row = actions.move_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, command=body)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/notes", response_model=EnquiryDetailView, operation_id="note_enquiry")
def post_note(enquiry_id: UUID, body: EnquiryNote, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Add words for the colleagues."""
    idem.start(actor.key)
    row = actions.note_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, note=body.note)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/assign", response_model=EnquiryDetailView, operation_id="assign_enquiry")
def post_assign(enquiry_id: UUID, body: EnquiryAssign, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Give it to another mission, or to the ministry; by the ministry only."""
    idem.start(actor.key)
    row = actions.assign_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, mission_code=body.mission_code)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/join", response_model=EnquiryDetailView, operation_id="join_enquiry")
def post_join(enquiry_id: UUID, body: EnquiryJoin, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """This enquiry is about the same person as another, which has the case from now on; that one is the answer."""
    idem.start(actor.key)
    row = actions.join_enquiries(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, into=body.into)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/separate", response_model=EnquiryDetailView, operation_id="separate_enquiry")
def post_separation(enquiry_id: UUID, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """It was about somebody else after all."""
    idem.start(actor.key)
    return _answer(session, idem, actor, actions.separate_enquiry(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id))


@router.post("/enquiries/{enquiry_id}/recognise", response_model=EnquiryDetailView, operation_id="recognise_sought")
def post_recognition(enquiry_id: UUID, body: Recognition, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Say who the person sought is. Says nothing of how they are."""
    idem.start(actor.key)
    row = actions.recognise(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, command=body)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/permission", response_model=EnquiryDetailView, operation_id="permit_telling")
def post_permission(enquiry_id: UUID, body: PermissionIn, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """What the person sought allowed us to tell those who ask; an empty list takes it back."""
    idem.start(actor.key)
    row = actions.permit(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, command=body)
    return _answer(session, idem, actor, row)


@router.post("/enquiries/{enquiry_id}/calls/{call_id}/told", response_model=EnquiryDetailView, operation_id="tell_caller")
def post_told(enquiry_id: UUID, call_id: UUID, body: CallBackIn, actor: Clerk, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """This caller was called back and told what may be told. 409 when something else may be told by now."""
    idem.start(actor.key)
    row = actions.record_call_back(session, actor=actor, keyring=keyring, enquiry_id=enquiry_id, call_id=call_id, command=body)
    return _answer(session, idem, actor, row)


def _answer(session: Tx, idem: Idem, actor: Actor, row: Enquiry) -> Response:
    # Kept for seven days to be replayed, so without names, numbers and notes.
    return idem.answer(200, queries.present_detail(session, row, actor, opener=None), {"ETag": etag_of("enquiry", row.id, row.version)})
