"""What the carrier reports of replies."""

from __future__ import annotations

from fastapi import APIRouter, Response

from alerts.channels.answers import reported_state
from alerts.channels.webhook import REFUSALS, TwilioForm, form_of
from alerts.inbox.replies.actions import note_receipt
from alerts.inbox.replies.models import CitizenReply
from alerts.inbox.replies.sending import HOOK, parse_attempt
from alerts.incidents.rules import Status
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, InvalidError, NotFoundError
from alerts.kit.ids import attempt_of_callback
from alerts.settings import SettingsDep

router = APIRouter(tags=["inbox"])


@router.post(
    HOOK + "/{attempt}",
    status_code=204,
    operation_id="receive_reply_receipt",
    responses=REFUSALS,
    openapi_extra=form_of("MessageSid", "MessageStatus", "ErrorCode"),
)
def post_status(attempt: str, signed: TwilioForm, session: Tx, settings: SettingsDep) -> Response:
    """A receipt of a reply: signed by the carrier, and by us in its address. Any order, any number of times."""
    name = attempt_of_callback(settings.keyring.callback, attempt)
    found = parse_attempt(name) if name else None
    if found is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    reply, form = session.get(CitizenReply, found[0]), signed.form
    if reply is not None and (reply.status is Status.EXERCISE) is not signed.is_exercise:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    raw, provider_id = str(form.get("MessageStatus") or form.get("SmsStatus") or "")[:40], str(form.get("MessageSid") or "")[:64]
    if not raw or "\x00" in raw or "\x00" in provider_id:
        raise InvalidError("status_missing", "MessageStatus is missing", field="MessageStatus")
    reported = reported_state("twilio", raw)
    if not note_receipt(session, reply_id=found[0], number=found[1], reported=reported, provider_id=provider_id or None):
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)
