"""HTTP of shifts: handovers, taking an incident over, merging it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.incidents.merging import take_over
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident, incident_etag, present_incident
from alerts.incidents.schemas import IncidentView, MergeInto, TakeOver
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, page_of
from alerts.kit.idempotency import Idem
from alerts.live.shifts import actions, queries
from alerts.live.shifts.schemas import HandoverIn, HandoverView
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/incidents/{incident_id}", tags=["incidents"])
Leader = Annotated[Actor, Depends(require(Permission.EDIT_INCIDENT))]
Reader = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]


@router.post("/take-over", response_model=IncidentView, operation_id="take_over_incident")
def post_take_over(incident_id: UUID, body: TakeOver, actor: Leader, session: Tx, idem: Idem) -> Response:
    """Lead this incident from now on: whoever is paged because a mission opened it is paged no further."""
    idem.start(actor.key)
    return _answer(session, idem, take_over(session, actor=actor, incident_id=incident_id, reason=body.reason))


@router.post("/merge", response_model=IncidentView, operation_id="merge_incident")
def post_merge(incident_id: UUID, body: MergeInto, actor: Leader, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Close this incident into another that is the same; the answer is the other. Its reports count there from now on.

    409 while messages, answers, persons or calls for help hang on it: those stay with the incident that they belong to.
    """
    idem.start(actor.key)
    due = timedelta(seconds=settings.live.report_due_seconds)
    target = actions.merge(session, actor=actor, incident_id=incident_id, into=body.into, reason=body.reason, report_due=due)
    return _answer(session, idem, target)


@router.post("/handovers", status_code=201, response_model=HandoverView, operation_id="sign_handover")
def post_handover(incident_id: UUID, body: HandoverIn, actor: Leader, session: Tx, idem: Idem) -> Response:
    """Sign your shift over to somebody of the ministry. It cannot be changed."""
    idem.start(actor.key)
    incident = get_incident(session, incident_id, actor)
    row = actions.hand_over(session, actor=actor, incident=incident, command=body)
    return idem.answer(201, HandoverView.model_validate(row))


@router.get("/handovers", operation_id="list_handovers")
def get_handovers(incident_id: UUID, actor: Reader, session: Tx, page: PagingDep) -> Page[HandoverView]:
    """Handovers of this incident's shifts, newest first."""
    get_incident(session, incident_id, actor)
    rows = queries.list_handovers(session, incident_id, page)
    return page_of([HandoverView.model_validate(row) for row in rows], [row.id for row in rows], page.limit)


def _answer(session: Tx, idem: Idem, incident: Incident) -> Response:
    return idem.answer(200, present_incident(session, incident), {"ETag": incident_etag(incident)})
