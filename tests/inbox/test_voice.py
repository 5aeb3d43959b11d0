"""A keypress in one of our calls: a claim by voice, said back in the citizen's language; need help is never erased."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.deliveries.rules import STEP_PLACES
from alerts.inbox.calls import find_called
from alerts.incidents.models import Incident
from alerts.incidents.rules import Status
from alerts.kit.crypto import Keyring
from alerts.kit.ids import callback_token
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import HATAY, SYRIA, make_incident
from tests.inbox.conftest import EXERCISE_TOKEN, OLDER_EXERCISE_TOKEN, OLDER_TOKEN, PUBLIC_URL, TOKEN, signature

Press = Callable[..., Response]


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session, areas=[HATAY, SYRIA])
    session.commit()
    return incident


@pytest.fixture
def member(session: Session, keyring: Keyring, incident: Incident) -> AudienceMember:
    member = make_member(session, incident, make_citizen(session, keyring))
    session.commit()
    return member


def path_of(keyring: Keyring, member: AudienceMember, *, step: int = 3, number: int = 1) -> str:
    return "/hooks/twilio/voice/" + callback_token(keyring.callback, f"{member.id * STEP_PLACES + step}-{number}")


@pytest.fixture
def press(client: TestClient, keyring: Keyring) -> Press:
    """`press(member, "1")`: the person presses a key; `again=True`: when the question is asked a second time."""

    def post(
        member: AudienceMember, digits: str, *, again: bool = False, path: str | None = None, token: str = TOKEN, **headers: str
    ) -> Response:
        path = (path or path_of(keyring, member)) + ("?again=true" if again else "")
        form = {"CallSid": "CA" + "0" * 32, "CallStatus": "in-progress", "To": "+60123456789"} | ({"Digits": digits} if digits else {})
        return client.post(path, data=form, headers=headers or signature(form, token=token, url=PUBLIC_URL + path))

    return post


def said(answer: Response) -> str:
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/xml")
    return " ".join(element.text or "" for element in ET.fromstring(answer.text).iter("Say"))


def checkins(session: Session) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(text("SELECT answer, channel, rung, member_id FROM checkin ORDER BY id"))]


def test_one_is_safe_on_the_first_rung(session: Session, press: Press, member: AudienceMember) -> None:
    answer = press(member, "1")
    assert said(answer) == "Tercatat: Anda menyatakan selamat. Terima kasih."
    assert "Gather" not in answer.text
    assert checkins(session) == [("safe", "voice", "reported", member.id)]


def test_two_raises_a_case_and_says_whose_it_is(session: Session, press: Press, member: AudienceMember) -> None:
    words = said(press(member, "2"))
    assert words.startswith("Tercatat: Anda butuh bantuan. ")
    assert checkins(session) == [("need_help", "voice", "reported", member.id)]
    assert session.execute(text("SELECT state, citizen_id FROM help_case")).one() == ("open", member.citizen_id)


def test_a_later_safe_does_not_erase_the_call_for_help(session: Session, press: Press, member: AudienceMember) -> None:
    press(member, "2")
    assert "tetap terbuka" in said(press(member, "1"))
    assert [row[0] for row in checkins(session)] == ["need_help", "safe"]
    assert session.execute(text("SELECT state FROM help_case")).scalar_one() == "open"


def test_the_same_key_again_changes_nothing(session: Session, press: Press, member: AudienceMember) -> None:
    first = press(member, "1")
    assert press(member, "1").text == first.text
    assert len(checkins(session)) == 1


@pytest.mark.parametrize("digits", ["", "3", "0", "*", "#", "12", "١"])
def test_anything_else_is_asked_about_once_more(
    session: Session, press: Press, keyring: Keyring, member: AudienceMember, digits: str
) -> None:
    answer = press(member, digits)
    assert "Tekan 1 jika Anda selamat" in said(answer)
    [gather] = ET.fromstring(answer.text).iter("Gather")
    assert gather.get("action") == f"{PUBLIC_URL}{path_of(keyring, member)}?again=true"
    last = press(member, digits, again=True)
    assert "belum menerima jawaban" in said(last)
    assert "Gather" not in last.text
    assert checkins(session) == []
    press(member, "1", again=True)
    assert len(checkins(session)) == 1


@pytest.mark.parametrize(("language", "words"), [("en", "Recorded: you say"), ("id", "Tercatat"), ("fr", "Tercatat")])
def test_in_the_citizens_language(session: Session, keyring: Keyring, incident: Incident, press: Press, language: str, words: str) -> None:
    member = make_member(session, incident, make_citizen(session, keyring), language=language)
    assert words in said(press(member, "1"))


def test_an_exercise_says_so(session: Session, keyring: Keyring, press: Press) -> None:
    member = make_member(session, make_incident(session, areas=[HATAY], status=Status.EXERCISE), make_citizen(session, keyring))
    assert press(member, "1").json()["code"] == "attempt_not_found"  # signed by the live account, which has no say in it
    for digits in ("1", "2", "3"):
        assert said(press(member, digits, token=EXERCISE_TOKEN)).startswith("LATIHAN. ")


def test_a_token_that_is_being_changed_counts_in_its_own_set_alone(
    session: Session, keyring: Keyring, press: Press, member: AudienceMember
) -> None:
    tester = make_member(session, make_incident(session, areas=[HATAY], status=Status.EXERCISE), make_citizen(session, keyring))
    assert said(press(tester, "1", token=OLDER_EXERCISE_TOKEN)).startswith("LATIHAN. ")
    assert said(press(member, "1", token=OLDER_TOKEN))
    assert press(tester, "1", token=OLDER_TOKEN).json()["code"] == "attempt_not_found"
    assert press(member, "1", token=OLDER_EXERCISE_TOKEN).json()["code"] == "attempt_not_found"


def test_forged_keypresses_are_refused(session: Session, press: Press, keyring: Keyring, member: AudienceMember) -> None:
    forged = path_of(keyring, member).rpartition(".")[0] + "." + "0" * 22
    assert press(member, "1", path=forged).json()["code"] == "bad_attempt"
    assert press(member, "1", **{"X-Twilio-Signature": "AAAA"}).json()["code"] == "bad_signature"
    assert press(member, "1", path="/hooks/twilio/voice/" + callback_token(keyring.callback, "1-1")).status_code == 404
    assert press(member, "1", path="/hooks/twilio/voice/" + callback_token(keyring.callback, "x")).status_code == 404
    assert checkins(session) == []


@given(st.text())
def test_no_name_breaks_the_look_up(name: str) -> None:
    class Nobody:
        def get(self, *_: object) -> None:
            return None

    assert find_called(Nobody(), name, is_exercise=False) is None  # type: ignore[arg-type]
