"""The door for carriers' webhooks: a small body, and what shows that it is genuine.

Twilio's: a signature by our own account over the configured address. A described provider's: what its description says.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.datastructures import FormData

from alerts.channels.sms_dialect import Receipt, described_providers, is_genuine, read_receipt
from alerts.channels.twilio_signature import WebhookCheck, webhook_check
from alerts.kit.errors import ForbiddenError, InvalidError, NotFoundError, TooLargeError
from alerts.settings import Settings, SettingsDep, Web

HOOK_BODY_BYTES: int = Web.model_fields["hook_body_bytes"].default
FORM_TYPE = "application/x-www-form-urlencoded"
FIELDS_MAX = 1000
EXAMPLES = {
    "MessageSid": "SM00000000000000000000000000000001",
    "MessageStatus": "delivered",
    "ErrorCode": "",
    "From": "+60123456789",
    "To": "+15005550006",
    "Body": "AMAN",
    "NumSegments": "1",
    "NumMedia": "0",
    "CallSid": "CA00000000000000000000000000000001",
    "CallStatus": "completed",
    "Digits": "1",
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


class SignedForm(NamedTuple):
    """A form and who signed it: the account of exercises, or the live one."""

    form: FormData
    is_exercise: bool


async def signed_form(request: Request, settings: Settings) -> SignedForm:
    """The form as signed by one of our tokens (two while one is being changed), otherwise 403; a larger body 413."""
    form = await _read_form(request, settings.web.hook_body_bytes)
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    check, exercise = checks_of(settings)
    address = f"{path}?{query}" if query else path
    signer = check.signer(address, form, request.headers.get("x-twilio-signature"))
    if signer is None:
        raise ForbiddenError("bad_signature", "The signature does not fit the address and the fields.")
    return SignedForm(form, is_exercise=signer in exercise)


def checks_of(settings: Settings) -> tuple[WebhookCheck, frozenset[str]]:
    """Who may sign for Twilio, and which of their tokens are the exercises': each set has two while its token is being changed."""
    exercise = (settings.exercise.twilio_auth_token, settings.exercise.twilio_auth_token_previous)
    live = (settings.twilio.auth_token, settings.twilio.auth_token_previous)
    tokens = tuple(token.get_secret_value() for token in (*live, *exercise))
    return webhook_check(settings.public_url, tokens), frozenset(token.get_secret_value() for token in exercise)


async def _signed(request: Request, settings: SettingsDep) -> SignedForm:
    return await signed_form(request, settings)


TwilioForm = Annotated[SignedForm, Depends(_signed)]
"""Whoever takes one has to see which account signed it: neither has a say in what is the other's."""


async def described_receipt(provider: str, request: Request, settings: Settings) -> Receipt:
    """The receipt that this provider posted: 404 for one that nobody described, 403 unless it is genuine, 422 unreadable."""
    described = described_providers(settings).get(provider)
    if described is None or described.dialect.receipts is None:
        raise NotFoundError("provider_not_found", "There is no provider of this name that sends receipts.", field="path.provider")
    receipts, limit = described.dialect.receipts, settings.web.hook_body_bytes
    _check_declared_size(request, limit)
    body = b"".join([chunk async for chunk in _limited(request, limit)])
    shown = request.headers.get(receipts.header) if receipts.header else None
    if not is_genuine(receipts, described.receipt_secrets, body=body, shown=shown):
        raise ForbiddenError("bad_signature", "The receipt does not show what this provider's receipts show.")
    receipt = read_receipt(receipts, body)
    if receipt is None:
        raise InvalidError("status_missing", "The receipt names no state.", field=receipts.status)
    if not described.tells_apart:
        return receipt
    return replace(receipt, is_exercise=is_genuine(receipts, [described.exercise_secret], body=body, shown=shown))


async def _read_form(request: Request, limit: int) -> FormData:
    """Fields in the one form that Twilio sends; anything else reads as empty, which no signature fits."""
    _check_declared_size(request, limit)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return FormData()
    body = b"".join([chunk async for chunk in _limited(request, limit)])
    try:
        fields: Sequence[tuple[str, str]] = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise InvalidError("unreadable_form", "The form cannot be read.", field="body") from None
    return FormData([*fields])


def _check_declared_size(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    _check_size(int(declared) if declared.isascii() and declared.isdigit() else 0, limit)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        _check_size(size, limit)
        yield chunk


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError("body_too_large", f"A message here has at most {limit} bytes.")
