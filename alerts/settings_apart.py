"""Live senders and those of exercises share nothing: no account, number, template, mailbox or key, in whatever form it is written."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from alerts.kit.p256 import public_text
from alerts.settings_groups import Email, WebPush

if TYPE_CHECKING:
    from alerts.settings import Settings

SAID_BY_GOOGLE = ("project_id", "client_email", "private_key_id", "private_key")
TELLING_CHARACTERS = 8
"""A shorter secret may stand in a longer word by chance; it is compared as a whole."""


def check_apart(settings: Settings) -> None:
    """Raises ValueError naming the exercise's setting that is a live one, or that holds a live secret anywhere in it."""
    for name, ours, theirs in (*_accounts(settings), *_numbers(settings), *_service_accounts(settings)):
        if ours and ours == theirs:
            raise ValueError(f"exercise.{name} is the live one: exercises need senders of their own")
    secrets = {value for group in _live_groups(settings) for _, value in _secrets_of(group)}
    for name, value in _said_by_exercises(settings):
        if any(_holds(form, secret) for form in _forms(value) for secret in secrets):
            raise ValueError(f"exercise.{name} holds a live secret: exercises need senders of their own")


def _accounts(settings: Settings) -> list[tuple[str, str, str]]:
    exercise, live = settings.exercise, settings.twilio
    return [
        ("twilio_account_sid", exercise.twilio_account_sid, live.account_sid),
        ("twilio_auth_token", exercise.twilio_auth_token.get_secret_value(), live.auth_token.get_secret_value()),
        ("fcm_project", exercise.fcm_project, settings.fcm.project),
        ("web_push_private_key", _public(settings.exercise_web_push), _public(settings.web_push)),
        ("email_from", _mailbox(settings.exercise_email), _mailbox(settings.email)),
        ("email_username", settings.exercise_email.username, settings.email.username),
        ("email_password", settings.exercise_email.password.get_secret_value(), settings.email.password.get_secret_value()),
        ("sms2_from", settings.exercise_sms2.from_, settings.sms2.from_),
        ("sms2_user", settings.exercise_sms2.user, settings.sms2.user),
        ("sms2_secret", settings.exercise_sms2.secret.get_secret_value(), settings.sms2.secret.get_secret_value()),
    ]


def _numbers(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """A number, account or template of any live way is live in every way."""
    twilio = settings.twilio
    live = {twilio.from_, twilio.messaging_service_sid, twilio.account_sid, settings.sms2.from_, settings.sms2.user}
    live |= {settings.whatsapp.from_, settings.voice.from_, *settings.whatsapp.templates}
    exercise, sms2, whatsapp = settings.exercise, settings.exercise_sms2, settings.exercise_whatsapp
    ours = [("twilio_from", exercise.twilio_from), ("twilio_account_sid", exercise.twilio_account_sid)]
    ours += [("sms2_from", sms2.from_), ("sms2_user", sms2.user)]
    ours += [("whatsapp_from", whatsapp.from_), ("voice_from", settings.exercise_voice.from_)]
    ours += [("whatsapp_content_sids", sid) for sid in sorted(whatsapp.templates)]
    yield from ((name, value, value if value in live else "") for name, value in ours)


def _service_accounts(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """What Google's file says of itself: neither the live project, nor the live account or one of its keys. Nor the same file."""
    name, ours, theirs = "fcm_credentials_file", settings.exercise.fcm_credentials_file, settings.fcm.credentials_file
    if not ours:
        return
    yield name, str(Path(ours).resolve()), str(Path(theirs).resolve()) if theirs else ""
    exercise, live = _said_by_file(ours), _said_by_file(theirs)
    yield name, exercise.get("project_id", ""), settings.fcm.project
    yield from ((name, exercise.get(part, ""), live.get(part, "")) for part in SAID_BY_GOOGLE)


def _said_by_file(path: str) -> dict[str, str]:
    """The texts of a service account's JSON; nothing where it cannot be read: whoever sends by it reads it too, and fails."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str)} if isinstance(content, dict) else {}


def _live_groups(settings: Settings) -> tuple[BaseModel, ...]:
    """Every group that holds a live secret; our own keys too, which no provider of exercises is to learn."""
    return (settings.twilio, settings.fcm, settings.web_push, settings.email, settings.sms2, settings.keys, settings.synthetic)


def _said_by_exercises(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every text of every setting of exercises: a secret may hide in an address or in a description."""
    for group_name in (name for name in type(settings).model_fields if name.partition("_")[0] == "exercise"):
        group = getattr(settings, group_name)
        prefix = group_name.removeprefix("exercise").removeprefix("_")
        for name in type(group).model_fields:
            value = getattr(group, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if isinstance(text, str) and text:
                yield f"{prefix}_{name}".strip("_"), text


def _secrets_of(group: BaseModel) -> Iterator[tuple[str, str]]:
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield name, value.get_secret_value()


def _forms(value: str) -> Iterator[str]:
    """As written, without percent signs, and (where it is that) out of base64."""
    yield value
    yield unquote(value)
    padded = value + "=" * (-len(value) % 4)
    try:
        yield base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return


def _holds(form: str, secret: str) -> bool:
    return form == secret or (len(secret) >= TELLING_CHARACTERS and secret in form)


def _public(group: WebPush) -> str:
    """The public half: the same key is the same, in whichever form it is written."""
    secret = group.private_key.get_secret_value()
    return public_text(secret) if secret else ""


def _mailbox(group: Email) -> str:
    return parseaddr(group.from_)[1].lower()
