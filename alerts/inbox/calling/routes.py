"""HTTP of the call list: whom to call, opening a row, how the call ended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from alerts.deliveries.call_list import actions, queries
from alerts.deliveries.call_list.models import CallRow
from alerts.deliveries.call_list.schemas import CallList, OpenCallView
from alerts.inbox.calling.actions import end_call
from alerts.inbox.calling.schemas import CallEnd
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import LIMIT_DEFAULT, LIMIT_MAX
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1", tags=["call list"])
Caller = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
MemberId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/incidents/{incident_id}/call-list", operation_id="list_calls")
def get_calls(
    incident_id: UUID,
    actor: Caller,
    session: Tx,
    settings: SettingsDep,
    mission: Annotated[str | None, Query(max_length=60, description="the ministry chooses; a mission sees its own people")] = None,
    broadcast_id: Annotated[UUID | None, Query(description="by one message; else by the newest to each person")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> CallList:
    """Whom no message reached, in the order in which to call. Without names and numbers: open a row for those."""
    get_incident(session, incident_id, actor)
    code = actor.mission_code or "" if is_bound_to_mission(actor) else mission
    after = settings.calls.after_seconds
    return queries.list_calls(session, incident_id, mission_code=code, broadcast_id=broadcast_id, after_seconds=after, limit=limit)


@router.post("/call-list/{member_id}/open", response_model=OpenCallView, operation_id="open_call")
def post_open(member_id: MemberId, actor: Caller, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Take this row: nobody else calls the person meanwhile. Read it to see the name and the numbers."""
    idem.start(actor.key)
    lease = settings.calls.lease_seconds
    row = actions.open_row(session, actor=actor, member_id=member_id, lease_seconds=lease)
    return _answer(session, idem, actor, row)


@router.get("/call-list/{member_id}", operation_id="get_call", responses={409: {"description": "the row is not open, or another has it"}})
def get_call(member_id: MemberId, actor: Caller, session: Tx, keyring: KeyringDep) -> OpenCallView:
    """The row that the caller has open, with name and numbers; 409 when it is not open, or another's."""
    row = actions.get_mine(session, actor=actor, member_id=member_id)
    member, _ = queries.get_member(session, member_id, actor)
    return queries.present_open(session, row, member, keyring)


@router.post("/call-list/{member_id}/release", response_model=OpenCallView, operation_id="release_call")
def post_release(member_id: MemberId, actor: Caller, session: Tx, idem: Idem) -> Response:
    """Give the row back without a call."""
    idem.start(actor.key)
    return _answer(session, idem, actor, actions.release_row(session, actor=actor, member_id=member_id))


@router.post("/call-list/{member_id}/outcome", response_model=OpenCallView, operation_id="end_call")
def post_outcome(
    member_id: MemberId, body: CallEnd, actor: Caller, session: Tx, settings: SettingsDep, keyring: KeyringDep, idem: Idem
) -> Response:
    """Say how the call ended. *Reached* is a check-in with contact made."""
    idem.start(actor.key)
    again = settings.calls.again_seconds
    row = end_call(session, actor=actor, keyring=keyring, member_id=member_id, command=body, again_seconds=again)
    return _answer(session, idem, actor, row)


def _answer(session: Tx, idem: Idem, actor: Actor, row: CallRow) -> Response:
    member, _ = queries.get_member(session, row.member_id, actor)
    # Kept for seven days to be replayed, so without name and numbers.
    return idem.answer(200, queries.present_open(session, row, member, None))
