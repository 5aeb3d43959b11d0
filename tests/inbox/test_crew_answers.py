"""Somebody of the staff who is called to an incident answers by text: through the hook and the task, not past them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from httpx import Response
from sqlalchemy.orm import Session

from alerts.inbox.models import InboundMessage
from alerts.incidents.calling_out import call_out
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.notices.crew.actions import call_due
from alerts.notices.crew.queries import present_crew
from alerts.notices.crew.rules import Function
from tests.factories.incidents import make_incident
from tests.factories.notices import make_contact, make_reachable

PHONE = "+628117654321"


@pytest.mark.parametrize(("said", "state"), [("DATANG", "coming"), ("tidak", "cannot")])
def test_the_answer_is_taken_and_the_message_is_handled(
    session: Session,
    savepoint_sessions: Sessions,
    keyring: Keyring,
    text_us: Callable[..., Response],
    understand: Callable[[], list[InboundMessage]],
    said: str,
    state: str,
) -> None:
    officer = make_reachable(session, keyring, "duty_officer", "push")
    make_contact(session, keyring, officer, "phone", PHONE)
    incident = make_incident(session)
    call_out(session, incident.id)
    session.commit()
    call_due(savepoint_sessions, configured=lambda _: frozenset({"sms"}), deputy_seconds=180)
    text_us(PHONE, said)
    [row] = understand()
    assert (row.state, row.understood, row.incident_id, row.handled_by) == ("handled", "crew", incident.id, "system:inbox")
    assert row.handled_at is not None
    [slot] = [each for each in present_crew(session, incident.id) if each.function is Function.DUTY_OFFICER]
    assert [(call.state.value, call.way and call.way.value) for call in slot.calls] == [(state, "sms")]
