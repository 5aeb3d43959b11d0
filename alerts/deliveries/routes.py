"""HTTP of deliveries: reach, correction, and the carrier's receipts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from alerts.broadcasts.queries import get_broadcast, present
from alerts.broadcasts.schemas import BroadcastView, Correction
from alerts.channels.twilio_sms import WebhookCheck
from alerts.deliveries import actions, queries
from alerts.deliveries.evidence import record_receipt
from alerts.deliveries.schemas import ReachGroup, ReachView
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, InvalidError, NotFoundError, TooLargeError
from alerts.kit.http import is_unchanged, etag_of
from alerts.kit.idempotency import Idem
from alerts.kit.ids import attempt_of_callback
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["deliveries"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]


@router.get("/api/v1/broadcasts/{broadcast_id}/reach", response_model=ReachView, operation_id="get_reach")
def get_reach(
    broadcast_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx
) -> ReachView | Response:
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


@router.post(
    "/api/v1/broadcasts/{broadcast_id}/correct", status_code=201, response_model=BroadcastView, operation_id="correct_broadcast"
)
def post_correct(
    broadcast_id: UUID, body: Correction, actor: Corrector, session: Tx, settings: SettingsDep, idem: Idem
) -> Response:
    """A new message (CAP Update or Cancel, with `references`) to exactly those who were handed this one; it waits for approval."""
    idem.start(actor.key)
    correction = actions.correct_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=body)
    view = present(session, correction, settings.public_url)
    return idem.answer(201, view, {"ETag": view.etag})


async def carrier_form(request: Request, settings: SettingsDep) -> FormData:
    """The form of a carrier's call, if the carrier signed it. 413 above 64 KB, 403 otherwise."""
    if len(await request.body()) > settings.web.hook_body_bytes:
        raise TooLargeError("hook_too_large", f"at most {settings.web.hook_body_bytes} bytes")
    form = await request.form()
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    signature = request.headers.get("X-Twilio-Signature")
    senders = (settings.twilio.auth_token, settings.twilio.auth_token_previous, settings.exercise.twilio_auth_token)
    check = WebhookCheck(settings.public_url, [secret.get_secret_value() for secret in senders])
    if not check.is_genuine(path, form, signature):
        raise ForbiddenError("bad_signature", "this was not signed by the carrier", field="header.X-Twilio-Signature")
    return form


CarrierForm = Annotated[FormData, Depends(carrier_form)]


@router.post("/hooks/twilio/status/{attempt}", status_code=204, operation_id="receive_receipt")
def post_status(attempt: str, form: CarrierForm, session: Tx, settings: SettingsDep) -> Response:
    """A receipt for one attempt: signed by the carrier, and by us in its address. Any order, any number of times."""
    attempt_id = attempt_of_callback(settings.keyring.callback, attempt)
    if attempt_id is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    raw_status = str(form.get("MessageStatus") or form.get("SmsStatus") or "")
    if not raw_status or "\x00" in raw_status:
        raise InvalidError("status_missing", "MessageStatus is missing", field="MessageStatus")
    found = record_receipt(
        session,
        attempt_id=UUID(attempt_id),
        raw_status=raw_status[:40],
        provider_id=str(form.get("MessageSid") or form.get("SmsSid") or "")[:64] or None,
        error_code=str(form.get("ErrorCode") or "")[:16] or None,
    )
    if not found:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)
