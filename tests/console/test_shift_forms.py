"""Taking over, merging and handing over by forms alone: once each, refused with a sentence where they must be."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.live.shifts.models import Handover
from tests.console.conftest import Browser
from tests.factories.incidents import HATAY, ISTANBUL, make_incident
from tests.factories.staff import make_staff


def test_an_incident_is_taken_over_once_by_one_tap(browse: Browser, session: Session) -> None:
    incident = make_incident(session, areas=[HATAY])
    duty = browse("duty_officer")
    taken, again = (duty.post(f"/incidents/{incident.id}/take-over", form_key="1" * 32) for _ in range(2))
    assert (taken.status_code, taken.headers["location"]) == (303, f"/incidents/{incident.id}")
    assert again.headers["location"] == taken.headers["location"]
    session.expire_all()
    assert (incident.lead_by or "").startswith("staff:")
    head = browse("head_of_mission", mission_code="kbri-ankara")
    assert head.post(f"/incidents/{incident.id}/take-over", form_key="2" * 32).status_code == 403


def test_a_merge_ends_on_the_page_of_the_one_that_goes_on(browse: Browser, session: Session) -> None:
    theirs, ours = make_incident(session, areas=[HATAY]), make_incident(session, areas=[ISTANBUL])
    duty = browse("duty_officer")
    done = duty.post(f"/incidents/{theirs.id}/merge", form_key="3" * 32, into=str(ours.id), reason="gempa yang sama")
    assert (done.status_code, done.headers["location"]) == (303, f"/incidents/{ours.id}")
    session.expire_all()
    assert theirs.merged_into == ours.id


def test_what_must_not_be_merged_is_refused_with_a_sentence(browse: Browser, session: Session) -> None:
    quiet, loud = make_incident(session, is_quiet=True, quiet_reason="penyerangan"), make_incident(session)
    replayed = make_incident(session, is_replayed=True)
    duty = browse("duty_officer")
    refusals: list[tuple[Incident, Incident, str]] = [
        (quiet, loud, "Kejadian ini senyap dan yang lain tidak"),
        (loud, replayed, "diputar ulang"),
        (loud, loud, ""),
    ]
    for number, (source, target, words) in enumerate(refusals):
        answer = duty.post(f"/incidents/{source.id}/merge", form_key=f"{number}" * 32, into=str(target.id), reason="sama")
        assert answer.status_code == 409, answer.text
        assert words in answer.text
    missing = duty.post(f"/incidents/{loud.id}/merge", form_key="9" * 32, into=str(quiet.id))
    assert missing.status_code == 422
    session.expire_all()
    assert {each.merged_into for each in (quiet, loud, replayed)} == {None}


def test_a_shift_is_signed_once_and_needs_a_note_and_a_successor(browse: Browser, session: Session) -> None:
    incident, relief = make_incident(session), make_staff(session, "duty_officer")
    duty, path = browse("duty_officer"), f"/incidents/{incident.id}/handover"
    for number, form in enumerate(({"to_staff": str(relief.id), "note": " "}, {"to_staff": "", "note": "catatan"})):
        assert duty.post(path, form_key=f"{number}" * 32, **form).status_code == 422
    form = {"form_key": "4" * 32, "to_staff": str(relief.id), "note": "Kemlu Turki menelepon."}
    signed, again = (duty.post(path, **form) for _ in range(2))
    assert (signed.status_code, signed.headers["location"], again.status_code) == (303, path, 303)
    assert session.scalar(select(func.count()).select_from(Handover)) == 1
    assert "Kemlu Turki menelepon." in duty.get(path).text
