"""HTTP of receipts that are not of Twilio's messages: calls, and the texts of a described provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from prometheus_client import Counter

from alerts.channels.webhook import REFUSALS, DescribedReceipt, TwilioForm, form_of
from alerts.deliveries.evidence import keep_receipt
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, InvalidError, NotFoundError
from alerts.kit.ids import attempt_of_callback
from alerts.kit.text import visible
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
    "/hooks/twilio/call-status/{attempt}",
    status_code=204,
    operation_id="receive_call_status",
    responses=REFUSALS,
    openapi_extra=form_of("CallSid", "CallStatus"),
)
def post_call_status(attempt: str, form: TwilioForm, session: Tx, settings: SettingsDep) -> Response:
    """How far a call got: signed by the carrier, and by us in its address. Any order, any number of times."""
    name = _signed_by_us(settings, attempt)
    raw_status, call_sid = str(form.get("CallStatus") or ""), str(form.get("CallSid") or "")
    if not raw_status or not call_sid:
        missing = "CallSid" if raw_status else "CallStatus"
        raise InvalidError("field_missing", "A call's receipt has CallSid and CallStatus.", field=missing)
    RECEIVED.labels("twilio_call").inc()
    error_code = str(form.get("ErrorCode") or "") or None
    return _keep(session, name, raw_status=raw_status, provider_id=call_sid, error_code=error_code)


@router.post(
    "/hooks/sms/{provider}/status/{attempt}",
    status_code=204,
    operation_id="receive_described_receipt",
    responses=REFUSALS,
    openapi_extra=DESCRIBED,
)
def post_described_status(provider: str, attempt: str, receipt: DescribedReceipt, session: Tx, settings: SettingsDep) -> Response:
    """A described provider's receipt: genuine by its own description, and signed by us in its address."""
    name = _signed_by_us(settings, attempt)
    RECEIVED.labels(provider).inc()
    return _keep(session, name, raw_status=receipt.raw_status, provider_id=receipt.provider_id, error_code=receipt.error_code)


def _signed_by_us(settings: Settings, attempt: str) -> str:
    name = attempt_of_callback(settings.keyring.callback, attempt)
    if name is None:
        raise ForbiddenError("bad_attempt", "this attempt id was not signed by us", field="path.attempt")
    return name


def _keep(session: Tx, name: str, *, raw_status: str, provider_id: str | None, error_code: str | None) -> Response:
    """Words of strangers: what cannot be seen is left out, and they are cut to what the columns are for."""
    found = keep_receipt(
        session,
        attempt_id=_attempt_id(name),
        raw_status=visible(raw_status)[:40],
        provider_id=visible(provider_id or "")[:64] or None,
        error_code=visible(error_code or "")[:16] or None,
    )
    if not found:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)


def _attempt_id(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt") from None
