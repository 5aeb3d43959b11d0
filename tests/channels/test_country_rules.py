"""Country rules as data: the facts as told, care where nothing is known, and reasons where a text is barred."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.country_rules import (
    Known,
    SenderKind,
    TextFault,
    check_text,
    is_number_served,
    list_rules,
    number_country,
    rules_for,
    variant_for,
)

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
    assert {r.number_country: f"{r.outbound} {r.two_way} {r.urls} {r.phone_numbers}" for r in list_rules()} == FACTS


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
    variant = variant_for(rules_for(country))
    assert (variant.key, variant.may_name_phone, variant.is_uncertain) == (key, may_name_phone, is_uncertain)


@given(st.text(max_size=4))
def test_what_is_not_listed_is_sent_with_care(country: str) -> None:
    rule = rules_for(country)
    if rule.is_listed:
        return
    assert rule.is_served
    assert variant_for(rule).key == "plain"
    assert variant_for(rule).is_uncertain
    assert rule.sender is SenderKind.UNKNOWN


def test_another_provider_has_rules_of_its_own() -> None:
    assert not rules_for("SY").is_served
    assert rules_for("SY", provider="somebody").is_served
    assert rules_for("HK", provider="somebody").two_way is Known.UNKNOWN


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


def test_a_number_roams_with_its_rules() -> None:
    assert is_number_served("+628111234567")
    assert not is_number_served("+963941234567")
    assert is_number_served("+33612345678")


def faults(text: str, *countries: str) -> list[tuple[str, str, str, bool]]:
    return [(p.fault.value, p.number_country, p.found, p.is_blocking) for p in check_text(text, countries)]


def test_a_link_is_barred_with_the_reason() -> None:
    text = "Buka kemlu.go.id"
    assert faults(text, "AE", "TW", "TR") == [
        ("url_barred", "AE", "kemlu.go.id", True),
        ("url_needs_registration", "TW", "kemlu.go.id", True),
        ("url_barred", "TR", "kemlu.go.id", True),
    ]
    assert faults(text, "HK", "SA") == []
    assert faults(text, "ID") == [("url_unknown", "ID", "kemlu.go.id", False)]
    [problem] = check_text(text, ["AE"])
    assert problem.words(NAMES) == {
        "id": "SMS ke nomor Uni Emirat Arab tidak boleh memuat tautan: kemlu.go.id",
        "en": "SMS to United Arab Emirates numbers may not contain a link: kemlu.go.id",
    }


def test_a_phone_number_is_barred_only_where_it_is_known_to_be() -> None:
    text = "Hubungi +90 312 000 0080"
    assert faults(text, "AE", "ID", "HK") == [("phone_barred", "AE", "+90 312 000 0080", True)]


def test_nobody_serves_and_nobody_knows() -> None:
    assert faults("Gempa", "SY", "FR", "JP", "ID") == [
        ("unserved", "SY", "", False),
        ("rules_unknown", "FR", "", False),
        ("rules_unknown", "JP", "", False),
    ]


def test_a_country_is_told_once() -> None:
    assert len(faults("wa.me/1", "AE", "AE")) == 1


@pytest.mark.parametrize("fault", TextFault)
def test_every_fault_has_words_in_both_languages(fault: TextFault) -> None:
    from alerts.channels.country_rules import TextProblem

    told = TextProblem(fault, "AE", "x.id").words(NAMES)
    assert set(told) == {"id", "en"}
    assert told["id"] != told["en"]
    assert "Uni Emirat Arab" in told["id"]
    assert "United Arab Emirates" in told["en"]
