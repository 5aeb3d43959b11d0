"""Phone numbers as people write them: one E.164 or a refusal that names the field."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.citizens.rules import csv_safe, find_phone, fold_name, mask_name, mask_phone, parse_phone
from alerts.kit.errors import InvalidError

WRITTEN = [
    ("0812 3456 789", "ID", "+628123456789", "ID"),
    ("+62 812-3456-789", None, "+628123456789", "ID"),
    ("(0812) 3456.789", "ID", "+628123456789", "ID"),
    ("＋６２８１２３４５６７８９", None, "+628123456789", "ID"),
    ("٠٨١٢٣٤٥٦٧٨٩", "ID", "+628123456789", "ID"),
    ("\u202a+62 812\u200b3456789\u202c", None, "+628123456789", "ID"),
    ("+90 532 123 45 67", None, "+905321234567", "TR"),
    ("0532 123 45 67", "TR", "+905321234567", "TR"),
    ("0062 812 3456 789", "TR", "+628123456789", "ID"),
    ("+963 944 567 890", "ID", "+963944567890", "SY"),
    ("+60 12-345 6789", None, "+60123456789", "MY"),
]
REFUSED = [
    ("0812 3456 789", None, "phone_without_country"),
    ("1234567890123456789", "ID", "phone_malformed"),
    ("+6281234567890123456", None, "phone_invalid"),
    ("0812", "ID", "phone_invalid"),
    ("", "ID", "phone_malformed"),
    ("tidak ada", "ID", "phone_malformed"),
    ("0800FLOWERS", "US", "phone_malformed"),
    ("+62812345678 ext 9", None, "phone_malformed"),
    ("0812\x00345678", "ID", "phone_malformed"),
    ("=1+1", "ID", "phone_malformed"),
    ("9" * 41, "ID", "phone_malformed"),
]


@pytest.mark.parametrize(("written", "region", "e164", "country"), WRITTEN)
def test_one_number_however_it_is_written(written: str, region: str | None, e164: str, country: str) -> None:
    number = parse_phone(written, default_region=region)
    assert (number.e164, number.country) == (e164, country)


@pytest.mark.parametrize(("written", "region", "code"), REFUSED)
def test_what_is_no_number_is_refused_by_field(written: str, region: str | None, code: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        parse_phone(written, default_region=region, field="contact.phone")
    assert refusal.value.field == "contact.phone"
    assert refusal.value.code == code


def test_a_national_number_is_taken_only_when_one_country_fits() -> None:
    assert find_phone("0812 3456 789", ["TR", "ID"]) == parse_phone("+628123456789")
    assert find_phone("0532 123 45 67", ["TR"]) == parse_phone("+905321234567")
    both = [region for region in ("ID", "MY") if _is_valid("0812345678", region)]
    assert (find_phone("0812345678", ["ID", "MY"]) is None) == (len(both) != 1)
    assert find_phone("+628123456789", []) == parse_phone("+628123456789")


SEPARATORS = st.sampled_from(["", " ", "-", ".", "(", ")", "\u200b"])


@given(
    st.sampled_from(["ID", "TR", "SY", "MY", "SA", "HK", "US", "TW"]),
    st.integers(0, 10**7 - 1),
    st.lists(SEPARATORS, min_size=20, max_size=20),
    st.booleans(),
)
def test_separators_and_digit_forms_do_not_matter(country: str, tail: int, separators: list[str], is_wide: bool) -> None:
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    digits = f"{example.country_code}{phonenumbers.national_significant_number(example)}"
    digits = digits[: max(len(digits) - 7, 4)] + f"{tail:07}"[: len(digits) - max(len(digits) - 7, 4)]
    mangled = "".join(digit + separator for digit, separator in zip(digits, separators, strict=False))
    if is_wide:
        mangled = mangled.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    if phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}")):
        assert parse_phone(f"+{mangled}").e164 == f"+{digits}"
        assert parse_phone(parse_phone(f"+{mangled}").e164).e164 == f"+{digits}"
    else:
        with pytest.raises(InvalidError):
            parse_phone(f"+{mangled}")


@given(st.text(max_size=60), st.sampled_from([None, "ID", "TR"]))
def test_any_text_is_a_number_or_refused(text: str, region: str | None) -> None:
    try:
        number = parse_phone(text, default_region=region)
    except InvalidError:
        return
    assert number.e164[0] == "+"
    assert number.e164[1:].isascii()
    assert number.e164[1:].isdigit()
    assert len(number.e164) <= 16


@pytest.mark.parametrize("cell", ["=1+1", "+62812", "-5", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_no_cell_can_become_a_formula(cell: str) -> None:
    assert csv_safe(cell) == f"'{cell}"


@given(st.text(max_size=30))
def test_a_safe_cell_never_begins_like_a_formula(cell: str) -> None:
    assert not csv_safe(cell).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_masks_tell_little() -> None:
    assert mask_name("Contoh Nama Panjang") == "C••• N••• P•••"
    assert mask_phone("+628123456789") == "+62•••789"
    assert fold_name("  İbrahim  ÇELİK-Öz ") == "ibrahim celik oz"


def _is_valid(written: str, region: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(written, region))
