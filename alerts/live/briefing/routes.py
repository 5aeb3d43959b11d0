"""HTTP of what is made from the sheet: the automatic draft, statements, answers to rumours."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.incidents.queries import get_incident, get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import IfMatch, View, check_if_match
from alerts.kit.idempotency import Idem
from alerts.live.briefing import actions
from alerts.live.schemas import Clause, Words
from alerts.settings import SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.rules import Permission
from alerts.statements.actions import draft_rumour
from alerts.statements.queries import claim_statement, present_rumour, present_statement, statement_etag
from alerts.statements.schemas import RumourIn, RumourView, StatementIn, StatementView

router = APIRouter(tags=["statements"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_STATEMENT))]
Publisher = Annotated[Actor, Depends(require_session_actor(Permission.PUBLISH_STATEMENT))]
PATH = "/api/v1/public-statements/{public_statement_id}"


class BriefView(View):
    """The automatic draft: all that may be said now, and which of it is said without choosing."""

    heading: Words
    clauses: list[Clause]
    chosen: list[str]
    text: Words
    sheet_version: int | None


@router.get("/api/v1/incidents/{incident_id}/brief", operation_id="get_brief")
def get_brief(incident_id: UUID, actor: Viewer, session: Tx) -> BriefView:
    """The draft that exists from the first sheet on: clauses with the figures that they read, appeal and next update."""
    incident = get_incident(session, incident_id, actor)
    sheet = actions.sheet_now(session, incident)
    brief = actions.brief_now(session, incident, sheet)
    said = [clause.text for clause in brief.clauses if clause.key in brief.chosen]
    text = Words(id=" ".join(each.id for each in said), en=" ".join(each.en for each in said))
    return BriefView(heading=brief.heading, clauses=brief.clauses, chosen=brief.chosen, text=text, sheet_version=sheet.version)


@router.post("/api/v1/incidents/{incident_id}/statements", status_code=201, response_model=StatementView, operation_id="draft_statement")
def post_statement(incident_id: UUID, body: StatementIn, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Keep a draft: chosen clauses, typed words without a number of their own, hotlines."""
    idem.start(actor.key)
    row = actions.draft(session, actor=actor, incident=get_open_incident(session, incident_id, actor), command=body)
    view = present_statement(session, row, settings.public_url)
    return idem.answer(201, view, {"Location": f"/api/v1/public-statements/{row.id}", "ETag": statement_etag(row)})


@router.patch(PATH, operation_id="edit_statement")
def patch_statement(
    public_statement_id: UUID,
    body: StatementIn,
    actor: Writer,
    session: Tx,
    settings: SettingsDep,
    response: Response,
    if_match: IfMatch = None,
) -> StatementView:
    """Write the draft anew, from the sheet of now."""
    row = claim_statement(session, public_statement_id, actor)
    check_if_match(if_match, statement_etag(row), current=present_statement(session, row, settings.public_url))
    row = actions.edit(session, actor=actor, row=row, command=body)
    response.headers["ETag"] = statement_etag(row)
    return present_statement(session, row, settings.public_url)


@router.post(f"{PATH}/publish", response_model=StatementView, operation_id="publish_statement")
def post_publish(public_statement_id: UUID, actor: Publisher, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Publish it: text, figures and this name are frozen. 409 when a figure is another by now, or another hand is needed."""
    idem.start(actor.key)
    row = actions.publish(session, actor=actor, statement_id=public_statement_id)
    return idem.answer(200, present_statement(session, row, settings.public_url), {"ETag": statement_etag(row)})


@router.post("/api/v1/incidents/{incident_id}/rumours", status_code=201, response_model=RumourView, operation_id="draft_rumour")
def post_rumour(incident_id: UUID, body: RumourIn, actor: Writer, session: Tx, idem: Idem) -> Response:
    """Answer a claim that goes round: BENAR or TIDAK BENAR, with the reason. Somebody else publishes it."""
    idem.start(actor.key)
    row = draft_rumour(session, actor=actor, incident=get_incident(session, incident_id, actor), command=body)
    return idem.answer(201, present_rumour(row), {"Location": f"/api/v1/incidents/{incident_id}/rumours"})


@router.post("/api/v1/rumours/{rumour_id}/publish", response_model=RumourView, operation_id="publish_rumour")
def post_rumour_publish(rumour_id: UUID, actor: Publisher, session: Tx, idem: Idem) -> Response:
    """Put an answer on the public page under this name. 409 for whoever wrote it, or when another replaced the same before."""
    idem.start(actor.key)
    return idem.answer(200, present_rumour(actions.publish_rumour(session, actor=actor, rumour_id=rumour_id)))
