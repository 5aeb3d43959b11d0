"""Country rules as data: the facts as told, care where nothing is known, and reasons where a text is barred."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.country_rules import (
    NUMBER_COUNTRIES,
    CountryRule,
    Known,
    QuietScope,
    SenderKind,
    number_country,
    variant_for,
)
from alerts.channels.rule_book import Outlet, RuleBook, current_book, remember_book
from alerts.channels.text_checks import TextFault, TextProblem

BOOK = RuleBook.packaged()
TWILIO = Outlet(name="twilio", channel="sms", shown_as="+15005550006")
NAMED = Outlet(name="twilio", channel="sms", shown_as="KEMLU RI")
SECOND = Outlet(name="second", channel="sms", shown_as="KEMLU")
WHATSAPP = Outlet(name="whatsapp", channel="whatsapp", shown_as="+15005550007")
NIGHT, DAY = datetime(2026, 1, 1, 20, 30, tzinfo=UTC), datetime(2026, 1, 1, 8, 0, tzinfo=UTC)  # 00:30 and 12:00 in Dubai
# number country → outbound, two-way, urls, phone numbers: retold by hand from the carrier's guidelines.
FACTS = {
    "ID": "yes no unknown unknown",
    "SA": "yes no yes yes",
    "AE": "yes no no no",
    "QA": "yes no unknown unknown",
    "OM": "yes no unknown unknown",
    "TW": "yes no registered_only unknown",
    "CN": "yes no no unknown",
    "EG": "yes no unknown unknown",
    "TR": "yes no no unknown",
    "DZ": "yes no unknown unknown",
    "LY": "yes no unknown unknown",
    "HK": "yes yes yes yes",
    "PH": "yes yes unknown yes",
    "MY": "yes yes unknown unknown",
    "SG": "yes yes unknown unknown",
    "KR": "unknown unknown unknown unknown",
    "JP": "unknown unknown unknown unknown",
    "IR": "no no unknown unknown",
    "SY": "no no unknown unknown",
    "CU": "no no unknown unknown",
    "KP": "unknown unknown unknown unknown",
}
NAMES = {"id": "Uni Emirat Arab", "en": "United Arab Emirates"}


def test_the_facts() -> None:
    assert {r.number_country: f"{r.outbound} {r.two_way} {r.urls} {r.phone_numbers}" for r in BOOK.list_rules(channel="sms")} == FACTS


@pytest.mark.parametrize(
    ("country", "key", "may_name_phone", "is_uncertain"),
    [
        ("ID", "plain", True, True),
        ("TR", "plain", True, True),
        ("AE", "plain", False, False),
        ("SA", "link", True, False),
        ("MY", "reply", True, True),
        ("HK", "reply_link", True, False),
        ("TW", "plain", True, True),
        ("FR", "plain", True, True),
    ],
)
def test_variants(country: str, key: str, may_name_phone: bool, is_uncertain: bool) -> None:
    variant = variant_for(BOOK.rules_for(country))
    assert (variant.key, variant.may_name_phone, variant.is_uncertain) == (key, may_name_phone, is_uncertain)


@given(st.text(max_size=4))
def test_what_is_not_listed_is_sent_with_care(country: str) -> None:
    rule = BOOK.rules_for(country)
    if rule.is_listed:
        return
    assert rule.is_served
    assert variant_for(rule).key == "plain"
    assert variant_for(rule).is_uncertain
    assert rule.sender_kind is SenderKind.UNKNOWN


def test_another_provider_has_rules_of_its_own() -> None:
    assert not BOOK.rules_for("SY").is_served
    assert BOOK.rules_for("SY", provider="somebody").is_served
    assert BOOK.rules_for("HK", provider="somebody").two_way is Known.UNKNOWN


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+628111234567", "ID"),
        ("+905321234567", "TR"),
        ("+963941234567", "SY"),
        ("+971501234567", "AE"),
        ("+60123456789", "MY"),
        ("+12025550123", "US"),
        ("+14165550123", "CA"),
        ("+96341", "SY"),
        ("+8821612345678", None),
        ("0812345678", None),
        ("", None),
    ],
)
def test_country_of_a_number(number: str, country: str | None) -> None:
    assert number_country(number) == country


def served(e164: str) -> bool:
    return BOOK.is_served(number_country(e164) or "")


def test_a_number_roams_with_its_rules() -> None:
    assert served("+628111234567")
    assert not served("+963941234567")
    assert served("+33612345678")


def faults(text: str, *countries: str) -> list[tuple[str, str, str, bool]]:
    return [(p.fault.value, p.number_country, p.found, p.is_blocking) for p in BOOK.check_text(text, countries)]


def test_a_link_is_barred_with_the_reason() -> None:
    text = "Buka kemlu.go.id"
    assert faults(text, "AE", "TW", "TR") == [
        ("url_barred", "AE", "kemlu.go.id", True),
        ("quiet_promotional", "AE", "21:00–07:00 Asia/Dubai", False),
        ("url_needs_registration", "TW", "kemlu.go.id", True),
        ("url_barred", "TR", "kemlu.go.id", True),
    ]
    assert faults(text, "HK", "SA") == []
    assert faults(text, "ID") == [("url_unknown", "ID", "kemlu.go.id", False)]
    problem = BOOK.check_text(text, ["AE"])[0]
    assert problem.words(NAMES) == {
        "id": "SMS ke nomor Uni Emirat Arab tidak boleh memuat tautan: kemlu.go.id",
        "en": "SMS to United Arab Emirates numbers may not contain a link: kemlu.go.id",
    }


def test_a_phone_number_is_barred_only_where_it_is_known_to_be() -> None:
    text = "Hubungi +90 312 000 0080"
    assert faults(text, "AE", "ID", "HK") == [
        ("phone_barred", "AE", "+90 312 000 0080", True),
        ("quiet_promotional", "AE", "21:00–07:00 Asia/Dubai", False),
    ]


def test_nobody_serves_and_nobody_knows() -> None:
    assert faults("Gempa", "SY", "FR", "JP", "ID") == [
        ("unserved", "SY", "", False),
        ("rules_unknown", "FR", "", False),
        ("rules_unknown", "JP", "", False),
    ]


def test_a_country_is_told_once() -> None:
    assert len(faults("wa.me/1", "TR", "TR")) == 1


@pytest.mark.parametrize("fault", TextFault)
def test_every_fault_has_words_in_both_languages(fault: TextFault) -> None:
    told = TextProblem(fault, "AE", "x.id").words(NAMES)
    assert set(told) == {"id", "en"}
    assert told["id"] != told["en"]
    assert "Uni Emirat Arab" in told["id"]
    assert "United Arab Emirates" in told["en"]


def rule(country: str = "XX", **values: object) -> CountryRule:
    fields: dict[str, object] = {"provider": "twilio", "channel": "sms", "number_country": country, "outbound": Known.YES}
    return CountryRule(**(fields | values))  # type: ignore[arg-type]


def book(*rules: CountryRule) -> RuleBook:
    return RuleBook.of(rules, "a test's")


def test_whatsapp_and_calls_obey_the_rules_of_the_account_they_go_by() -> None:
    assert not BOOK.is_served("IR", provider="whatsapp", channel="whatsapp")
    assert BOOK.is_served("IR", provider="voice", channel="voice")
    assert BOOK.bar("KP", WHATSAPP) is TextFault.UNSERVED
    assert BOOK.bar("KP", TWILIO) is None


def test_a_country_is_served_if_any_sender_of_the_channel_may() -> None:
    assert BOOK.unserved([NAMED], "sms") == ["CU", "IR", "SY"]
    assert BOOK.unserved([TWILIO], "sms") == ["AE", "CU", "IR", "SY"], "networks of the Emirates block plain numbers"
    assert BOOK.unserved([TWILIO, SECOND], "sms") == []
    assert BOOK.unserved([TWILIO, WHATSAPP], "whatsapp") == ["CU", "IR", "KP", "SY"]
    assert BOOK.usable("IR", [TWILIO, SECOND], "sms") == [SECOND]
    at_home = Outlet(name="second", channel="sms", countries=frozenset({"ID", "MY"}))
    assert (BOOK.usable("IR", [TWILIO, at_home], "sms"), BOOK.usable("MY", [at_home], "sms")) == ([], [at_home])
    assert BOOK.unserved([NAMED, at_home], "sms") == ["CU", "IR", "SY"]
    assert set(BOOK.unserved([at_home], "sms")) == NUMBER_COUNTRIES - {"ID", "MY"}
    assert BOOK.unserved_ways([NAMED]) == [("sms", "CU"), ("sms", "IR"), ("sms", "SY")], "no other way has a sender"
    assert BOOK.unserved_ways([NAMED, SECOND, WHATSAPP]) == [("whatsapp", c) for c in ("CU", "IR", "KP", "SY")]
    assert BOOK.bar("IR", Outlet(name="fcm", channel="push")) is None


def test_where_only_registered_senders_pass_one_is_needed() -> None:
    barred = rule(outbound=Known.REGISTERED_ONLY)
    assert book(barred).bar("XX", TWILIO) is TextFault.SENDER_UNREGISTERED
    [problem] = book(barred).check_text("Gempa", ["XX"], outlets=[TWILIO])
    assert (problem.fault, problem.is_blocking) == (TextFault.SENDER_UNREGISTERED, False), "nobody waits for its people"
    registered = book(rule(outbound=Known.REGISTERED_ONLY, sender_id="KEMLU RI"))
    assert registered.bar("XX", TWILIO) is None
    assert registered.check_text("Gempa", ["XX"], outlets=[TWILIO]) == []
    assert registered.sender_for("XX", TWILIO) == "KEMLU RI"
    assert registered.sender_for("ID", TWILIO) == "+15005550006"


def test_a_plain_number_does_not_reach_networks_that_block_it_and_a_name_does() -> None:
    assert BOOK.bar("AE", TWILIO) is TextFault.SENDER_UNREGISTERED
    [problem] = BOOK.check_text("Buka kemlu.go.id", ["AE"], outlets=[TWILIO])
    assert (problem.fault, problem.is_blocking) == (TextFault.SENDER_UNREGISTERED, False)
    assert BOOK.bar("AE", NAMED) is None
    ours = rule(sender_kind=SenderKind.REGISTERED_ALPHANUMERIC_ONLY, sender_id="KEMLU")
    assert book(ours).bar("XX", TWILIO) is None


def test_a_plain_number_where_networks_mark_it_is_warned_of_and_sent() -> None:
    assert BOOK.bar("SG", TWILIO) is None

    def told(outlet: Outlet) -> list[TextFault]:
        return [problem.fault for problem in BOOK.check_text("Gempa", ["SG"], outlets=[outlet])]

    assert told(TWILIO) == [TextFault.SENDER_DOUBTFUL]
    assert told(Outlet(name="twilio", channel="sms", shown_as="KEMLU RI")) == []


def test_quiet_hours_go_by_the_clock_of_the_country() -> None:
    hours = {"quiet_from": time(21), "quiet_until": time(7), "quiet_zone": "Asia/Dubai"}
    everything = book(rule(quiet_scope=QuietScope.EVERYTHING, **hours))
    assert everything.bar("XX", TWILIO, now=NIGHT) is TextFault.QUIET_HOURS
    assert everything.bar("XX", TWILIO, now=DAY) is None
    [problem] = everything.check_text("Gempa", ["XX"], outlets=[TWILIO], now=NIGHT)
    assert (problem.fault, problem.found, problem.is_blocking) == (TextFault.QUIET_HOURS, "21:00–07:00 Asia/Dubai", True)
    assert everything.check_text("Gempa", ["XX"], outlets=[TWILIO], now=DAY) == []
    assert everything.unserved([TWILIO], "sms") == []
    promotional = book(rule(quiet_scope=QuietScope.PROMOTIONAL, **hours))
    assert promotional.bar("XX", TWILIO, now=NIGHT) is None
    assert [p.is_blocking for p in promotional.check_text("Gempa", ["XX"], now=NIGHT)] == [False]


def test_a_text_must_pass_every_sender_that_may_carry_it() -> None:
    strict = rule(provider="second", urls=Known.NO)
    problems = book(rule(urls=Known.YES), strict).check_text("kemlu.go.id", ["XX"], outlets=[TWILIO, SECOND])
    assert [(p.fault, p.is_blocking) for p in problems] == [(TextFault.URL_BARRED, True)]


def test_where_no_receipt_can_come() -> None:
    silent = book(rule(receipts=Known.NO), rule("YY", receipts=Known.NO), rule("YY", provider="second", receipts=Known.YES))
    assert silent.never_receipted() == [("email", "*"), ("push", "*"), ("sms", "XX"), ("web_push", "*")]


def test_an_adapter_without_a_session_asks_the_newest_book() -> None:
    try:
        mine = remember_book(book(rule("ID", outbound=Known.NO)))
        assert current_book() is mine
    finally:
        remember_book(BOOK)
