"""The card beside a mission's phone, and its lists of one-time codes."""

from __future__ import annotations

import re
import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.kit.crypto import Keyring
from alerts.reports.code_lists.actions import weigh_code
from alerts.reports.code_lists.rules import Verdict
from alerts.reports.rules.lapsit import is_lapsit, read
from tests.console.conftest import Browser
from tests.factories.incidents import HATAY, make_incident

PAGE = "/missions/kbri-ankara/lapsit"


def verdict(session: Session, keyring: Keyring, code: str) -> Verdict:
    return weigh_code(session, keyring, mission_code="kbri-ankara", digits=code)[0]


def test_the_card_has_the_open_codes_the_places_and_examples_that_are_read(session: Session, browse: Browser) -> None:
    incident = make_incident(session, areas=[HATAY], title="Gempa Hatay")
    drill = make_incident(session, areas=[HATAY], title="Latihan", status="Exercise")
    session.commit()
    page = browse("mission_staff").get(PAGE).text
    for word in (incident.sms_code, drill.sms_code, "TR-31", "Hatay", "MGL", "meninggal dunia", "belum dapat dihubungi"):
        assert str(word) in page
    examples = re.findall(r'<p class="sms">([^<]*)</p>', page)
    assert len(examples) == 4
    for example in examples:
        assert is_lapsit(example)
        assert (read(example).incident, read(example).unread) == (incident.sms_code, ())
    assert "Buat daftar" not in page, "a mission does not make its own codes"
    assert f"LAPSIT {incident.sms_code}" in browse("mission_staff").get(f"/incidents/{incident.id}").text


def test_another_missions_card_does_not_exist(browse: Browser) -> None:
    assert browse("mission_staff", mission_code="kbri-tokyo").get(PAGE).status_code == 404
    assert browse("mission_staff").post(f"{PAGE}/codes", size="5").status_code == 403


def test_a_list_is_shown_once_and_taken_back(session: Session, keyring: Keyring, browse: Browser) -> None:
    administrator = browse("administrator")
    shown = administrator.post(f"{PAGE}/codes", size="50")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    codes = re.findall(r"<li><code>#(\d{6})</code></li>", shown.text)
    assert len(set(codes)) == 50
    assert verdict(session, keyring, codes[7]) is Verdict.VALID
    page = administrator.get(PAGE).text
    assert "50 kode" in page
    assert not [code for code in codes if code in page]
    stored = session.execute(text("SELECT string_agg(t::text, ' ') FROM lapsit_code t")).scalar_one()
    assert not [code for code in codes if f",{code}," in stored]
    [list_id] = re.findall(r"/codes/([0-9a-f-]{36})/revoke", page)
    form = {"reason": "amplop terbuka", "form_key": uuid.uuid4().hex}
    assert administrator.post(f"{PAGE}/codes/{list_id}/revoke", **form).status_code == 303
    assert verdict(session, keyring, codes[7]) is Verdict.REVOKED
    assert "amplop terbuka" in administrator.get(PAGE).text
    done = session.execute(text("SELECT action, detail FROM action_log WHERE action LIKE 'lapsit_codes.%' ORDER BY id")).all()
    assert [row.action for row in done] == ["lapsit_codes.issued", "lapsit_codes.revoked"]
    assert done[0].detail == {"mission": "kbri-ankara", "size": 50}


def test_a_mission_has_no_more_than_three_lists_in_force(browse: Browser) -> None:
    officer = browse("duty_officer")
    answers = [officer.post(f"{PAGE}/codes", size="2").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 409]
    assert officer.post(f"{PAGE}/codes", size="0").status_code == 422
