"""HTTP of the inbox: the carrier's door, and the tray for a person."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from starlette.datastructures import FormData

from alerts.channels.webhook import REFUSALS, SignedForm, TwilioForm, form_of
from alerts.inbox import actions, queries
from alerts.inbox.actions import Inbound
from alerts.inbox.routes_voice import router as calls
from alerts.inbox.schemas import AssignIn, HandleIn, MessageView
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import LIMIT_DEFAULT, LIMIT_MAX
from alerts.kit.idempotency import Idem
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["inbox"])
router.include_router(calls)
Reader = Annotated[Actor, Depends(require(Permission.RECORD_CHECKIN))]
NOTHING_TO_SAY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@router.post(
    "/hooks/twilio/inbound",
    operation_id="receive_twilio_message",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"text/xml": {}}}},
    openapi_extra=form_of("MessageSid", "From", "To", "Body", "NumSegments", "NumMedia"),
)
def post_inbound(signed: TwilioForm, session: Tx, keyring: KeyringDep) -> Response:
    """Keep a citizen's message and answer at once; it is read afterwards. The same message twice is kept once."""
    actions.receive_message(session, keyring=keyring, inbound=_inbound(signed))
    return Response(NOTHING_TO_SAY, media_type="text/xml")


@router.get("/api/v1/inbox", operation_id="list_inbox")
def get_tray(
    actor: Reader,
    session: Tx,
    keyring: KeyringDep,
    incident_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[Status | None, Query(description="of one status alone; without it both come, each with its status")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> list[MessageView]:
    """Messages that wait for a person, calls for help first, then the oldest. Handle one and the next moves up."""
    rows = queries.list_tray(session, actor, limit=limit, incident_id=incident_id, status=status)
    return [queries.present_message(row, keyring) for row in rows]


@router.post("/api/v1/inbox/{message_id}/handle", response_model=MessageView, operation_id="handle_message")
def post_handle(message_id: UUID, body: HandleIn, actor: Reader, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """A person has read the message, and says what answer it is, if any."""
    idem.start(actor.key)
    row = actions.handle_message(session, actor=actor, keyring=keyring, message_id=message_id, command=body)
    # Kept for seven days to be replayed, so without text and sender.
    return idem.answer(200, queries.present_message(row, None))


@router.post("/api/v1/inbox/{message_id}/assign", response_model=MessageView, operation_id="assign_message")
def post_assign(message_id: UUID, body: AssignIn, actor: Reader, session: Tx, idem: Idem) -> Response:
    """Give the message to a mission; by the ministry only."""
    idem.start(actor.key)
    row = actions.assign_message(session, actor=actor, message_id=message_id, mission_code=body.mission_code)
    return idem.answer(200, queries.present_message(row, None))


def _inbound(signed: SignedForm) -> Inbound:
    """What the account that signed it is for says which status the message has."""
    form = signed.form
    provider_id = _field(form, "MessageSid") or _field(form, "SmsSid")
    sender = _field(form, "From")
    if not provider_id or not sender:
        raise InvalidError("field_missing", "A message has MessageSid and From.", field="From" if provider_id else "MessageSid")
    return Inbound(
        provider_id=provider_id[:100].replace("\x00", ""),
        sender=sender[:100],
        body=_field(form, "Body"),
        segments=_number(form, "NumSegments", 1),
        media=_number(form, "NumMedia", 0),
        carrier_opted_out=_field(form, "OptOutType") == "STOP",
        status=Status.EXERCISE if signed.is_exercise else Status.ACTUAL,
    )


def _field(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _number(form: FormData, name: str, missing: int) -> int:
    text = _field(form, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else missing
