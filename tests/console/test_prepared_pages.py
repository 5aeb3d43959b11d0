"""Pages of prepared words over HTTP: first alert, hold, one-click correction, reminder, latecomers, quiet."""

from __future__ import annotations

import re
from html import unescape
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.models import Broadcast, MessageTemplate
from alerts.broadcasts.schemas import Approval, BroadcastDraft, Texts
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.waves import open_wave
from alerts.deliveries.actions import release
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from tests.console.conftest import Browser, Person
from tests.console.test_pages import form_key, open_one
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.factories.templates import make_template


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, name
    return unescape(found.group(1))


def people(session: Session, keyring: Keyring, count: int = 3) -> None:
    for _ in range(count):
        make_citizen(session, keyring, province_code="TR-31")
    session.commit()


def pressed(person: Person, incident: str) -> str:
    page = person.get(f"{incident}/first-alert").text
    form = {name: hidden(page, name) for name in ("form_key", "template", "area")}
    answer = person.post(f"{incident}/first-alert", **form, hotline="")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def sent(session: Session, incident: Incident) -> UUID:
    """A message that went out to everybody there."""
    author, approver = make_actor(session, "duty_officer"), make_actor(session, "approver")
    draft = BroadcastDraft(texts=Texts(id="Gempa.", en="Quake."), validity_seconds=3600)
    broadcast = draft_broadcast(session, actor=author, incident_id=incident.id, command=draft)
    submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=senders())
    approve_broadcast(session, actor=approver, broadcast_id=broadcast.id, command=Approval(content_hash=broadcast.content_hash or ""))
    release(session, broadcast.id, batch_size=500)
    session.commit()
    return broadcast.id


def test_two_taps_from_the_incident_to_a_held_first_alert(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    make_template(session, event_kind="earthquake")
    session.commit()
    officer, approver = browse("duty_officer"), browse("approver")
    incident = open_one(officer)
    assert f'href="{incident}/first-alert"' in officer.get(incident).text
    page = officer.get(f"{incident}/first-alert").text
    assert "Gempa kuat di Turki pukul" in page
    message = pressed(officer, incident)
    held = officer.get(message).text
    assert "Ditahan: belum ada yang dikirim" in held
    assert 'data-left="' in held
    assert "/confirm" not in held
    page = approver.get(message).text
    confirmed = approver.post(f"{message}/confirm", form_key=form_key_h(page), content_hash=hidden(page, "content_hash"))
    assert confirmed.status_code == 303
    assert session.scalars(select(Broadcast.state)).one() == "approved"


def form_key_h(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f]{32}h)"', page)
    assert found
    return found.group(1)


@pytest.mark.parametrize("role", ["duty_officer", "approver"])
def test_one_click_stops_it_in_the_hold(browse: Browser, session: Session, keyring: Keyring, role: str) -> None:
    people(session, keyring)
    make_template(session)
    session.commit()
    officer = browse("duty_officer")
    incident = open_one(officer)
    message = pressed(officer, incident)
    second = browse(role)
    stopped = second.post(f"{message}/cancel", reason=hidden(second.get(message).text, "reason"))
    assert stopped.status_code == 303
    session.expire_all()
    assert session.scalars(select(Broadcast.state)).one() == "cancelled"
    assert "menghentikan peringatan pertama" in officer.get(incident).text


