"""What carriers report of messages to staff: receipts, and the key that was pressed in a call."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from alerts.channels.answers import reported_state
from alerts.channels.voice_words import say_twiml
from alerts.channels.webhook import REFUSALS, TwilioForm, form_of
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, InvalidError, NotFoundError
from alerts.kit.ids import attempt_of_callback
from alerts.notices.actions import acknowledge_by_call
from alerts.notices.crew.actions import answer_by_call
from alerts.notices.crew.rules import KIND as CALLOUT
from alerts.notices.messages import HOOKS
from alerts.notices.models import Notice
from alerts.notices.rules import EXERCISE, parse_attempt
from alerts.notices.sending import note_receipt
from alerts.settings import Settings, SettingsDep

router = APIRouter()
TAKES_ON = "1"


@router.post(
    HOOKS + "/status/{attempt}",
    status_code=204,
    operation_id="receive_notice_receipt",
    responses=REFUSALS,
    openapi_extra=form_of("MessageSid", "MessageStatus", "ErrorCode"),
)
def post_status(attempt: str, signed: TwilioForm, session: Tx, settings: SettingsDep) -> Response:
    """A receipt of a text or a call to staff: signed by the carrier, and by us in its address. Any order, any number of times."""
    notice_id, number = _attempt(session, settings, attempt, is_exercise=signed.is_exercise)
    form = signed.form
    is_call = "CallStatus" in form
    raw = str(form.get("CallStatus") if is_call else form.get("MessageStatus") or form.get("SmsStatus") or "")[:40]
    provider_id = str((form.get("CallSid") if is_call else form.get("MessageSid") or form.get("SmsSid")) or "")[:64]
    if not raw or "\x00" in raw:
        raise InvalidError("status_missing", "MessageStatus is missing", field="MessageStatus")
    if not provider_id or "\x00" in provider_id:
        raise InvalidError("sid_missing", "MessageSid is missing", field="MessageSid")
    reported = reported_state("twilio_call" if is_call else "twilio", raw)
    if not note_receipt(session, notice=(notice_id, number), reported=reported, provider_id=provider_id, raw_status=raw):
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)


@router.post(
    HOOKS + "/voice/{attempt}",
    operation_id="receive_notice_keypress",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"text/xml": {}}}},
    openapi_extra=form_of("CallSid", "Digits"),
)
def post_keypress(attempt: str, signed: TwilioForm, session: Tx, settings: SettingsDep) -> Response:
    """1: the person called takes it on, and nobody is paged any further; in a call-out of the crew 1 is coming and 2 cannot.

    The answer is what the voice says next.
    """
    notice_id, _ = _attempt(session, settings, attempt, is_exercise=signed.is_exercise)
    key = str(signed.form.get("Digits") or "")
    notice = session.get(Notice, notice_id)
    if notice is not None and notice.kind == CALLOUT:
        words, language = answer_by_call(session, notice, key=key)
    else:
        words, language = acknowledge_by_call(session, notice_id, takes_it_on=key == TAKES_ON)
    return Response(say_twiml(words, language=language), media_type="text/xml")


def _attempt(session: Session, settings: Settings, attempt: str, *, is_exercise: bool) -> tuple[UUID, int]:
    """The notice and the attempt's number. A notice of the other status is none: that account has no say in it."""
    name = attempt_of_callback(settings.keyring.callback, attempt)
    found = parse_attempt(name) if name else None
    if found is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    notice = session.get(Notice, found[0])
    if notice is not None and (notice.status == EXERCISE) is not is_exercise:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return found
