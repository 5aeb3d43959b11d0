"""The door for Twilio's webhooks: a small body, and a signature by our own account over the configured address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from alerts.channels.twilio_sms import WebhookCheck
from alerts.kit.errors import ForbiddenError
from alerts.settings import Settings, SettingsDep, Web

HOOK_BODY_BYTES: int = Web.model_fields["hook_body_bytes"].default
"""For `max_body_size` of the routes: more is answered 413 before it is read."""
FORM_FIELDS_MAX = 200


async def twilio_form(request: Request, settings: SettingsDep) -> FormData:
    """The form as signed. 403 without a valid signature of one of our tokens (two while one is being changed)."""
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    query = request.url.query
    address = f"{request.url.path}?{query}" if query else request.url.path
    if not _check(settings).is_genuine(address, form, request.headers.get("x-twilio-signature")):
        raise ForbiddenError("bad_signature", "The signature does not fit the address and the fields.")
    return form


TwilioForm = Annotated[FormData, Depends(twilio_form)]


def _check(settings: Settings) -> WebhookCheck:
    secrets = (settings.twilio.auth_token, settings.twilio.auth_token_previous, settings.exercise.twilio_auth_token)
    return WebhookCheck(settings.public_url, [secret.get_secret_value() for secret in secrets])
