"""HTTP of the carriers' receipts: of Twilio's messages and calls, and of a described provider's texts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Counter

from alerts.channels.webhook import REFUSALS, described_receipt, form_of, signed_form
from alerts.deliveries.receipts import Said, door_of, read_receipt
from alerts.kit.errors import NotFoundError
from alerts.settings import Settings


class StormRoute(APIRoute):
    """Hands the request to its endpoint as it came: solving dependencies costs more here than all checks together."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            answer: Response = await endpoint(request, **request.path_params)
            return answer

        return handle


router = APIRouter(tags=["deliveries"], route_class=StormRoute)
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
async def post_status(request: Request, attempt: str) -> Response:
    """A receipt for one attempt: signed by the carrier, and by us in its address. Any order, any number of times."""
    form, is_exercise = await signed_form(request, request.app.state.settings)
    raw_status, sid = str(form.get("MessageStatus") or form.get("SmsStatus") or ""), str(form.get("MessageSid") or form.get("SmsSid") or "")
    return await keep(request, attempt, Said("twilio", raw_status, sid, str(form.get("ErrorCode") or ""), is_exercise))


@router.post(
    "/hooks/twilio/call-status/{attempt}",
    status_code=204,
    operation_id="receive_call_status",
    responses=REFUSALS,
    openapi_extra=form_of("CallSid", "CallStatus"),
)
async def post_call_status(request: Request, attempt: str) -> Response:
    """How far a call got: signed by the carrier, and by us in its address. Any order, any number of times."""
    form, is_exercise = await signed_form(request, request.app.state.settings)
    raw_status, call_sid = str(form.get("CallStatus") or ""), str(form.get("CallSid") or "")
    RECEIVED.labels("twilio_call").inc()
    error_code, names = str(form.get("ErrorCode") or ""), ("CallStatus", "CallSid")
    return await keep(request, attempt, Said("twilio_call", raw_status, call_sid, error_code, is_exercise, names))


@router.post(
    "/hooks/sms/{provider}/status/{attempt}",
    status_code=204,
    operation_id="receive_described_receipt",
    responses=REFUSALS,
    openapi_extra=DESCRIBED,
)
async def post_described_status(request: Request, provider: str, attempt: str) -> Response:
    """A described provider's receipt: genuine by its own description, and signed by us in its address."""
    receipt = await described_receipt(provider, request, request.app.state.settings)
    RECEIVED.labels(provider).inc()
    provider_id, error_code = receipt.provider_id or "", receipt.error_code or ""
    said = Said(provider, receipt.raw_status, provider_id, error_code, receipt.is_exercise, receipt.places)
    return await keep(request, attempt, said)


async def keep(request: Request, attempt: str, said: Said) -> Response:
    """Store one receipt, and answer when it is stored. 403: not signed by us; 404: no such attempt; 422 naming what is missing."""
    settings: Settings = request.app.state.settings
    if not await door_of(request.app.state).add(read_receipt(settings.keyring.callback, attempt, said)):
        raise NotFoundError("attempt_not_found", "there is no such attempt", field="path.attempt")
    return Response(status_code=204)
