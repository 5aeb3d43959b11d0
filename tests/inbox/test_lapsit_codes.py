"""One-time codes that come with a situation report, and calls for help in one: nothing is lost by what a message got wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import count_tray
from alerts.incidents.actions import close_incident
from alerts.incidents.models import Incident
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.reports.code_lists.actions import revoke_code_list
from alerts.reports.code_lists.rules import WRONG_MAX, WRONG_MAX_OF_MISSION
from alerts.staff.models import Staff
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff
from tests.inbox.conftest import EXERCISE_TOKEN, HOOK, signature
from tests.inbox.lapsit import ANKARA, DAMASCUS, OTHER_PHONE, PHONE, Say, answers, codes, lines, reports, urgent_calls

Understand = Callable[[], list[InboundMessage]]


# -- codes ----------------------------------------------------------------------------------------------------------------------


def test_a_used_a_wrong_and_a_revoked_code_file_on_the_lowest_rung_and_say_so(
    session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff
) -> None:
    first, second, third = codes(session, keyring)
    [foreign] = codes(session, keyring, DAMASCUS, 1)
    wrong = next(f"{n:06}" for n in range(100) if f"{n:06}" not in {first, second, third, foreign})
    say(f"LAPSIT {incident.sms_code} #{first} SLM1(TELEPON)")
    tried = [(first, "KODE SUDAH TERPAKAI"), (wrong, "KODE SALAH"), (foreign, "KODE SALAH")]
    for number, (code, _) in enumerate(tried, start=2):
        row = say(f"LAPSIT {incident.sms_code} #{code} SLM{number}(TELEPON)")
        assert row.flags == ["code_refused"]
    listed = session.execute(text("SELECT id FROM lapsit_code_list WHERE mission_code = :code"), {"code": ANKARA}).scalar_one()
    revoke_code_list(session, actor=SYSTEM, mission_code=ANKARA, list_id=listed, reason="daftarnya hilang")
    session.commit()
    say(f"LAPSIT {incident.sms_code} #{second} SLM9(TELEPON)")
    rungs = [lines(session, report)[0][4] for report in reports(session)]
    assert rungs == ["contact_made", "reported", "reported", "reported", "reported"]
    for answer, (_, words) in zip(answers(session)[1:], [*tried, ("", "KODE SUDAH DICABUT")], strict=True):
        assert words in answer


def alarms(session: Session) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in session.execute(text("SELECT kind, sender, count FROM alarm ORDER BY id"))]


def wrong_codes(*real: str) -> Iterator[str]:
    return (code for n in range(10_000) if (code := f"{n:06}") not in real)


def age(session: Session, minutes: int) -> None:
    """All that came and was filed so far did so earlier."""
    back = f"interval '{minutes} minutes'"
    session.execute(text(f"UPDATE inbound_message SET received_at = received_at - {back}"))
    session.commit()


def test_guessing_codes_ends_after_a_few_and_staff_are_told(
    session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff
) -> None:
    first, *_ = codes(session, keyring)
    wrong = wrong_codes(first)
    for number in range(WRONG_MAX):
        assert alarms(session) == []
        say(f"LAPSIT {incident.sms_code} #{next(wrong)} SLM{number + 1}")
    assert alarms(session) == [("codes_guessed", ANKARA, WRONG_MAX)]
    row = say(f"LAPSIT {incident.sms_code} #{first} SLM9")
    assert row.flags == ["code_not_looked_at"]
    assert "TERLALU BANYAK KODE SALAH" in answers(session)[-1]
    assert session.execute(text("SELECT count(*) FROM lapsit_code WHERE used_at IS NOT NULL")).scalar_one() == 0
    age(session, 40)
    for number in range(WRONG_MAX):
        say(f"LAPSIT {incident.sms_code} #{next(wrong)} SLM{number + 20}")
    assert "TERLALU BANYAK KODE SALAH" in answers(session)[-1]
    assert alarms(session) == [("codes_guessed", ANKARA, 2 * WRONG_MAX + 1)]
    age(session, 25)
    assert say(f"LAPSIT {incident.sms_code} #{first} SLM10").flags == [], "what was not looked at prolongs nothing"
    assert "Kode sah" in answers(session)[-1]


def test_guessing_by_many_phones_ends_too(session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff) -> None:
    first, *_ = codes(session, keyring)
    [foreign] = codes(session, keyring, DAMASCUS, 1)
    phones = [f"+9053211100{n:02}" for n in range(WRONG_MAX_OF_MISSION)]
    for phone in phones:
        make_contact(session, keyring, make_staff(session, "mission_staff", mission_code=ANKARA), address=phone)
    neighbour = make_staff(session, "mission_staff", mission_code=DAMASCUS)
    make_contact(session, keyring, neighbour, address=OTHER_PHONE)
    session.commit()
    for phone, code in zip(phones, wrong_codes(first), strict=False):
        assert say(f"LAPSIT {incident.sms_code} #{code} SLM4 // tolong", phone).flags == ["code_refused"]
    assert alarms(session) == [("codes_guessed", ANKARA, WRONG_MAX_OF_MISSION)]
    assert say(f"LAPSIT {incident.sms_code} #{first} SLM9").flags == ["code_not_looked_at"]
    both = make_incident(session, areas=[SYRIA], title="Gempa Aleppo")
    session.commit()
    assert say(f"LAPSIT {both.sms_code} #{foreign} SLM9", OTHER_PHONE).flags == [], "another mission's codes are its own"


def test_an_exercise_locks_no_codes_of_an_actual_event_and_calls_nobody_up(
    client: TestClient, session: Session, keyring: Keyring, say: Say, understand: Understand, incident: Incident, officer: Staff
) -> None:
    drill = make_incident(session, areas=[HATAY], title="Latihan gempa", status="Exercise")
    first, *_ = codes(session, keyring)
    for number, code in zip(range(WRONG_MAX + 1), wrong_codes(first), strict=False):
        form = {"MessageSid": f"SM-w{number}", "From": PHONE, "To": "+15005550009", "Body": f"LAPSIT {drill.sms_code} #{code} SLM{number}"}
        assert client.post(HOOK, data=form, headers=signature(form, token=EXERCISE_TOKEN)).status_code == 200
        row = understand()[-1]
    assert row.flags == ["code_not_looked_at"], "it has its own limit"
    assert alarms(session) == []
    assert say(f"LAPSIT {incident.sms_code} #{first} SLM9").flags == []


CRIES = ("tolong, kantor dikepung", "SOS", "t\u200bolong kami", "ＴＯＬＯＮＧ", "keadaan darurat", "please HELP", "emergency!")


@pytest.mark.parametrize("cry", CRIES)
def test_a_mission_that_cries_for_help_is_filed_and_read_at_once(
    session: Session, say: Say, incident: Incident, officer: Staff, cry: str
) -> None:
    row = say(f"LAPSIT {incident.sms_code} BELUM // {cry}")
    assert (row.state, row.understood, row.mission_code) == ("matched", "urgent_unread", None)
    assert row.report_id is not None
    assert urgent_calls(session) == 1
    assert count_tray(session, OPENER).urgent == 1


def test_a_cry_for_help_is_read_at_once_whatever_became_of_the_message(
    session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff
) -> None:
    closed = make_incident(session, areas=[HATAY], title="Selesai")
    close_incident(session, actor=OPENER, incident_id=closed.id, reason="selesai")
    session.commit()
    first, *_ = codes(session, keyring)
    wrong = next(code for code in ("000000", "000001") if code != first)
    again = f"LAPSIT {incident.sms_code} SLM1 // tolong"
    said = [
        (PHONE, "LAPSIT Q9Q SLM4 // tolong kami"),
        (PHONE, f"LAPSIT {closed.sms_code} SLM4 SOS"),
        (PHONE, "LAPSIT tolong"),
        (PHONE, "LAPSIT SOS"),
        (PHONE, "lapsit: kami dikepung, DARURAT"),
        (PHONE, f"LAPSIT {incident.sms_code} #{wrong} SLM2 // tolong"),
        (PHONE, again),
        (PHONE, again),
        ("+905320000000", f"LAPSIT {incident.sms_code} MGL5 // tolong"),
    ]
    for number, (sender, body) in enumerate(said, start=1):
        row = say(body, sender)
        assert (row.understood, row.mission_code) == ("urgent_unread", None), body
        assert urgent_calls(session) == count_tray(session, OPENER).urgent == number, body
    make_incident(session, areas=[HATAY], title="Banjir")
    session.commit()
    row = say("LAPSIT SLM9 // tolong")
    assert (row.understood, row.flags) == ("urgent_unread", ["lapsit_not_filed"]), "which incident, nobody knows yet"
    assert urgent_calls(session) == len(said) + 1
