"""HTTP of deliveries: reach, correction, and the carrier's receipts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from alerts.broadcasts.queries import get_broadcast, present
from alerts.broadcasts.schemas import BroadcastView, Correction
from alerts.channels.webhook import REFUSALS, TwilioForm, form_of
from alerts.deliveries import actions, queries
from alerts.deliveries.receipts import ReceiptDoor, read_receipt
from alerts.deliveries.schemas import ReachGroup, ReachView
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import NotFoundError
from alerts.kit.http import etag_of, is_unchanged
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["deliveries"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]


@router.get("/api/v1/broadcasts/{broadcast_id}/reach", response_model=ReachView, operation_id="get_reach")
def get_reach(broadcast_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx) -> ReachView | Response:
    """Who was reached, in counts that sum to the frozen list."""
    get_broadcast(session, broadcast_id, actor)
    reach = queries.reach_of_broadcast(session, broadcast_id)
    groups = [ReachGroup.model_validate(row) for row in queries.reach_by_group(session, broadcast_id)]
    view = ReachView(broadcast_id=broadcast_id, groups=groups, **asdict(reach))
    etag = etag_of(view.model_dump_json())
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return view


@router.post("/api/v1/broadcasts/{broadcast_id}/correct", status_code=201, response_model=BroadcastView, operation_id="correct_broadcast")
def post_correct(broadcast_id: UUID, body: Correction, actor: Corrector, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """A new message (CAP Update or Cancel, with `references`) to exactly those who were handed this one; it waits for approval."""
    idem.start(actor.key)
    correction = actions.correct_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=body)
    view = present(session, correction, settings.public_url)
    return idem.answer(201, view, {"ETag": view.etag})


@router.post(
    "/hooks/twilio/status/{attempt}",
    status_code=204,
    operation_id="receive_receipt",
    responses=REFUSALS,
    openapi_extra=form_of("MessageSid", "MessageStatus", "ErrorCode"),
)
async def post_status(attempt: str, form: TwilioForm, settings: SettingsDep, door: ReceiptDoor) -> Response:
    """A receipt for one attempt: signed by the carrier, and by us in its address. Any order, any number of times."""
    receipt = read_receipt(
        settings.keyring.callback,
        attempt,
        source="twilio",
        raw_status=str(form.get("MessageStatus") or form.get("SmsStatus") or ""),
        provider_id=str(form.get("MessageSid") or form.get("SmsSid") or ""),
        error_code=str(form.get("ErrorCode") or ""),
    )
    if not await door.add(receipt):
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)
