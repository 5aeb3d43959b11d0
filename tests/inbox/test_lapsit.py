"""A situation report from a mission's duty phone: filed, answered, and never guessed at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import count_tray
from alerts.incidents.actions import close_incident, reopen_incident
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.notices.models import Notice
from alerts.reports.models import ReportLine
from alerts.staff.models import Staff
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import HATAY, OPENER, SYRIA, make_incident
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff
from tests.inbox.conftest import EXERCISE_TOKEN, HOOK, signature
from tests.inbox.lapsit import ANKARA, DAMASCUS, PHONE, Say, answers, codes, lines, reports

Understand = Callable[[], list[InboundMessage]]


# -- filed and confirmed ------------------------------------------------------------------------------------------------------------


def test_a_message_becomes_a_report_and_is_repeated(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    row = say(f"lapsit {incident.sms_code} mgl- TR-31 lbr2 bdh~40 slm12(telepon) stf12/14 ktr+ lst- // jembatan putus")
    assert (row.state, row.understood, row.flags, row.incident_id) == ("matched", "lapsit", [], incident.id)
    [report] = reports(session)
    assert (row.report_id, report.source, report.filed_by, report.version) == (report.id, f"mission:{ANKARA}", f"staff:{officer.id}", 1)
    assert (report.state, report.as_of, report.narrative) == ("accepted", row.received_at, "jembatan putus")
    assert lines(session, report) == [
        ("dead", ["TR-31"], None, "asked_none_reported", "reported", "accepted"),
        ("seriously_injured", ["TR-31"], 2, None, "reported", "accepted"),
        ("unaccounted", ["TR-31"], 40, None, "reported", "accepted"),
        ("safe", ["TR-31"], 12, None, "reported", "accepted"),
    ]
    assert report.mission_status == {"staff_reached": 12, "staff_total": 14, "office": "working", "power": "not_working"}
    assert (report.filed["via"], report.filed["code"]) == ("sms", "none")
    assert "jembatan putus" in report.filed["text"]
    [answer] = answers(session)
    assert answer.startswith(f"SIAGA {incident.sms_code}: laporan 1 tercatat")
    assert "MGL- TR-31 LBR2 BDH~40 SLM12 STF12/14 KTR+ LST-" in answer
    assert "Tanpa kode" in answer
    published = session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'report.filed'")).scalar_one()
    assert published == 1
    assert count_tray(session, OPENER).waiting == 0


def test_with_a_code_of_its_list_it_says_what_it_states(
    session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff
) -> None:
    first, *_ = codes(session, keyring)
    say(f"LAPSIT {incident.sms_code} #{first} TR-31 SLM12(TELEPON) SLM3V MGL1(RS ANTAKYA)")
    [report] = reports(session)
    found = {row.category: row for row in session.query(ReportLine).filter_by(report_id=report.id).order_by(ReportLine.position.desc())}
    assert (found["safe"].counted_claim, found["safe"].contact["how"]) == ("contact_made", "TELEPON")
    assert officer.display_name in found["safe"].contact["who"]
    assert (found["dead"].counted_claim, found["dead"].how) == ("reported", "RS ANTAKYA")
    assert (report.filed["code"], report.filed["code_number"]) == ("valid", 1)
    assert first not in str(report.filed), "a code is kept nowhere"
    used = session.execute(text("SELECT number, report_id FROM lapsit_code WHERE used_at IS NOT NULL")).all()
    assert [tuple(row) for row in used] == [(1, report.id)]
    assert "Kode sah" in answers(session)[0]


def missions_clock(session: Session, *, minutes: int) -> str:
    """So many minutes from now, as Ankara's clock shows it."""
    now = session.execute(text("SELECT now() AT TIME ZONE 'Europe/Istanbul'")).scalar_one()
    return f"{now + timedelta(minutes=minutes):%H%M}"


