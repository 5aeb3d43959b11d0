"""HTTP of calls for help: for the mission that owns them, and for the ministry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.checkins.cases import actions, queries
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CURRENT, CaseState
from alerts.checkins.cases.schemas import CaseAssign, CaseDetailView, CaseMove, CaseNote, CaseView
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, etag_of, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/cases", tags=["calls for help"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Helper = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]


@router.get("", operation_id="list_cases")
def get_cases(
    actor: Viewer,
    session: Tx,
    page: PagingDep,
    incident_id: Annotated[UUID | None, Query()] = None,
    state: Annotated[list[CaseState] | None, Query(description="those not closed, when left out")] = None,
    status: Annotated[Status | None, Query()] = None,
) -> Page[CaseView]:
    """Calls for help by age: whoever has waited longest first. Staff of a mission see those that their mission owns."""
    rows = queries.list_cases(session, actor, page, incident_id=incident_id, states=state or tuple(CURRENT), status=status)
    return page_of(queries.present_cases(rows), [row.id for row in rows], page.limit)


@router.get("/{case_id}", response_model=CaseDetailView, responses={304: {"description": "unchanged"}}, operation_id="get_case")
def get_case(case_id: UUID, actor: Viewer, session: Tx, keyring: KeyringDep, request: Request, response: Response) -> object:
    """One call for help with its history, who asks and how to reach them; 404 when it is another mission's."""
    row = queries.get_case(session, case_id, actor)
    etag = etag_of("case", row.id, row.version)
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return queries.present_detail(session, row, keyring)


@router.post("/{case_id}/move", response_model=CaseDetailView, operation_id="move_case")
def post_move(case_id: UUID, body: CaseMove, actor: Helper, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Acknowledge it, say that help is being given, or close it with the contact that was made."""
    idem.start(actor.key)
    return _answer(session, idem, actions.move_case(session, actor=actor, keyring=keyring, case_id=case_id, command=body))


@router.post("/{case_id}/notes", response_model=CaseDetailView, operation_id="note_case")
def post_note(case_id: UUID, body: CaseNote, actor: Helper, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Add words for the colleagues."""
    idem.start(actor.key)
    return _answer(session, idem, actions.note_case(session, actor=actor, keyring=keyring, case_id=case_id, note=body.note))


@router.post("/{case_id}/assign", response_model=CaseDetailView, operation_id="assign_case")
def post_assign(case_id: UUID, body: CaseAssign, actor: Helper, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Give it to another mission, or to the ministry; by the ministry only."""
    idem.start(actor.key)
    row = actions.assign_case(session, actor=actor, keyring=keyring, case_id=case_id, mission_code=body.mission_code)
    return _answer(session, idem, row)


def _answer(session: Tx, idem: Idem, row: HelpCase) -> Response:
    # Kept for seven days to be replayed, so without names, numbers and notes.
    return idem.answer(200, queries.present_detail(session, row, None), {"ETag": etag_of("case", row.id, row.version)})
