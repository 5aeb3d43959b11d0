"""HTTP of a call's answer: which key the person pressed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from alerts.channels.voice_words import Heard, ask_again_twiml, reply_twiml
from alerts.channels.webhook import REFUSALS, TwilioForm, form_of
from alerts.inbox.calls import answer_call, find_called
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, NotFoundError
from alerts.kit.ids import attempt_of_callback
from alerts.settings import KeyringDep, SettingsDep

router = APIRouter()


@router.post(
    "/hooks/twilio/voice/{attempt}",
    operation_id="receive_keypress",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"text/xml": {}}}},
    openapi_extra=form_of("CallSid", "Digits"),
)
def post_keypress(
    attempt: str,
    signed: TwilioForm,
    session: Tx,
    keyring: KeyringDep,
    settings: SettingsDep,
    request: Request,
    *,
    again: Annotated[bool, Query(description="the question was asked a second time")] = False,
) -> Response:
    """1: safe; 2: needs help; anything else is asked about once more. The answer is what the voice says next.

    Signed by the carrier, and by us in the address. Any number of times: the same answer again changes nothing.
    """
    name = attempt_of_callback(keyring.callback, attempt)
    if name is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    member = find_called(session, name, is_exercise=signed.is_exercise)
    if member is None:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    reply = answer_call(session, keyring=keyring, member=member, digits=str(signed.form.get("Digits") or ""), is_again=again)
    if reply.heard is Heard.UNCLEAR:
        url = f"{settings.public_url.rstrip('/')}{request.url.path}?again=true"
        twiml = ask_again_twiml(language=reply.language, answer_url=url, is_exercise=reply.is_exercise)
    else:
        twiml = reply_twiml(reply.heard, language=reply.language, is_exercise=reply.is_exercise, more=reply.told)
    return Response(twiml, media_type="text/xml")