def test_nothing_known_yet_is_a_report(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    say(f"LAPSIT {incident.sms_code} BELUM LJT{missions_clock(session, minutes=60)}")
    [report] = reports(session)
    assert [line[3] for line in lines(session, report)] == ["not_asked"] * 3
    assert report.next_report_at is not None
    assert report.next_report_at > report.as_of


def test_a_promise_that_passed_on_the_way_is_told(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    say(f"LAPSIT {incident.sms_code} SLM4 LJT{missions_clock(session, minutes=-10)}")
    [report] = reports(session)
    assert report.next_report_at is not None
    assert timedelta(0) < report.known_at - report.next_report_at < timedelta(minutes=12)
    assert "SUDAH LEWAT" in answers(session)[0]
    say(f"LAPSIT {incident.sms_code} SLM5 LJT{missions_clock(session, minutes=10)}")
    assert "SUDAH LEWAT" not in answers(session)[-1]


def test_a_code_is_kept_in_clear_nowhere_in_the_report(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    say(f"LAPSIT {incident.sms_code} SLM4 #1234567890 // kode kami \uff03483920")
    [report] = reports(session)
    assert "SLM4" in report.filed["text"]
    for secret in ("483920", "1234567890"):
        assert secret not in str(report.filed)
        assert secret not in (report.narrative or "")
        assert secret not in answers(session)[0]


def test_figures_that_cannot_be_right_are_held_and_asked_about(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    say(f"LAPSIT {incident.sms_code} XX-99 MGL2 TR-31 LBR0 SLM4 jembatan")
    [report] = reports(session)
    assert (report.state, [line[5] for line in lines(session, report)]) == ("held", ["held", "held", "accepted"])
    [answer] = answers(session)
    assert "DITAHAN: XX-99 MGL2 TR-31 LBR0" in answer
    assert "TIDAK TERBACA: JEMBATAN" in answer
    assert "tidak dikenal" in answer


def test_a_long_report_is_confirmed_in_two_segments(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    many = " ".join(f"TR-{number:02} SLM~{number}000 LBR{number} HLG? çöp{number}€" for number in range(1, 60))
    say(f"LAPSIT {incident.sms_code} {many} // {'panjang ' * 90}")
    [report] = reports(session)
    assert len(lines(session, report)) == 59 * 3
    assert "(+" in answers(session)[0]


def test_no_address_is_repeated(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    say(f"LAPSIT {incident.sms_code} SLM4(jahat.com/x) http://jahat.com/x jahat.com MGL-")
    [answer] = answers(session)
    assert "JAHAT" not in answer.upper()


# -- twice ----------------------------------------------------------------------------------------------------------------------


def test_the_same_twice_is_one_report(session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff) -> None:
    first, *_ = codes(session, keyring)
    body = f"LAPSIT {incident.sms_code} #{first} TR-31 MGL- SLM4"
    for sender_says in (body, body.lower() + " "):
        say(sender_says)
    say(body, MessageSid="SM-again")
    say(body, MessageSid="SM-again")
    assert len(reports(session)) == 1
    told = answers(session)
    assert len(told) == 3, "the carrier's own repetition is answered once"
    assert all("tidak dihitung dua kali" in answer for answer in told[1:])
    rows = session.query(InboundMessage).order_by(InboundMessage.id).all()
    assert [row.flags for row in rows] == [[], ["sent_twice"], ["sent_twice"]]
    assert {row.report_id for row in rows} == {reports(session)[0].id}


def test_other_words_or_the_same_much_later_are_another_report(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    row = say(f"LAPSIT {incident.sms_code} SLM4")
    say(f"LAPSIT {incident.sms_code} SLM5")
    session.execute(text("UPDATE inbound_message SET received_at = received_at - interval '16 minutes' WHERE id = :id"), {"id": row.id})
    say(f"LAPSIT {incident.sms_code} SLM4")
    assert [report.version for report in reports(session)] == [1, 2, 3]


# -- which incident ---------------------------------------------------------------------------------------------------------------


def test_without_a_code_the_only_open_incident_is_meant(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    row = say("LAPSIT MGL- SLM4")
    assert row.incident_id == incident.id
    other = make_incident(session, areas=[HATAY], title="Banjir")
    session.commit()
    row = say("LAPSIT MGL- SLM5")
    assert (row.state, row.flags, row.mission_code, row.report_id) == ("unmatched", ["lapsit_not_filed"], ANKARA, None)
    answer = answers(session)[-1]
    assert "BELUM dicatat" in answer
    assert incident.sms_code in answer
    assert f"{other.sms_code} Banjir" in answer
    assert len(reports(session)) == 1
    assert count_tray(session, OPENER).waiting == 1, "what was not filed is not lost"


def test_an_unknown_code_names_the_open_incidents_of_the_mission_alone(
    session: Session, say: Say, incident: Incident, officer: Staff
) -> None:
    foreign = make_incident(session, areas=[SYRIA], title="Rahasia")
    foreign_only = make_incident(session, areas=[{"kind": "country", "code": "JP"}], title="Lain")
    session.commit()
    said = [say(f"LAPSIT {code} SLM4") for code in ("Q9Q", "ZZZZ", foreign_only.sms_code)]
    assert {row.state for row in said} == {"unmatched"}
    assert reports(session) == []
    for answer in answers(session):
        assert "Gempa Hatay" in answer
        assert "Lain" not in answer
    assert foreign.sms_code != foreign_only.sms_code


def test_a_closed_incident_takes_no_report_and_says_so(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    row = say(f"LAPSIT {incident.sms_code} SLM4")
    assert (row.state, row.report_id) == ("unmatched", None)
    assert "sudah ditutup" in answers(session)[-1]
    say("LAPSIT SLM4")
    assert "tidak ada kejadian" in answers(session)[-1]
    reopen_incident(session, actor=OPENER, incident_id=incident.id, reason="ternyata belum")
    session.commit()
    assert say("LAPSIT SLM4").report_id is not None


def test_the_keyword_alone_is_answered_with_an_example(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    row = say("LAPSIT")
    assert (row.state, row.report_id) == ("matched", None)
    assert f"LAPSIT {incident.sms_code} MGL-" in answers(session)[0]


# -- whose phone ----------------------------------------------------------------------------------------------------------------


def test_a_strangers_phone_files_nothing(session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff) -> None:
    ministry = make_staff(session, "duty_officer")
    make_contact(session, keyring, ministry, address="+628119999999")
    session.commit()
    for sender in ("+905320000000", "+628119999999"):
        row = say(f"LAPSIT {incident.sms_code} MGL5", sender)
        assert (row.state, row.understood, row.flags, row.report_id) == ("unmatched", "unclear", ["lapsit_of_a_stranger"], None)
    assert reports(session) == []
    assert answers(session) == [], "a stranger is told nothing"
    assert count_tray(session, OPENER).waiting == 2


def test_who_left_or_gave_the_phone_back_is_a_stranger(session: Session, say: Say, incident: Incident, officer: Staff) -> None:
    session.execute(text("UPDATE staff SET is_active = false"))
    assert say("LAPSIT SLM4").flags == ["lapsit_of_a_stranger"]
    session.execute(text("UPDATE staff SET is_active = true"))
    session.execute(text("UPDATE staff_contact SET retired_at = now()"))
    assert say("LAPSIT SLM5").flags == ["lapsit_of_a_stranger"]


def test_a_phone_of_two_missions_speaks_for_the_one_that_the_incident_involves(
    session: Session, keyring: Keyring, say: Say, incident: Incident, officer: Staff
) -> None:
    make_contact(session, keyring, make_staff(session, "head_of_mission", mission_code=DAMASCUS), address=PHONE)
    session.commit()
    assert say(f"LAPSIT {incident.sms_code} SLM4").mission_code == ANKARA
    both = make_incident(session, areas=[HATAY, SYRIA], title="Keduanya")
    session.commit()
    assert say(f"LAPSIT {both.sms_code} SLM5").report_id is None
    assert "beberapa perwakilan" in answers(session)[-1]


def test_lapor_diri_of_a_citizen_is_no_report(session: Session, keyring: Keyring, say: Say, incident: Incident) -> None:
    person = make_citizen(session, keyring)
    make_member(session, incident, person)
    session.commit()
    row = say("LAPOR DIRI", person.e164)
    assert (row.state, row.understood, row.flags, row.report_id) == ("matched", "unclear", ["wants_to_register"], None)


# -- clocks and exercises -----------------------------------------------------------------------------------------------------------


def test_a_stated_hour_is_the_last_one_by_the_missions_clock_and_an_old_one_is_asked_about(
    session: Session, say: Say, incident: Incident, officer: Staff
) -> None:
    now = session.execute(text("SELECT now() AT TIME ZONE 'Europe/Istanbul'")).scalar_one()
    for minutes in (-60, 120):
        stated = now + timedelta(minutes=minutes)
        say(f"LAPSIT {incident.sms_code} PKL{stated:%H%M} SLM{abs(minutes)}")
    an_hour_ago, tomorrow = reports(session)
    assert timedelta(minutes=59) < an_hour_ago.known_at - an_hour_ago.as_of < timedelta(minutes=62)
    assert timedelta(hours=21) < tomorrow.known_at - tomorrow.as_of < timedelta(hours=23), "nothing is true before it is known"
    assert "periksa jam Anda" in answers(session)[-1]
    assert f"{now - timedelta(days=1) + timedelta(minutes=120):%d/%m}" in answers(session)[-1]


def test_exercises_have_their_own_number_incident_and_answer(
    client: Any, session: Session, understand: Understand, incident: Incident, officer: Staff
) -> None:
    drill = make_incident(session, areas=[HATAY], title="Latihan gempa", status="Exercise")
    session.commit()

    def to_drill(body: str, sid: str) -> InboundMessage:
        form = {"MessageSid": sid, "From": PHONE, "To": "+15005550009", "Body": body}
        assert client.post(HOOK, data=form, headers=signature(form, token=EXERCISE_TOKEN)).status_code == 200
        return understand()[-1]

    row = to_drill(f"LAPSIT {drill.sms_code} SLM4", "SM-d1")
    assert (row.incident_id, reports(session)[0].status) == (drill.id, "Exercise")
    row = to_drill(f"LAPSIT {incident.sms_code} SLM4", "SM-d2")
    assert row.report_id is None
    assert [body[:9] for body in answers(session)] == ["LATIHAN: "] * 2
    assert {notice.status for notice in session.query(Notice)} == {"Exercise"}
