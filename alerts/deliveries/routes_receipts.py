"""HTTP of the carriers' receipts: of Twilio's messages and calls, and of a described provider's texts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import Counter

from alerts.channels.webhook import REFUSALS, DescribedReceipt, TwilioForm, form_of
from alerts.deliveries.receipts import Door, ReceiptDoor, Said, read_receipt
from alerts.kit.errors import NotFoundError
from alerts.settings import Settings, SettingsDep

router = APIRouter()
RECEIVED = Counter("siaga_receipts_received_total", "genuine receipts of calls and of described providers, by source", ["source"])
DESCRIBED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"message": {"id": "L-1", "state": "ARRIVED"}}}},
    }
}


@router.post(
    "/hooks/twilio/status/{attempt}",
    status_code=204,
    operation_id="receive_receipt",
    responses=REFUSALS,
    openapi_extra=form_of("MessageSid", "MessageStatus", "ErrorCode"),
)
async def post_status(attempt: str, form: TwilioForm, settings: SettingsDep, door: ReceiptDoor) -> Response:
    """A receipt for one attempt: signed by the carrier, and by us in its address. Any order, any number of times."""
    raw_status, sid = str(form.get("MessageStatus") or form.get("SmsStatus") or ""), str(form.get("MessageSid") or form.get("SmsSid") or "")
    return await keep(door, settings, attempt, Said("twilio", raw_status, sid, str(form.get("ErrorCode") or "")))


@router.post(
    "/hooks/twilio/call-status/{attempt}",
    status_code=204,
    operation_id="receive_call_status",
    responses=REFUSALS,
    openapi_extra=form_of("CallSid", "CallStatus"),
)
async def post_call_status(attempt: str, form: TwilioForm, settings: SettingsDep, door: ReceiptDoor) -> Response:
    """How far a call got: signed by the carrier, and by us in its address. Any order, any number of times."""
    raw_status, call_sid = str(form.get("CallStatus") or ""), str(form.get("CallSid") or "")
    RECEIVED.labels("twilio_call").inc()
    return await keep(door, settings, attempt, Said("twilio_call", raw_status, call_sid, str(form.get("ErrorCode") or "")))


@router.post(
    "/hooks/sms/{provider}/status/{attempt}",
    status_code=204,
    operation_id="receive_described_receipt",
    responses=REFUSALS,
    openapi_extra=DESCRIBED,
)
async def post_described_status(
    provider: str, attempt: str, receipt: DescribedReceipt, settings: SettingsDep, door: ReceiptDoor
) -> Response:
    """A described provider's receipt: genuine by its own description, and signed by us in its address."""
    RECEIVED.labels(provider).inc()
    return await keep(door, settings, attempt, Said(provider, receipt.raw_status, receipt.provider_id or "", receipt.error_code or ""))


async def keep(door: Door, settings: Settings, attempt: str, said: Said) -> Response:
    """Store one receipt, and answer when it is stored. 403: not signed by us; 404: no such attempt; 422 naming what is missing."""
    if not await door.add(read_receipt(settings.keyring.callback, attempt, said)):
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)
