"""Country rules in the table: loaded, edited by an administrator, kept in every version, and heeded at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.channels.country_rules import Known, packaged_rules
from alerts.channels.rule_book import RuleBook, remember_book
from alerts.country_rules.actions import LoadedRules, change_rule, claim_rule, load_packaged_rules
from alerts.country_rules.models import CountryRuleVersion
from alerts.country_rules.queries import load_book
from alerts.country_rules.rules import RuledChannel
from alerts.kit.audit import ActionLog
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.staff import make_actor

SignIn = Callable[..., dict[str, str]]
TURKIYE = "/api/v1/country-rules/twilio/sms/TR"
RULE = {"outbound": "yes", "two_way": "no", "urls": "no", "phone_numbers": "yes", "source": "surat operator 12/2026"}
PACKAGED = len(packaged_rules())


@pytest.fixture(autouse=True)
def _book_of_the_package() -> Iterator[None]:
    yield
    remember_book(RuleBook.packaged())


class Clerk:
    """One signed-in person and their requests."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def get(self, path: str, **headers: str) -> Any:
        return self._client.get(path, headers=self._headers | headers)

    def put(self, path: str, body: dict[str, Any], *, etag: str | None = None, key: str = "") -> Any:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, "If-Match": etag or self.get(path).headers["etag"]}
        return self._client.put(path, json=body, headers=self._headers | headers)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        return self._client.request(method, path, headers=self._headers | more.pop("headers", {}), **more)


@pytest.fixture
def administrator(client: TestClient, sign_in: SignIn) -> Clerk:
    return Clerk(client, sign_in("administrator"))


@pytest.fixture
def loaded(session: Session) -> Session:
    load_packaged_rules(session)
    session.commit()
    return session


def test_loading_twice_changes_nothing(session: Session) -> None:
    assert load_packaged_rules(session) == LoadedRules(PACKAGED, PACKAGED, 0)
    assert load_packaged_rules(session) == LoadedRules(PACKAGED, 0, 0)
    assert dict(load_book(session).rules).keys() == packaged_rules().keys()


def test_loading_never_overwrites_what_an_administrator_wrote(session: Session) -> None:
    load_packaged_rules(session)
    rule = claim_rule(session, ("twilio", "sms", "TR"))
    change_rule(session, actor=make_actor(session, "administrator"), rule=rule, values={"urls": Known.YES})
    assert load_packaged_rules(session) == LoadedRules(PACKAGED, 0, 1)
    assert load_book(session).rules_for("TR").urls is Known.YES


def test_what_the_package_says_anew_becomes_the_next_version(session: Session) -> None:
    row = {"provider": "twilio", "channel": RuledChannel.SMS, "number_country": "TR", "version": 1}
    unknown = dict.fromkeys(("outbound", "two_way", "urls", "phone_numbers", "sender_kind", "receipts"), "unknown")
    session.add(CountryRuleVersion(**row, **unknown, quiet_scope="nothing", note="as of an older package"))
    session.flush()
    assert load_packaged_rules(session).written == PACKAGED
    assert (load_book(session).rules_for("TR").version, load_book(session).rules_for("AE").version) == (2, 1)


def test_without_a_load_the_packaged_rules_hold(session: Session) -> None:
    assert load_book(session).rules_for("TR").urls is Known.NO
    assert not load_book(session).is_served("SY")


def test_a_version_is_written_once(loaded: Session) -> None:
    for statement in ("UPDATE country_rule SET urls = 'yes'", "DELETE FROM country_rule"):
        with pytest.raises(IntegrityError, match="append-only"), loaded.begin_nested():
            loaded.execute(text(statement))


