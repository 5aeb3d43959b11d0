from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from alerts.inbox.actions import understand_message
from alerts.inbox.models import InboundMessage
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.settings import Settings
from alerts.staff.models import Staff
from tests.factories.incidents import HATAY, make_incident
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff
from tests.inbox.lapsit import ANKARA, PHONE, Say

TOKEN = "token-of-these-tests"
OLDER_TOKEN = "token-before-the-change"
EXERCISE_TOKEN = "key-of-the-drill-account"
OLDER_EXERCISE_TOKEN = "key-of-the-drill-account-before"
PUBLIC_URL = "https://siaga.example"
HOOK = "/hooks/twilio/inbound"
TextUs = Callable[..., Response]
Understand = Callable[[], list[InboundMessage]]
_numbers = count(1)


def signature(form: dict[str, str], *, token: str = TOKEN, url: str = PUBLIC_URL + HOOK) -> dict[str, str]:
    """The header that Twilio sends; computed by its own library."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)}


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """With an account at Twilio, reached through a proxy that has another name than our host."""
    twilio = {"auth_token": TOKEN, "auth_token_previous": OLDER_TOKEN, "account_sid": "ACtests", "from": "+15005550006"}
    exercise = {"twilio_auth_token": EXERCISE_TOKEN, "twilio_auth_token_previous": OLDER_EXERCISE_TOKEN}
    changed = settings.model_dump() | {"twilio": twilio, "public_url": PUBLIC_URL, "exercise": exercise}
    return Settings.model_validate(changed)


@pytest.fixture
def text_us(client: TestClient) -> Callable[..., Response]:
    """`text_us("+60…", "1")`: the carrier posts a citizen's message."""

    def post(sender: str, body: str, **fields: str) -> Response:
        form = {"MessageSid": f"SM{next(_numbers):032}", "From": sender, "To": "+15005550006", "Body": body} | fields
        return client.post(HOOK, data=form, headers=signature(form))

    return post


@pytest.fixture
def understand(session: Session, keyring: Keyring) -> Callable[[], list[InboundMessage]]:
    """Run the task for every message that waits for it; gives all messages, oldest first."""

    def run() -> list[InboundMessage]:
        for row in session.query(InboundMessage).filter_by(state="received").order_by(InboundMessage.id):
            understand_message(session, keyring=keyring, message_id=row.id)
        session.commit()
        return list(session.query(InboundMessage).order_by(InboundMessage.id))

    return run


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY], title="Gempa Hatay")
    session.commit()
    return incident


@pytest.fixture
def officer(session: Session, keyring: Keyring) -> Staff:
    """Somebody of the embassy in Ankara, with a duty phone."""
    staff = make_staff(session, "mission_staff", mission_code=ANKARA)
    make_contact(session, keyring, staff, address=PHONE)
    session.commit()
    return staff


@pytest.fixture
def say(text_us: TextUs, understand: Understand) -> Say:
    """Write from the duty phone, and have it read."""

    def run(body: str, sender: str = PHONE, **fields: str) -> InboundMessage:
        assert text_us(sender, body, **fields).status_code == 200
        return understand()[-1]

    return run