def test_without_prepared_words_the_page_says_what_to_do(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    officer = browse("duty_officer")
    page = officer.get(f"{open_one(officer)}/first-alert")
    assert page.status_code == 200
    assert "Belum ada teks siap pakai" in page.text


def test_a_hotline_that_the_words_need_is_asked_for(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    make_template(session, texts={"id": "Telepon {hotline}.", "en": "Call {hotline}."})
    session.commit()
    officer = browse("duty_officer")
    incident = open_one(officer)
    assert "memerlukan isi" in officer.get(f"{incident}/first-alert").text
    assert "Telepon +90 532 123." in officer.get(f"{incident}/first-alert?hotline=%2B90+532+123").text


def test_the_proposals_are_taken_over_without_typing_and_approved_by_another(browse: Browser, session: Session) -> None:
    officer, approver = browse("duty_officer"), browse("approver")
    page = officer.get("/prepared").text
    assert officer.post("/prepared/proposals", form_key=hidden(page, "form_key")).status_code == 303
    waiting = session.scalars(select(MessageTemplate)).all()
    assert {"koreksi_cancel", "koreksi_update", "awal_earthquake"} <= {row.code for row in waiting}
    assert "/approve" not in officer.get("/prepared").text
    page = approver.get("/prepared").text
    form = re.search(
        r'action="(/prepared/[0-9a-f-]+/approve)"><input type="hidden" name="form_key" value="(\w+)">[^>]*value="(\w{64})"', page
    )
    assert form
    assert approver.post(form.group(1), form_key=form.group(2), content_hash=form.group(3)).status_code == 303
    session.expire_all()
    assert [row.state for row in session.scalars(select(MessageTemplate))].count("in_use") == 1
    again = officer.get("/prepared").text
    officer.post("/prepared/proposals", form_key=hidden(again, "form_key"))
    assert len(session.scalars(select(MessageTemplate)).all()) == len(waiting)


def test_words_that_cannot_be_are_refused_with_what_was_typed(browse: Browser) -> None:
    officer = browse("duty_officer")
    key = form_key(officer.get("/prepared").text.replace('p"', '"'))
    form = {"code": "uji", "kind": "first_alert", "event_kind": "", "title": "Uji", "text_id": "Di {kota}.", "text_en": "In {city}."}
    refused = officer.post("/prepared", form_key=key, **form)
    assert refused.status_code == 422
    assert "Di {kota}." in unescape(refused.text)
    assert officer.post("/prepared", form_key=key + "x", **(form | {"code": "Kode Salah"})).status_code == 422


def test_one_click_corrects(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    make_template(session, TemplateKind.CANCEL, title="Batalkan")
    broadcast_id = sent(session, make_incident(session))
    officer = browse("duty_officer")
    page = officer.get(f"/broadcasts/{broadcast_id}").text
    form = re.search(
        r'correct-prepared"><input type="hidden" name="form_key" value="(\w+)"><input type="hidden" name="template" value="([^"]+)"', page
    )
    assert form
    for _ in range(2):  # a second tap acts once
        done = officer.post(f"/broadcasts/{broadcast_id}/correct-prepared", form_key=form.group(1), template=form.group(2))
        assert done.status_code == 303
    [correction] = session.scalars(select(Broadcast).where(Broadcast.msg_type == "Cancel"))
    assert (correction.state, correction.references) == ("approved", [broadcast_id])
    session.expire_all()
    assert session.get_one(Broadcast, broadcast_id).state == "cancelled"
    assert officer.get(f"/broadcasts/{correction.id}").status_code == 200


def test_a_reminder_is_proposed_and_waits_for_a_second_person(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    broadcast_id = sent(session, make_incident(session))
    officer = browse("duty_officer")
    page = officer.get(f"/broadcasts/{broadcast_id}").text
    assert "Kami belum menerima kabar Anda" in page
    key = re.search(r'value="([0-9a-f]{32}f)"', page)
    assert key
    done = officer.post(f"/broadcasts/{broadcast_id}/follow-up", form_key=key.group(1), text_id="Aman?", text_en="Safe?")
    assert done.status_code == 303
    reminder = session.scalars(select(Broadcast).where(Broadcast.purpose == "follow_up")).one()
    assert reminder.state == "submitted"
    assert "Pengingat" in officer.get(f"/broadcasts/{reminder.id}").text


def test_too_many_latecomers_are_let_go_by_the_typed_count(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    broadcast_id = sent(session, make_incident(session))
    people(session, keyring, 2)
    wave = open_wave(session, broadcast_id, configured=senders("sms"))
    assert wave is not None
    wave.needs_approval = True
    session.commit()
    approver, officer = browse("approver"), browse("duty_officer")
    assert "waves/2/approve" not in officer.get(f"/broadcasts/{broadcast_id}").text
    key = re.search(r'value="([0-9a-f]{32}w2)"', approver.get(f"/broadcasts/{broadcast_id}").text)
    assert key
    path = f"/broadcasts/{broadcast_id}/waves/2/approve"
    assert approver.post(path, form_key=key.group(1) + "x", count="3").status_code == 409
    assert approver.post(path, form_key=key.group(1), count="2").status_code == 303


def test_a_promise_is_chosen_not_typed(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    officer, approver = browse("duty_officer"), browse("approver")
    incident = open_one(officer)
    key = form_key(officer.get(f"{incident}/broadcasts/new").text)
    form = {"text_id": "Gempa.", "text_en": "Quake.", "channel": ["sms"], "next_in": "120"}
    message = officer.post(f"{incident}/broadcasts/new", form_key=key, **form).headers["location"]
    assert "Kabar berikutnya pukul" in officer.get(message).text
    assert officer.post(f"{message}/submit").status_code == 303
    assert "Anda juga menyetujui ini" in approver.get(f"{message}/approve").text
    version = hidden(officer.get(f"{message}/edit").text, "version")
    assert officer.post(f"{message}/edit", version=version, **(form | {"next_in": ""})).status_code == 303
    assert "Kabar berikutnya pukul" not in officer.get(message).text


def test_a_quiet_incident_says_so_and_lists_no_text(browse: Browser, session: Session, keyring: Keyring) -> None:
    people(session, keyring)
    officer = browse("duty_officer")
    assert open_refused(officer) == 422
    incident = open_one(officer, quiet="yes", quiet_reason="Penyandera mendengar telepon")
    page = officer.get(incident).text
    assert "KEJADIAN SENYAP" in page
    assert "Penyandera mendengar telepon" in page
    key = form_key(officer.get(f"{incident}/broadcasts/new").text)
    officer.post(f"{incident}/broadcasts/new", form_key=key, text_id="Titik kumpul: gerbang utara.", text_en="North gate.", channel=["sms"])
    page = officer.get(incident).text
    assert "gerbang utara" not in page
    assert "(teks terbatas)" in page


def open_refused(officer: Person) -> int:
    form = {"kind": "hostage", "urgency": "Immediate", "severity": "Extreme", "certainty": "Observed", "clock": "event", "quiet": "yes"}
    key = form_key(officer.get("/incidents/new").text)
    return officer.post("/incidents/new", form_key=key, place=["Turki (TR)"], quiet_reason="", **form).status_code


def test_who_may_make_it_quiet_and_who_may_end_it(browse: Browser, session: Session) -> None:
    incident = make_incident(session)
    session.commit()
    head = browse("head_of_mission", mission_code="kbri-ankara")
    path = f"/incidents/{incident.id}"
    done = head.post(f"{path}/quiet", etag=hidden(head.get(path).text, "etag"), quiet="yes", reason="Ada penyandera")
    assert done.status_code == 303
    assert "Jadikan senyap" not in head.get(path).text
    officer = browse("duty_officer")
    etag = hidden(officer.get(path).text, "etag")
    assert head.post(f"{path}/quiet", etag=etag, quiet="no", reason="sudah aman").status_code == 403
    assert officer.post(f"{path}/quiet", etag=etag, quiet="no", reason="sudah aman").status_code == 303
    actions = session.scalars(text("SELECT action FROM action_log WHERE action LIKE 'incident.made%' ORDER BY id")).all()
    assert actions == ["incident.made_quiet", "incident.made_loud"]


def test_an_empty_list_offers_no_button_and_says_why(browse: Browser, session: Session) -> None:
    incident, writer = make_incident(session, status="Exercise"), make_actor(session, "duty_officer")
    draft = draft_broadcast(session, actor=writer, incident_id=incident.id, command=BroadcastDraft(texts=Texts(id="Uji", en="Test")))
    submit_broadcast(session, actor=writer, broadcast_id=draft.id, configured=senders())
    session.commit()
    page = browse("approver").get(f"/exercise/broadcasts/{draft.id}/approve").text
    assert "peserta latihan" in page
    assert 'name="count"' not in page
    assert "tercapai" not in page, "nothing was reached where nobody is"
    assert 'name="reason"' in page