def test_an_administrator_edits_a_rule_and_it_is_heeded_at_once(loaded: Session, administrator: Clerk) -> None:
    before = administrator.get(TURKIYE)
    assert (before.json()["version"], before.json()["urls"], before.json()["edited_by"]) == (1, "no", None)
    changed = administrator.put(TURKIYE, RULE | {"urls": "yes", "rate_per_second": 10, "price_per_segment": "0.05", "currency": "USD"})
    assert changed.status_code == 200, changed.text
    view = changed.json()
    assert (view["version"], view["urls"], view["rate_per_second"], view["price_per_segment"]) == (2, "yes", 10, "0.050000")
    assert [version["version"] for version in view["history"]] == [2, 1]
    assert view["edited_by"] is not None
    assert view["country_name"] == {"id": "Turki", "en": "Türkiye"}
    book = load_book(loaded)
    assert book.variant_for("TR").key == "link"
    assert book is load_book(loaded)
    [line] = loaded.scalars(select(ActionLog).where(ActionLog.action == "country_rule.changed"))
    assert line.detail["rule"] == "twilio:sms:TR"
    assert set(line.detail["fields"]) >= {"urls", "rate_per_second", "price_per_segment", "currency"}
    assert administrator.get(TURKIYE, **{"If-None-Match": changed.headers["etag"]}).status_code == 304


def test_nothing_changed_is_no_version(loaded: Session, administrator: Clerk) -> None:
    first = administrator.put(TURKIYE, RULE).json()
    assert administrator.put(TURKIYE, RULE).json()["version"] == first["version"] == 2


def test_a_country_nobody_wrote_of_can_be_written_of(loaded: Session, administrator: Clerk) -> None:
    path = "/api/v1/country-rules/second-provider/whatsapp/FR"
    empty = administrator.get(path).json()
    assert (empty["version"], empty["outbound"], empty["history"]) == (0, "unknown", [])
    assert administrator.put(path, RULE).json()["version"] == 1
    assert load_book(loaded).rules_for("FR", provider="second-provider", channel="whatsapp").outbound is Known.YES
    assert not load_book(loaded).rules_for("FR").is_listed


def test_who_edits_needs_the_right_the_version_and_a_key(
    loaded: Session, administrator: Clerk, client: TestClient, sign_in: SignIn
) -> None:
    stale = administrator.get(TURKIYE).headers["etag"]
    assert administrator.put(TURKIYE, RULE, etag=stale, key="the one").status_code == 200
    again = administrator.put(TURKIYE, RULE, etag=stale, key="the one")
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()["version"]) == (200, "true", 2)
    refused = administrator.put(TURKIYE, RULE | {"urls": "yes"}, etag=stale)
    assert (refused.status_code, refused.json()["current"]["version"]) == (412, 2)
    assert administrator.ask("PUT", TURKIYE, json=RULE).status_code == 400
    assert administrator.ask("PUT", TURKIYE, json=RULE, headers={"Idempotency-Key": "x"}).status_code == 428
    for role in ("duty_officer", "approver", "minister"):
        clerk = Clerk(client, sign_in(role))
        assert clerk.get(TURKIYE).status_code == 200
        assert clerk.put(TURKIYE, RULE).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outbound": "perhaps"}, "outbound"),
        ({"sender_id": "a name that is too long"}, "sender_id"),
        ({"sender_id": "123456789"}, "sender_id"),
        ({"sender_kind": "none"}, "sender_kind"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"price_per_segment": "0.05"}, "currency"),
        ({"price_per_segment": "0.05", "currency": "dollars"}, "currency"),
        ({"price_per_segment": "0.05", "currency": "usd"}, "currency"),
        ({"currency": "USD"}, "price_per_segment"),
        ({"price_per_segment": "-1", "currency": "USD"}, "price_per_segment"),
        ({"quiet_from": "25:00"}, "quiet_from"),
        ({"quiet_from": "21:00"}, "quiet_until"),
        ({"quiet_from": "21:00", "quiet_until": "21:00", "quiet_zone": "Asia/Dubai"}, "quiet_until"),
        ({"quiet_from": "21:00", "quiet_until": "07:00"}, "quiet_zone"),
        ({"quiet_from": "21:00", "quiet_until": "07:00", "quiet_zone": "Asia/Nowhere"}, "quiet_zone"),
        ({"quiet_scope": "everything"}, "quiet_from"),
        ({"source": " "}, "source"),
        ({"source": "a\x00b"}, "source"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(administrator: Clerk, change: dict[str, Any], field: str) -> None:
    refused = administrator.put(TURKIYE, RULE | change)
    assert (refused.status_code, refused.json()["field"]) == (422, field), refused.text


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("twilio/sms/ZZ", "path.number_country"),
        ("twilio/sms/turkiye", "path.number_country"),
        ("Twilio!/sms/TR", "path.provider"),
        ("twilio/pigeon/TR", "path.ruled_channel"),
    ],
)
def test_a_place_that_can_have_no_rule(administrator: Clerk, path: str, field: str) -> None:
    refused = administrator.get(f"/api/v1/country-rules/{path}")
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_the_list_goes_by_country(loaded: Session, administrator: Clerk) -> None:
    seen, cursor = [], ""
    while True:
        page = administrator.get(f"/api/v1/country-rules?limit=7{cursor}").json()
        seen += [(rule["number_country"], rule["provider"], rule["channel"]) for rule in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == PACKAGED
    assert len(administrator.get("/api/v1/country-rules?country=IR").json()["items"]) == 2


def test_two_administrators_at_once_write_one_version(sessions: Sessions, committed_client: TestClient, sign_in: SignIn) -> None:
    with begin(sessions) as session:
        load_packaged_rules(session)
    clerks = [Clerk(committed_client, sign_in("administrator")) for _ in range(4)]
    etag = clerks[0].get(TURKIYE).headers["etag"]
    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(lambda at: clerks[at].put(TURKIYE, RULE | {"note": f"{at}"}, etag=etag).status_code, range(4)))
    assert codes == [200, 412, 412, 412]


