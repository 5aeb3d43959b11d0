"""Segments against values known from the standards; links and phone numbers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.texts import Encoding, find_phone_numbers, find_urls, is_marked_exercise, measure


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "units"),
    [
        ("", "gsm7", 0, 0),
        ("a", "gsm7", 1, 1),
        ("a" * 160, "gsm7", 1, 160),
        ("a" * 161, "gsm7", 2, 161),
        ("a" * 306, "gsm7", 2, 306),
        ("a" * 307, "gsm7", 3, 307),
        ("€", "gsm7", 1, 2),
        ("{}[]~^|\\", "gsm7", 1, 16),
        ("€" * 80, "gsm7", 1, 160),
        ("€" * 81, "gsm7", 2, 162),
        # The two halves of an escaped letter never stand in two parts: the 153rd place of the first stays empty.
        ("a" * 152 + "€" + "b" * 152, "gsm7", 3, 306),
        ("a" * 151 + "€" + "b" * 153, "gsm7", 2, 306),
        ("a\nb\r@£$ÄÖÑÜ§¿äöñüàÇΔ", "gsm7", 1, 20),
        ("ş", "ucs2", 1, 1),
        ("ç" + "a" * 69, "ucs2", 1, 70),
        ("ş" * 70, "ucs2", 1, 70),
        ("ş" * 71, "ucs2", 2, 71),
        ("ş" * 134, "ucs2", 2, 134),
        ("ş" * 135, "ucs2", 3, 135),
        ("😀" * 35, "ucs2", 1, 70),
        ("😀" * 36, "ucs2", 2, 72),
        # A surrogate pair is not cut in two either: 66 units and the pair make 68.
        ("ş" * 66 + "😀" + "ş" * 66, "ucs2", 3, 134),
        ("a\x1bb", "ucs2", 1, 3),
        ("a`b", "ucs2", 1, 3),
        ("“a”", "ucs2", 1, 3),
        ("a\tb", "ucs2", 1, 3),
    ],
)
def test_known_sizes(text: str, encoding: str, segments: int, units: int) -> None:
    got = measure(text)
    assert (got.encoding, got.segments, got.units) == (encoding, segments, units)


def test_what_keeps_a_text_from_gsm7_is_named_once() -> None:
    assert measure("Gempa ‘kuat’ di İzmir ‘ulang’").foreign == ("‘", "’", "İ")
    assert measure("Gempa kuat di Izmir {€}").foreign == ()


@given(st.text())
def test_a_text_is_as_long_as_its_parts_allow(text: str) -> None:
    got = measure(text)
    one, many = (160, 153) if got.encoding is Encoding.GSM7 else (70, 67)
    assert got.segments == (0 if not text else 1 if got.units <= one else got.segments)
    assert (got.segments - 1) * (many - 1) < max(got.units, 1) <= max(got.segments * max(one if got.segments < 2 else many, 1), 1)
    assert bool(got.foreign) == (got.encoding is Encoding.UCS2)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("Buka https://safetravel.example.go.id/i/1.aB segera.", ["https://safetravel.example.go.id/i/1.aB"]),
        ("http://10.0.0.1/x", ["http://10.0.0.1/x"]),
        ("www.example.org", ["www.example.org"]),
        ("lihat kemlu.go.id, lalu tunggu", ["kemlu.go.id"]),
        ("KEMLU.GO.ID", ["KEMLU.GO.ID"]),
        ("wa.me/628110000001", ["wa.me/628110000001"]),
        ("grup: t.me/wni", ["t.me/wni"]),
        ("(bit.ly/abc)", ["bit.ly/abc"]),
        ("tulis ke hotline@kemlu.go.id", ["kemlu.go.id"]),
        ("ｋｅｍｌｕ．ｇｏ．ｉｄ", ["kemlu.go.id"]),
        ("tel:+628110000001", ["tel:+628110000001"]),
        ("a.io/b a.io/b", ["a.io/b"]),
        ("Menjauhlah dari bangunan.Tunggu kabar.", []),
        ("ke bandara.Ke gerbang 3", []),
        ("U.S. dan U.K.", []),
        ("pukul 04.17, magnitudo 7.8", []),
        ("dll.", []),
        ("6.2.2023", []),
        ("versi 1.0.id3", []),
    ],
)
def test_links(text: str, urls: list[str]) -> None:
    assert find_urls(text) == urls


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Hubungi +90 312 000 0080.", ["+90 312 000 0080"]),
        ("0812-3456-7890 atau (0312) 440 80 80", ["0812-3456-7890", "(0312) 440 80 80"]),
        ("+971500000000", ["+971500000000"]),
        ("０８１２３４５６７８９０", ["081234567890"]),
        ("darurat 112, polisi 155", []),
        ("6 Feb 2023 04.17", []),
        ("2023-02-06 04:17", []),
        ("912 meninggal, 5.385 luka", []),
        ("koordinat 37.174,37.032", []),
    ],
)
def test_phone_numbers(text: str, numbers: list[str]) -> None:
    assert find_phone_numbers(text) == numbers


@given(st.text(max_size=300))
def test_finders_take_anything(text: str) -> None:
    assert all(url for url in find_urls(text))
    assert all(sum(c.isdigit() for c in n) >= 7 for n in find_phone_numbers(text))


@pytest.mark.parametrize(
    ("text", "is_marked"),
    [
        ("LATIHAN: gempa", True),
        ("LATIHAN", True),
        ("LATIHAN\nGempa", True),
        ("LATIHANNYA", False),
        ("Latihan: gempa", False),
        (" LATIHAN", False),
        ("Gempa. LATIHAN", False),
        ("", False),
    ],
)
def test_exercise_mark(text: str, is_marked: bool) -> None:
    assert is_marked_exercise(text) is is_marked
