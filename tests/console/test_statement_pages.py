"""Statements by forms alone: keep a draft, publish with a second hand, copies, rumours, what is refused is shown again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.clock import db_now
from alerts.live.actions import refresh
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.statements.models import Rumour, Statement
from tests.factories.incidents import OPENER, make_incident
from tests.factories.reports import line, report_body

Browser = Callable[..., Any]
OWN = {"own1_id": "{own.injured} WNI didampingi.", "own1_en": "We are with {own.injured} of ours."}


@pytest.fixture
def incident(session: Session) -> Incident:
    incident = make_incident(session)
    body = report_body(line("injured", 10), source="ministry", as_of=db_now(session).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    return incident


def form_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with this action."""
    form = page.partition(f'action="{action}"')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)}


def drafted(person: Any, incident: Incident, **fields: str) -> str:
    base = f"/incidents/{incident.id}/statements"
    hidden = form_of(person.get(base).text, base)
    answer = person.post(base, **hidden, clause="injured", **fields)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_a_draft_is_kept_and_published_and_gives_copies(session: Session, incident: Incident, browse: Browser) -> None:
    writer = browse("public_information")
    path = drafted(writer, incident)
    page = writer.get(path).text
    assert "10 WNI dilaporkan luka-luka." in page
    assert "copy-x-id" not in page
    done = writer.post(f"{path}/publish", **form_of(page, f"{path}/publish"))
    assert (done.status_code, done.headers["location"]) == (303, path)
    page = writer.get(path).text
    assert "copy-x-id" in page
    assert "SHA-256" in page
    assert session.scalars(select(Statement.state)).one() == "published"


def test_own_words_are_published_by_another_and_a_changed_version_is_refused(incident: Incident, browse: Browser) -> None:
    writer, minister = browse("public_information"), browse("minister", lang="en")
    path = drafted(writer, incident, **OWN, hotline1_name="KBRI", hotline1_number="112")
    assert f'action="{path}/publish"' not in writer.get(path).text
    page = minister.get(path).text
    assert "We are with 10 of ours." in page
    seen = form_of(page, f"{path}/publish")
    edit = form_of(writer.get(path).text, path)
    assert writer.post(path, **edit, clause="injured").status_code == 303
    assert minister.post(f"{path}/publish", **seen, came_from=path).status_code == 409
    assert minister.post(f"{path}/publish", **form_of(minister.get(path).text, f"{path}/publish")).status_code == 303


def test_what_is_refused_comes_back_with_what_was_typed(incident: Incident, browse: Browser) -> None:
    writer, base = browse("public_information", lang="en"), f"/incidents/{incident.id}/statements"
    hidden = form_of(writer.get(base).text, base)
    answer = writer.post(base, **hidden, clause="injured", own1_id="Semua WNI selamat.", own1_en="All are safe.")
    assert answer.status_code == 422
    assert "Nobody has checked that" in answer.text
    assert "Semua WNI selamat." in answer.text


def test_a_rumour_is_answered_by_two(session: Session, incident: Incident, browse: Browser) -> None:
    writer, minister, base = browse("public_information"), browse("minister"), f"/incidents/{incident.id}"
    hidden = form_of(writer.get(f"{base}/statements").text, f"{base}/rumours")
    said = {"claim_id": "KBRI tutup.", "claim_en": "The embassy is shut.", "verdict": "false"}
    said |= {"explanation_id": "KBRI tetap buka.", "explanation_en": "It is open."}
    for _ in range(2):
        assert writer.post(f"{base}/rumours", **hidden, **said, came_from=f"{base}/statements").status_code == 303
        hidden = form_of(writer.get(f"{base}/statements").text, f"{base}/rumours")
    second, first = session.scalars(select(Rumour.id).order_by(Rumour.id.desc())).all()
    assert f'action="{base}/rumours/{first}/publish"' not in writer.get(f"{base}/statements").text
    page = minister.get(f"{base}/statements").text
    assert "KBRI tetap buka." in page
    assert "It is open." in page, "whoever publishes reads both languages"
    for rumour, act in ((first, "publish"), (second, "withdraw")):
        path = f"{base}/rumours/{rumour}/{act}"
        assert minister.post(path, **form_of(page, path)).status_code == 303
    assert session.scalars(select(Rumour.state).order_by(Rumour.id)).all() == ["published", "withdrawn"]
    other = make_incident(session)
    session.commit()
    assert minister.post(f"/incidents/{other.id}/rumours/{first}/publish", **form_of(page, path)).status_code == 404


def test_a_statement_is_withdrawn_with_a_prepared_reason(incident: Incident, browse: Browser) -> None:
    writer = browse("public_information")
    path = drafted(writer, incident)
    hidden = form_of(writer.get(path).text, f"{path}/withdraw")
    typed = writer.post(f"{path}/withdraw", **hidden, reason="Kata sendiri", came_from=path)
    assert typed.status_code == 422
    hidden = form_of(writer.get(path).text, f"{path}/withdraw")
    assert writer.post(f"{path}/withdraw", **hidden, reason="figure_corrected", came_from=path).status_code == 303
    assert "Angka diperbaiki." in writer.get(path).text


@pytest.mark.parametrize("lang", ["id", "en"])
def test_the_brief_is_one_page_of_sheet_and_sentence(incident: Incident, browse: Browser, lang: str) -> None:
    page = browse("minister", lang=lang).get(f"/incidents/{incident.id}/brief").text
    assert "10 WNI dilaporkan luka-luka." in page
    assert page.count('<th scope="row">') == 5


def test_another_incidents_statement_and_missions_see_nothing(session: Session, incident: Incident, browse: Browser) -> None:
    path = drafted(browse("public_information"), incident)
    other = make_incident(session)
    session.commit()
    assert browse("minister").get(path.replace(str(incident.id), str(other.id))).status_code == 404
    assert browse("mission_staff").get(path).status_code == 403


def test_the_ministers_page_says_that_a_published_figure_has_changed(session: Session, incident: Incident, browse: Browser) -> None:
    writer, minister = browse("public_information"), browse("minister")
    path = drafted(writer, incident)
    writer.post(f"{path}/publish", **form_of(writer.get(path).text, f"{path}/publish"))
    page = f"/incidents/{incident.id}/minister"
    assert "Angka-angka telah berubah" not in minister.get(page).text
    body = report_body(line("injured", 12), source="ministry", as_of=db_now(session).isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    for address in (page, f"{page}/sheet"):
        assert "Angka-angka telah berubah" in minister.get(address).text
