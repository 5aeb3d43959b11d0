"""A form that is sent twice (a second tap, a reload on a bad line) acts once.

Each form carries a fresh key; it is kept like an API client's Idempotency-Key, in the action's transaction.
"""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy.orm import Session

from alerts.console.forms import Form
from alerts.kit.actor import Actor
from alerts.kit.errors import InvalidError
from alerts.kit.idempotency import Idempotency

KEY_FIELD = "form_key"
WAITED_FIELD = "waited_seconds"
"""How long the form lay on the device before it could be sent: grows from try to try, and is no part of what was typed."""


class Once:
    """One sending of one form. `start` before acting; `go` stores where the browser goes, and sends it there."""

    def __init__(self, idempotency: Idempotency) -> None:
        self._idempotency = idempotency

    def go(self, path: str) -> Response:
        return self._idempotency.answer(303, {}, {"Location": path, "Cache-Control": "no-store"})


def start_once(request: Request, session: Session, form: Form, actor: Actor) -> Once:
    """Take the form's key; leaves the route with the first answer when it was taken before."""
    key = form.text(KEY_FIELD, limit=64)
    if not key:
        raise InvalidError("form_key_missing", "The form is incomplete: open the page again.", field=KEY_FIELD)
    typed = sorted(pair for pair in form.fields if pair[0] not in (KEY_FIELD, WAITED_FIELD))
    idempotency = Idempotency(request, session, f"form-{key}", repr(typed).encode() + form.file)
    idempotency.start(actor.key)
    return Once(idempotency)
