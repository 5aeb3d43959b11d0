"""What no sentence of ours may hold, numbers bound to figures, copies that fit. No database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.kit.errors import InvalidError
from alerts.statements.rules import X_LINK, X_WEIGHT, check_texts, copies, fault_of, fill, is_second_hand_needed, x_weight

OFFERED = {"own.injured", "host_state.dead", "own.confirmed_dead", "check.hospital.asked"}
FORBIDDEN = {
    "all_safe": [
        "Semua WNI selamat.",
        "Seluruh WNI dalam keadaan aman",
        "WNI di sana aman semua!",
        "SEMUA  WNI\u200b se\u200blamat",
        "Tidak ada korban WNI.",
        "Nihil korban.",
        "WNI kita dalam keadaan selamat",
        "All citizens are safe.",
        "Everyone is well and SÁFE",
        "No casualties.",
        "No Indonesian was hurt",
        "None of ours is there",
        "Our citizens are safe",
        "Para WNI telah dinyatakan selamat",
    ],
    "number_not_bound": [
        "Ada 12 WNI di sana.",
        "Ada dua WNI di sana.",
        "Puluhan WNI mengungsi.",
        "Seorang WNI dirawat.",
        "Duapuluh WNI mengungsi",
        "Twenty-one citizens wait.",
        "Dozens wait",
        "Ada ٣ WNI di sana",
        "Ada ½ dari mereka",
    ],
    "death_not_bound": [
        "WNI kita meninggal dunia.",
        "A citizen has died.",
        "Jenazah dibawa ke ibu kota",
        "Meninggalnya Budi telah dikabarkan",
        "Wafatnya warga itu dikabarkan KBRI",
        "Ia gugur kemarin",
        "Jenazahnya dipulangkan",
        "Jasad ditemukan",
        "Mayat ditemukan",
        "Almarhumah adalah mahasiswa",
        "Ia kehilangan nyawa",
        "Ia terbunuh",
        "Budi telah berpulang",
        "Nyawanya tidak tertolong",
        "Ia tak terselamatkan",
        "Kami turut berduka",
        "Kami menyampaikan belasungkawa",
        "Ia dimakamkan di sana",
        "Kematiannya dikonfirmasi",
        "Ada korban jiwa",
        "He was killed",
        "The quake kills",
        "Fatalities are feared",
        "She passed away",
        "He lost his life",
        "Several lives were lost",
        "Bodies were recovered",
        "His body is on its way",
        "The deceased was a student",
        "They perished",
        "He did not survive",
        "He drowned",
        "Our condolences to the family",
        "The mortal remains are flown home",
        "De\u200bad",
    ],
    "wrong_word": ["Warga tewas", "Casualties are being counted", "Gempa menewaskan warga", "Tewasnya warga", "Warga ditewaskan"],
    "figure_of_others": [
        "{host_state.dead} WNI meninggal dunia.",
        "{host_state.dead} warga negara Indonesia meninggal dunia",
        "WNI kita: {host_state.dead} meninggal dunia",
        "Dari warga kita, {host_state.dead} meninggal dunia",
        "{host_state.dead} Indonesians are dead",
        "{host_state.dead} of our citizens are dead",
        "Of ours; {host_state.dead} dead",
    ],
    "restricted": [
        "Datanglah ke titik kumpul di taman.",
        "The evacuation route leads north",
        "Come to the assembly point",
        "Waktu keberangkatan akan diumumkan",
    ],
    "figure_unknown": ["Ada {own.dead} WNI", "We count {x}"],
}
ALLOWED = [
    "WNI diimbau tetap di tempat yang aman.",
    "Seluruh WNI diimbau mencari tempat aman.",
    "All citizens are asked to stay safe and to follow the authorities.",
    "Tim kami sedang menuju lokasi.",
    "{own.injured} WNI dirawat dan didampingi KBRI.",
    "Otoritas setempat mencatat {host_state.dead} orang meninggal dunia.",
    "We are in touch with the hospitals.",
    "Hingga saat ini belum ada laporan mengenai WNI terdampak.",
    "WNI diimbau meninggalkan wilayah terdampak.",
    "The embassy remains open and helps everybody who asks.",
    "{own.confirmed_dead} WNI meninggal dunia.",
    "Otoritas mencatat {host_state.dead} orang meninggal dunia. WNI diimbau menghubungi KBRI.",
    "The authorities count {host_state.dead} dead. Our missions are asking the hospitals.",
    "Kami mendampingi keluarga.",
]


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in FORBIDDEN.items() for text in texts])
def test_what_nobody_has_checked_cannot_be_written(code: str, text: str) -> None:
    fault = fault_of(text, OFFERED)
    assert fault is not None, text
    assert fault.code == code


@pytest.mark.parametrize("text", ALLOWED)
def test_what_is_plain_can_be_written(text: str) -> None:
    assert fault_of(text, OFFERED) is None


@given(st.text(max_size=40), st.integers(0, 10**9), st.text(max_size=40))
def test_no_typed_number_gets_through_whatever_stands_around_it(before: str, number: int, after: str) -> None:
    assert fault_of(f"{before} {number} {after}", OFFERED) is not None


@given(st.sampled_from(sorted(OFFERED)), st.integers(0, 10**6))
def test_a_reference_is_read_as_its_figure_and_as_nothing_else(key: str, number: int) -> None:
    text = "Kami mencatat {" + key + "} orang meninggal dunia." if key.endswith("dead") else "Kami mencatat {" + key + "} hal."
    assert fault_of(text, OFFERED) is None
    assert str(number) in fill(text, {key: str(number)})
    assert "{" not in fill(text, {key: str(number)})


def test_both_languages_speak_of_the_same_figures() -> None:
    with pytest.raises(InvalidError, match="same figures"):
        check_texts({"id": "{own.injured} WNI dirawat.", "en": "They are being treated."}, field="own[0]", offered=OFFERED)


def test_deaths_and_typed_words_need_another_hand() -> None:
    assert not is_second_hand_needed(["as_of", "present"], has_own_words=False)
    assert is_second_hand_needed(["as_of", "deaths"], has_own_words=False)
    assert is_second_hand_needed(["as_of"], has_own_words=True)


CLAUSES = st.lists(
    st.tuples(st.sampled_from(["as_of", "present", "voluntary", "harm", "injured", "next", "own.1"]), st.text(min_size=1, max_size=250)),
    min_size=1,
    max_size=7,
    unique_by=lambda pair: pair[0],
)


@given(CLAUSES)
def test_a_copy_for_x_fits_and_holds_whole_clauses_only(clauses: list[tuple[str, str]]) -> None:
    link = "https://x.id/p"
    text = copies(clauses, heading="Gempa", link=link)["x"]
    body = text.removesuffix(link)
    assert x_weight(body) + X_LINK <= X_WEIGHT
    held = {key for key, each in clauses if each.strip() and each in body}
    keys = {key for key, _ in clauses}
    if "present" in held and "voluntary" in keys and dict(clauses)["present"] not in "".join(t for k, t in clauses if k != "present"):
        assert dict(clauses)["voluntary"] in body


def test_whatsapp_and_instagram_say_all_of_it() -> None:
    ready = copies([("as_of", "Per kini:"), ("harm", "Masih dikumpulkan.")], heading="Gempa: Türkiye", link="https://x.id/p")
    assert ready["whatsapp"] == "*Gempa: Türkiye*\n\nPer kini:\n\nMasih dikumpulkan.\n\nhttps://x.id/p"
    assert "https" not in ready["instagram"]
