"""HTTP of one-time code lists."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import NotFoundError
from alerts.kit.idempotency import Idem
from alerts.missions.queries import get_mission
from alerts.reports.code_lists import actions, queries
from alerts.reports.code_lists.presenting import present_codes, present_list
from alerts.reports.code_lists.schemas import CodeListIn, CodeListRevoke, CodeListView, IssuedCodeListView
from alerts.settings import KeyringDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/missions/{code}/report-codes", tags=["reports"])
Reader = Annotated[Actor, Depends(require(Permission.VIEW_MISSIONS))]
Keeper = Annotated[Actor, Depends(require(Permission.MANAGE_REPORT_CODES))]
Printer = Annotated[Actor, Depends(require_session_actor(Permission.MANAGE_REPORT_CODES))]
Code = Annotated[str, Path(max_length=60, pattern="^[a-z0-9-]+$")]


@router.get("", operation_id="list_report_codes")
def get_lists(code: Code, actor: Reader, session: Tx) -> list[CodeListView]:
    """The mission's lists of one-time codes, newest first, with what became of each code that was used; never a code."""
    check_own(actor, code)
    get_mission(session, code)
    return [present_list(session, each) for each in queries.list_code_lists(session, code)]


@router.post("", status_code=201, operation_id="issue_report_codes")
def post_list(code: Code, body: CodeListIn, actor: Printer, session: Tx, keyring: KeyringDep, response: Response) -> IssuedCodeListView:
    """Make a list, to be printed, sealed and given to the mission. By a person who is signed in: the codes are in this answer alone.

    So it takes no Idempotency-Key, like signing in: a stored answer would keep the codes. Whoever lost the answer takes the
    list back and makes another one.
    """
    issued = actions.issue_code_list(session, actor=actor, keyring=keyring, mission_code=code, size=body.size)
    view = present_list(session, queries.CodeListCount(issued.row, issued.row.size))
    response.headers["Cache-Control"] = "no-store"
    return IssuedCodeListView(**view.model_dump(), codes=present_codes(issued))


@router.post("/{list_id}/revoke", response_model=CodeListView, operation_id="revoke_report_codes")
def post_revoke(code: Code, list_id: UUID, body: CodeListRevoke, actor: Keeper, session: Tx, idem: Idem) -> Response:
    """Take a list back: from now on none of its codes is worth anything."""
    idem.start(actor.key)
    actions.revoke_code_list(session, actor=actor, mission_code=code, list_id=list_id, reason=body.reason)
    lists = {each.row.id: each for each in queries.list_code_lists(session, code)}
    return idem.answer(200, present_list(session, lists[list_id]))


def check_own(actor: Actor, code: str) -> None:
    """Another mission's lists do not exist for staff of a mission."""
    if is_bound_to_mission(actor) and actor.mission_code != code:
        raise NotFoundError("mission_not_found", "There is no such mission.")
