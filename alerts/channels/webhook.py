"""The door for Twilio's webhooks: a small body, and a signature by our own account over the configured address."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException

from alerts.channels.twilio_signature import WebhookCheck
from alerts.kit.errors import ForbiddenError, InvalidError, TooLargeError
from alerts.settings import Settings, SettingsDep, Web

HOOK_BODY_BYTES: int = Web.model_fields["hook_body_bytes"].default
FORM_TYPE = "application/x-www-form-urlencoded"
EXAMPLES = {
    "MessageSid": "SM00000000000000000000000000000001",
    "MessageStatus": "delivered",
    "ErrorCode": "",
    "From": "+60123456789",
    "To": "+15005550006",
    "Body": "AMAN",
    "NumSegments": "1",
    "NumMedia": "0",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "the signature does not fit the address and the fields"},
    413: {"description": f"more than {HOOK_BODY_BYTES} bytes"},
    422: {"description": "a field that every such message has is missing"},
}


def form_of(*fields: str) -> dict[str, Any]:
    """How OpenAPI describes a form that is read as it was signed: these fields, and whatever else the carrier sends."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in fields}}
    example = {name: EXAMPLES[name] for name in fields}
    return {"requestBody": {"required": True, "content": {FORM_TYPE: {"schema": schema, "example": example}}}}


async def twilio_form(request: Request, settings: SettingsDep) -> FormData:
    """The form as signed by one of our tokens (two while one is being changed), otherwise 403; a larger body 413."""
    form = await _read_form(request, settings.web.hook_body_bytes)
    query = request.url.query
    address = f"{request.url.path}?{query}" if query else request.url.path
    if not _check(settings).is_genuine(address, form, request.headers.get("x-twilio-signature")):
        raise ForbiddenError("bad_signature", "The signature does not fit the address and the fields.")
    return form


TwilioForm = Annotated[FormData, Depends(twilio_form)]


async def _read_form(request: Request, limit: int) -> FormData:
    """Fields in the one form that Twilio sends; anything else reads as empty, which no signature fits."""
    declared = request.headers.get("content-length", "")
    _check_size(int(declared) if declared.isascii() and declared.isdigit() else 0, limit)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return FormData()
    try:
        return await FormParser(request.headers, _limited(request, limit), max_part_size=limit).parse()
    except MultiPartException:
        raise InvalidError("unreadable_form", "The form cannot be read.") from None


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        _check_size(size, limit)
        yield chunk


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError("body_too_large", f"A message here has at most {limit} bytes.")


def _check(settings: Settings) -> WebhookCheck:
    secrets = (settings.twilio.auth_token, settings.twilio.auth_token_previous, settings.exercise.twilio_auth_token)
    return WebhookCheck(settings.public_url, [secret.get_secret_value() for secret in secrets])
