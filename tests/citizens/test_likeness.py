"""Names as they are written, said and misheard: the same person is found, and strangers mostly are not."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.citizens.likeness import ALIKE, STRONG, likeness, parts_of, sounds_of

FIRST_NAMES = """Agus Bambang Budi Cahyadi Dedi Djoko Eko Fajar Gunawan Hendra Indra Joko Kurniawan Lukman Mulyadi Nugroho Prasetyo
 Rudi Slamet Taufik Untung Wahyu Yusuf Zainal Ahmad Ayu Bunga Citra Dewi Endang Fitriani Gita Hartini Indah Juwita Kartika Lestari Maya
 Ningsih Oktaviani Putri Ratna Sulastri Tuti Utami Vera Wulandari Yuliana Zubaidah Sri Siti Nurul Ketut Wayan"""
LAST_NAMES = """Santoso Hidayat Wijaya Saputra Setiawan Hakim Rahman Siregar Nasution Simanjuntak Hutapea Pangaribuan Tanjung Lubis Harahap
 Sihombing Manurung Suryani Kusuma Halim Gunadi Purnomo Susilo Wibowo Suharto Utomo Hartono Permana Firmansyah Ramadhan Maulana Syahputra
 Fauzi Rizki Aminah Khadijah Rohmah Nurhaliza Handayani Anggraini Puspita Safitri Marlina Sudarmi Tarigan Ginting Pattiasina Rumbiak"""
FIRST, LAST = FIRST_NAMES.split(), LAST_NAMES.split()
names = st.builds(lambda first, last: f"{first} {last}", st.sampled_from(FIRST), st.sampled_from(LAST))


# What people do to a name when they write down what they hear, or what the registry office wrote in 1960.
SPELL = {
    "old u": lambda name: re.sub("u", "oe", name),
    "old c": lambda name: re.sub("c", "tj", name, flags=re.IGNORECASE),
    "old y": lambda name: re.sub("y", "j", name),
    "old j": lambda name: re.sub("J", "Dj", name),
    "kh as ch": lambda name: re.sub("[Kk]h", "ch", name),
    "sy as sh": lambda name: re.sub("sy", "sh", name),
    "f as p": lambda name: re.sub("f", "p", name),
    "v as f": lambda name: re.sub("v", "f", name),
    "z as s": lambda name: re.sub("z", "s", name),
    "i as y": lambda name: re.sub(r"i\b", "y", name),
    "k as q": lambda name: re.sub("k", "q", name),
    "double": lambda name: re.sub("([tnlms])a", r"\1\1a", name),
    "lost h": lambda name: re.sub(r"h\b", "", name),
    "capitals": lambda name: name.upper(),
    "turned": lambda name: " ".join(reversed(name.split())),
    "titled": lambda name: f"Bpk. H. {name}, S.H.",
    "Muhammad before": lambda name: f"Moh. {name}",
    "a part more": lambda name: f"{name} Kusumawardhana",
    "together": lambda name: name.replace(" ", ""),
    "dashed": lambda name: name.replace(" ", "-"),
}


@given(names, st.sampled_from(sorted(SPELL)), st.sampled_from(sorted(SPELL)))
def test_another_spelling_is_found_and_judged_alike(name: str, one: str, other: str) -> None:
    assume({one, other} != {"together", "a part more"} and {one, other} != {"together", "Muhammad before"})
    written = SPELL[other](SPELL[one](name))
    assert sounds_of(name) & sounds_of(written), (name, written)
    assert likeness(name, written) >= ALIKE, (name, written)
    assert likeness(written, name) == pytest.approx(likeness(name, written), abs=0.2)


@given(names, st.integers(0, 200), st.sampled_from("abdegiklmnoprstuwy"))
def test_a_slip_of_the_pen_in_one_part_is_found(name: str, where: int, letter: str) -> None:
    first, last = name.split()
    at = 1 + where % (len(last) - 1)
    written = f"{first} {last[:at]}{letter}{last[at + 1 :]}"
    assert sounds_of(name) & sounds_of(written)
    if len(last) > 6:
        assert likeness(name, written) >= ALIKE, written


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_writing_at_all_has_a_likeness(one: str, other: str) -> None:
    assert 0.0 <= likeness(one, other) <= 1.0
    assert likeness(one, one) == (1.0 if parts_of(one) else 0.0)
    assert all(len(part) > 0 for part in parts_of(one))
    assert sounds_of(one) == sounds_of(one.upper()) or any(c.isalpha() and not c.isascii() for c in one)


def test_strangers_mostly_do_not_match() -> None:
    """Two of fifty first and of forty-eight last names, both different: of ten thousand pairs hardly any may pass for one person."""
    rng = random.Random(4)
    pairs = 10_000
    taken = 0
    for _ in range(pairs):
        firsts, lasts = rng.sample(FIRST, 2), rng.sample(LAST, 2)
        taken += likeness(f"{firsts[0]} {lasts[0]}", f"{firsts[1]} {lasts[1]}") >= ALIKE
    assert taken / pairs < 0.002, taken


def test_a_shared_part_alone_is_no_match() -> None:
    rng = random.Random(5)
    taken = 0
    for _ in range(2_000):
        first, lasts = rng.choice(FIRST), rng.sample(LAST, 2)
        taken += likeness(f"{first} {lasts[0]}", f"{first} {lasts[1]}") >= ALIKE
    assert taken / 2_000 < 0.01, taken


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Soekarno", "Sukarno"),
        ("Tjahjadi", "Cahyadi"),
        ("Widjaja", "Wijaya"),
        ("Soerjadi Djojohadikoesoemo", "Suryadi Joyohadikusumo"),
        ("Jusuf", "Yusup"),
        ("Muhammad Rizky", "M. Riski"),
        ("Mochamad Chairul", "Moh. Khoirul"),
        ("Achmad", "Ahmat"),
        ("Abd. Rachman", "Abdurrahman"),
        ("Nur Aini", "Nuraini"),
        ("Nur'aini", "Noer Aini"),
        ("Siti Nurhaliza", "Nurhaliza St."),
        ("Hj. Siti Aminah binti Hasan", "Siti Aminah Hasan"),
        ("Ni Wayan Sari", "Wayan Sari"),
        ("Fatimah", "Patimah"),
        ("Zaenal Arifin", "Jainal Aripin"),
        ("Husein", "Husen"),
        ("Sari", "Sari Dewi Lestari"),
        ("Slamet", "SLAMET"),
        ("Kt. Sudana", "Ketut Sudana"),
        ("Dzulfikar", "Zulfikar"),
    ],
)
def test_what_families_write(one: str, other: str) -> None:
    assert sounds_of(one) & sounds_of(other)
    assert likeness(one, other) >= STRONG


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sari", "Sri"),
        ("Eka", "Ika"),
        ("Agus", "Ahmad"),
        ("Muhammad Ali", "Muhammad Rizki"),
        ("Budi Santoso", "Budi Hartono"),
        ("Abdul Rahman", "Abdul Aziz"),
        ("Dewi", "Desi"),
        ("", "Budi"),
    ],
)
def test_what_is_somebody_else(one: str, other: str) -> None:
    assert likeness(one, other) < ALIKE


def test_what_everybody_is_called_finds_nobody_unless_it_is_all_there_is() -> None:
    assert not sounds_of("Muhammad Rizki") & sounds_of("Moh. Ali")
    assert sounds_of("Muhammad") & sounds_of("Moh.")
    assert sounds_of("Muhammad Abdul") & sounds_of("Muh. Abd.")
