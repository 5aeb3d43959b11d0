from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import open_field
from alerts.kit.crypto import Keyring
from tests.inbox.conftest import HOOK, OLDER_TOKEN, PUBLIC_URL, signature

TextUs = Callable[..., Response]
FORM = {"MessageSid": "SM1", "From": "+60123456789", "Body": "1"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def kept(session: Session) -> int:
    return session.execute(text("SELECT count(*) FROM inbound_message")).scalar_one()


def test_a_message_is_kept_raw_and_answered_before_it_is_read(session: Session, text_us: TextUs, keyring: Keyring) -> None:
    body = "  AMAN \u202e\u200b tapi… \n🌊 "
    answer = text_us("+60123456789", body)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/xml")
    assert answer.text.endswith("<Response/>")
    row = session.query(InboundMessage).one()
    assert (row.state, row.understood, row.citizen_id) == ("received", None, None)
    assert open_field(row, "body_enc", keyring) == body
    assert open_field(row, "from_enc", keyring) == "+60123456789"
    assert b"AMAN" not in row.body_enc
    event = session.execute(text("SELECT name, payload FROM outbox_event")).one()
    assert (event.name, event.payload) == ("inbound.received", {"message_id": str(row.id)})


def test_the_same_message_twice_is_kept_once(session: Session, text_us: TextUs) -> None:
    for body in ("1", "1", "2"):
        assert text_us("+60123456789", body, MessageSid="SM0001").status_code == 200
    assert kept(session) == 1
    assert session.execute(text("SELECT count(*) FROM outbox_event")).scalar_one() == 1


def test_a_token_that_is_being_changed_still_counts(client: TestClient) -> None:
    assert client.post(HOOK, data=FORM, headers=signature(FORM, token=OLDER_TOKEN)).status_code == 200


FORGED: list[dict[str, str]] = [
    {},
    {"X-Twilio-Signature": ""},
    {"X-Twilio-Signature": "AAAA"},
    signature(FORM, token=""),
    signature(FORM, token="another"),
    signature(FORM | {"Body": "2"}),
    signature(FORM, url="http://testserver" + HOOK),
    signature(FORM, url=PUBLIC_URL + HOOK + "?x=1"),
]


def test_a_bad_signature_is_refused(client: TestClient, session: Session) -> None:
    for headers in FORGED:
        answer = client.post(HOOK, data=FORM, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature"), headers
    assert kept(session) == 0
    assert client.post(HOOK, data=FORM, headers=signature(FORM)).status_code == 200


def test_a_signature_over_nothing_signs_nothing(client: TestClient, session: Session) -> None:
    """The validator alone would accept a JSON body whose content it never looked at."""
    assert client.post(HOOK, json=FORM, headers=signature({})).status_code == 403
    files = {"MessageSid": (None, "SM1"), "From": (None, "+60"), "Body": ("b.txt", b"1")}
    assert client.post(HOOK, files=files, headers=signature({"MessageSid": "SM1", "From": "+60"})).status_code in (400, 403)
    assert kept(session) == 0


@pytest.mark.parametrize("size", [66_000, 5_000_000])
def test_a_large_body_is_refused_before_it_is_read(client: TestClient, session: Session, size: int) -> None:
    form = FORM | {"Body": "x" * size}
    answer = client.post(HOOK, data=form, headers=signature(form))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"

    def in_pieces() -> object:
        content = urlencode(form).encode()
        yield from (content[at : at + 8192] for at in range(0, len(content), 8192))

    assert client.post(HOOK, content=in_pieces(), headers=signature(form) | FORM_TYPE).status_code == 413  # type: ignore[arg-type]
    assert kept(session) == 0


def test_a_message_without_its_id_or_sender_is_named(client: TestClient) -> None:
    for missing in ("MessageSid", "From"):
        form = {name: value for name, value in FORM.items() if name != missing}
        answer = client.post(HOOK, data=form, headers=signature(form))
        assert (answer.status_code, answer.json()["field"]) == (422, missing)


def test_odd_fields_break_nothing(session: Session, text_us: TextUs) -> None:
    odd: list[tuple[str, dict[str, str]]] = [
        ("1", {"NumSegments": "ten", "NumMedia": "-1"}),
        ("1", {"NumSegments": "99999"}),
        ("1", {"NumSegments": "²"}),
        ("1\x00", {}),
    ]
    for body, fields in odd:
        assert text_us("+60123456789", body, **fields).status_code == 200
    assert {(row.segments, row.media) for row in session.query(InboundMessage)} == {(1, 0)}
    assert kept(session) == len(odd)