def test_a_rule_edited_now_refuses_a_text_now(
    session: Session, keyring: Keyring, administrator: Clerk, client: TestClient, sign_in: SignIn
) -> None:
    incident = make_incident(session)
    make_citizen(session, keyring, phones=("+85251234567",))
    session.commit()
    officer = sign_in("duty_officer")
    body = {"texts": {"id": "Lihat kemlu.go.id", "en": "See kemlu.go.id"}}

    def submit() -> Any:
        headers = officer | {"Idempotency-Key": uuid.uuid4().hex}
        made = client.post(f"/api/v1/incidents/{incident.id}/broadcasts", json=body, headers=headers).json()
        return client.post(f"/api/v1/broadcasts/{made['id']}/submit", headers=officer | {"Idempotency-Key": uuid.uuid4().hex})

    assert submit().status_code == 200
    assert administrator.put("/api/v1/country-rules/twilio/sms/HK", RULE).status_code == 200
    assert submit().json()["code"] == "text_url_barred"
    assert administrator.put("/api/v1/country-rules/twilio/sms/HK", RULE | {"outbound": "registered_only"}).status_code == 200
    left_out = submit()
    assert left_out.status_code == 200
    preview = client.get(f"/api/v1/incidents/{incident.id}/audience", headers=officer).json()
    assert (preview["by_channel"], preview["unreachable"]) == ({"none": 1}, {"no_provider": 1})
    assert [(each["channel"], each["reason"]) for each in preview["unreached"]] == [("sms", "sender_unregistered")]
    every_hour = {"quiet_scope": "everything", "quiet_from": "00:00", "quiet_until": "23:59", "quiet_zone": _zone_of_day()}
    assert administrator.put("/api/v1/country-rules/twilio/sms/HK", RULE | {"urls": "yes"} | every_hour).status_code == 200
    refused = submit().json()
    assert (refused["code"], refused["number_country"], set(refused["message"])) == ("text_quiet_hours", "HK", {"id", "en"})


def _zone_of_day() -> str:
    """A zone where it is not the last minute of the day."""
    return "Asia/Dubai" if datetime.now(UTC).minute == 59 and datetime.now(UTC).hour == 23 else "UTC"
