"""Pages of country rules, of the preview and of the forecast."""

from __future__ import annotations

import re
import uuid

import pytest
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import draft_broadcast, submit_broadcast
from alerts.broadcasts.schemas import BroadcastDraft
from alerts.channels.rule_book import RuleBook, remember_book
from alerts.country_rules.actions import load_packaged_rules
from alerts.country_rules.queries import load_book
from alerts.kit.crypto import Keyring
from tests.console.conftest import Browser
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor

TURKIYE = "/country-rules/twilio/sms/TR"
TEXTS = {"id": "Gempa kuat. Jauhi gedung retak.", "en": "Strong earthquake. Keep away from cracked buildings."}
RULE = {
    "outbound": "yes", "two_way": "no", "urls": "yes", "phone_numbers": "unknown", "sender_kind": "unknown", "receipts": "no",
    "quiet_scope": "nothing", "rate_per_second": "10", "price_per_segment": "0.05", "currency": "USD", "source": "surat operator",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _rules(session: Session) -> object:
    load_packaged_rules(session)
    session.commit()
    yield
    remember_book(RuleBook.packaged())


def form(**changes: str) -> dict[str, str]:
    return RULE | {"form_key": uuid.uuid4().hex, "version": "1"} | changes


def test_an_administrator_edits_a_rule_on_a_page(session: Session, browse: Browser) -> None:
    administrator = browse("administrator")
    assert 'href="/country-rules"' in administrator.get("/staff").text
    table = administrator.get("/country-rules").text
    assert "Uni Emirat Arab" in table
    assert TURKIYE in table
    assert administrator.get("/country-rules/find?provider=twilio&channel=sms&number_country=tr").headers["location"] == TURKIYE
    assert "hanya nama terdaftar" in administrator.get(TURKIYE).text
    saved = administrator.post(TURKIYE, **form())
    assert (saved.status_code, saved.headers["location"]) == (303, TURKIYE)
    rule = load_book(session).rules_for("TR")
    assert (rule.urls, rule.version, rule.currency) == ("yes", 2, "USD")
    page = administrator.get(TURKIYE).text
    assert "versi 2" in page
    assert re.search(r"Tautan: <del>no</del> <ins>yes</ins>", page)


def test_a_country_nobody_wrote_of_has_a_form_too(browse: Browser) -> None:
    page = browse("administrator", lang="en").get("/country-rules/twilio/voice/FR")
    assert page.status_code == 200
    assert "nobody has written a rule yet" in page.text
    assert browse("administrator").get("/country-rules/find?provider=twilio&channel=sms&number_country=zz").status_code == 422


def test_a_form_that_makes_no_sense_is_shown_again_with_the_reason(browse: Browser) -> None:
    administrator = browse("administrator")
    refused = administrator.post(TURKIYE, **form(currency="", note="Catatan saya"))
    assert refused.status_code == 422
    assert "Mata uang terdiri dari tiga huruf besar" in refused.text
    assert "Catatan saya" in refused.text
    assert administrator.post(TURKIYE, **form(quiet_from="9 malam")).status_code == 422
    assert administrator.post(TURKIYE, **form(version="7")).status_code == 409


def test_nobody_else_sees_the_rules_pages(browse: Browser) -> None:
    officer = browse("duty_officer")
    assert officer.get("/country-rules").status_code == 403
    assert officer.post(TURKIYE, **form()).status_code == 403
    assert 'href="/country-rules"' not in officer.get("/incidents").text


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "id",
            (
                "Tidak ada penyedia yang menjangkau 1 orang ini</strong>: Suriah, SMS",
                "Sebagai gantinya: aplikasi (push), penyedia lain",
                "Berapa lama",
            ),
        ),
        (
            "en",
            ("No provider reaches this 1 person</strong>: Syria, SMS", "Instead: the app (push), another provider", "How long it takes"),
        ),
    ],
)
def test_the_preview_says_who_is_not_reached_and_what_is_offered(
    session: Session, keyring: Keyring, browse: Browser, lang: str, words: tuple[str, ...]
) -> None:
    incident = make_incident(session)
    make_citizen(session, keyring, phones=("+905321234567",))
    make_citizen(session, keyring, phones=("+963944123456",))
    actor = make_actor(session, "duty_officer")
    broadcast = draft_broadcast(session, actor=actor, incident_id=incident.id, command=BroadcastDraft.model_validate({"texts": TEXTS}))
    officer = browse("duty_officer", lang=lang)
    page = re.sub(r"\s+", " ", officer.get(f"/broadcasts/{broadcast.id}").text)
    assert [each for each in words if each not in page] == []


def test_the_approval_page_and_the_reach_have_the_forecast(session: Session, keyring: Keyring, browse: Browser) -> None:
    incident = make_incident(session)
    make_citizen(session, keyring, phones=("+905321234567",))
    actor = make_actor(session, "duty_officer")
    broadcast = draft_broadcast(session, actor=actor, incident_id=incident.id, command=BroadcastDraft.model_validate({"texts": TEXTS}))
    submit_broadcast(session, actor=actor, broadcast_id=broadcast.id, configured=senders())
    page = browse("approver", lang="en").get(f"/broadcasts/{broadcast.id}/approve").text
    assert "95 % handed over in" in page
    assert "our own machines" in page
    assert "price not known for 1 segment" in page
