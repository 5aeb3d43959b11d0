"""The words for every code, Indonesian first, and the sentences by which a filer is asked about a line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from alerts.reports.rules.codes import (
    Category,
    Claim,
    LineKind,
    Nationality,
    Outcome,
    Rule,
    Series,
    Silence,
    Target,
)


class Both(NamedTuple):
    """A text in Indonesian and in English."""

    id: str
    en: str


def _table(*rows: tuple[str, str, str]) -> Mapping[str, Both]:
    return MappingProxyType({code: Both(indonesian, english) for code, indonesian, english in rows})


CATEGORY = _table(
    (Category.DEAD, "meninggal dunia", "dead"),
    (Category.SERIOUSLY_INJURED, "luka berat", "seriously injured"),
    (Category.LIGHTLY_INJURED, "luka ringan", "lightly injured"),
    (Category.INJURED, "luka-luka (tingkatnya tidak disebut)", "injured (severity not said)"),
    (Category.ILL, "sakit", "ill"),
    (Category.IN_HOSPITAL, "dirawat di rumah sakit", "in hospital"),
    (Category.DETAINED, "ditahan", "detained"),
    (Category.TRAPPED, "terjebak", "trapped"),
    (Category.MISSING, "dilaporkan hilang", "reported missing"),
    (Category.UNACCOUNTED, "belum dapat dihubungi", "not yet reached"),
    (Category.SAFE, "telah dihubungi, selamat", "contacted, safe"),
    (Category.SHELTERING, "mengungsi di penampungan sementara", "in temporary shelter"),
    (Category.EN_ROUTE, "dalam perjalanan", "on the way"),
    (Category.EVACUATED, "dievakuasi", "evacuated"),
    (Category.REPATRIATED, "dipulangkan", "repatriated"),
    (Category.STRANDED, "terlantar", "stranded"),
    (Category.AFFECTED, "terdampak", "affected"),
    (Category.STAYED, "memilih bertahan", "chose to stay"),
    (Category.REGISTERED, "terdaftar", "registered"),
    (Category.ESTIMATED_PRESENT, "diperkirakan berada di tempat", "estimated to be present"),
)
NATIONALITY = _table(
    (Nationality.OWN, "WNI", "own citizens"),
    (Nationality.OWN_CHILD_DUAL, "anak WNI berkewarganegaraan ganda", "children of dual nationality"),
    (Nationality.FOREIGN_FAMILY, "anggota keluarga WNA", "foreign family members"),
    (Nationality.FOREIGN_HELPED, "WNA yang dibantu", "foreign nationals helped"),
    (Nationality.UNVERIFIED, "kewarganegaraan belum diverifikasi", "nationality not verified"),
    (Nationality.MIXED, "semua kewarganegaraan", "all nationalities"),
)
SERIES = _table(
    (Series.OWN, "data sendiri", "own count"),
    (Series.HOST_STATE, "angka negara setempat", "host state's figure"),
    (Series.MEDIA, "media", "media"),
)
CLAIM = _table(
    (Claim.REPORTED, "dilaporkan", "reported"),
    (Claim.CORROBORATED, "dikuatkan sumber lain", "corroborated"),
    (Claim.CONTACT_MADE, "kontak telah dilakukan", "contact made"),
    (Claim.VERIFIED, "diverifikasi", "verified"),
)
KIND = _table(
    (LineKind.STANDING, "keadaan", "standing"),
    (LineKind.PLANNED, "direncanakan", "planned"),
    (LineKind.OF_WHICH, "di antaranya", "of whom"),
)
SILENCE = _table(
    (Silence.NOT_ASKED, "belum ditanyakan", "not asked yet"),
    (Silence.ASKED_NO_ANSWER, "sudah ditanyakan, belum ada jawaban", "asked, no answer yet"),
    (Silence.ASKED_NONE_REPORTED, "hingga saat ini belum ada laporan", "none reported so far"),
    (Silence.CHECKED_NONE_FOUND, "0 (hasil pengecekan: tidak ditemukan)", "0 (checked, none found)"),
)
TARGET = _table(
    (Target.AUTHORITIES, "otoritas setempat", "local authorities"),
    (Target.HOSPITAL, "rumah sakit", "hospitals"),
    (Target.MORTUARY, "kamar jenazah dan forensik", "mortuaries and forensic service"),
    (Target.POLICE, "polisi dan tahanan", "police and detention"),
    (Target.DISASTER_AGENCY, "badan bencana", "disaster agency"),
    (Target.AIRPORT, "bandara dan pengangkut", "airport and carriers"),
    (Target.HOTEL, "hotel dan operator tur", "hotels and tour operators"),
    (Target.EMPLOYER, "tempat kerja dan kampus", "employers and campuses"),
    (Target.COMMUNITY, "simpul masyarakat", "community nodes"),
    (Target.OTHER, "lainnya", "others"),
)
OUTCOME = _table(
    (Outcome.NOT_TRIED, "belum dicoba", "not tried"),
    (Outcome.TRIED_NO_ANSWER, "dicoba, belum ada jawaban", "tried, no answer"),
    (Outcome.ASKED, "sudah ditanyai", "asked"),
    (Outcome.VISITED, "sudah didatangi", "visited"),
)
MESSAGE = _table(
    (
        Rule.NOT_A_NUMBER,
        "“{raw}” bukan bilangan; tulisan Anda disimpan. Berapa orang?",
        "“{raw}” is not a number; what you wrote is kept. How many people?",
    ),
    (Rule.NEGATIVE, "Jumlah orang tidak bisa negatif ({raw}).", "A number of people cannot be negative ({raw})."),
    (Rule.NOT_WHOLE, "{raw} bukan bilangan bulat. Berapa orang?", "{raw} is not a whole number. How many people?"),
    (Rule.IMPLAUSIBLE, "{raw} orang tidak masuk akal; mohon periksa angkanya.", "{raw} people is not plausible; please check the digits."),
    (Rule.VALUE_MISSING, "Nilainya tidak diisi.", "No value was given."),
    (
        Rule.ZERO_NEEDS_CHECK,
        "Angka 0 hanya berlaku bila sudah dicek: bagaimana mengeceknya? Bila belum, pilih “belum ada laporan”.",
        "A 0 needs a check: how was it checked? If it was not, choose “none reported so far”.",
    ),
    (
        Rule.CHECK_WITHOUT_HOW,
        "“Tidak ditemukan” perlu keterangan bagaimana pengecekannya.",
        "“None found” needs a word on how it was checked.",
    ),
    (
        Rule.UNKNOWN_PLACE,
        "Tempat “{place}” tidak dikenal; pakai kode ISO (misalnya {example}).",
        "The place “{place}” is not known; use an ISO code (such as {example}).",
    ),
    (Rule.NO_PLACE, "Tempatnya tidak disebut.", "No place was named."),
    (
        Rule.SET_MISSING,
        "“Di antaranya” ini tidak menyebut himpunan yang ada dalam laporan ini.",
        "This “of whom” names no set that this report holds.",
    ),
    (
        Rule.SUBSET_EXCEEDS_SET,
        "Bagian ({parts}) lebih besar daripada keseluruhannya ({whole}).",
        "The part ({parts}) is larger than the whole ({whole}).",
    ),
    (
        Rule.PARTS_DO_NOT_SUM,
        "Bagian-bagiannya berjumlah {parts}, tetapi totalnya ditulis {whole}.",
        "The parts make {parts}, but the total was given as {whole}.",
    ),
    (
        Rule.PARTS_LEAVE_A_REST,
        "Bagian-bagiannya berjumlah {parts} dari {whole}; apakah sisanya lain?",
        "The parts make {parts} of {whole}; is the rest something else?",
    ),
    (
        Rule.SAME_CELL_TWICE,
        "Hal yang sama ditulis dua kali dengan nilai berbeda ({parts}).",
        "The same thing was given twice with different values ({parts}).",
    ),
    (
        Rule.CONTACT_WITHOUT_PROOF,
        "Siapa yang menghubungi, kapan, dan bagaimana? Tanpa itu pernyataan ini hanya “dilaporkan”.",
        "Who made contact, when and how? Without that it stands as “reported” only.",
    ),
    (
        Rule.CLOCK_OFF,
        "Waktu “per” {hours} jam {direction_id} waktu terima; mohon periksa jam Anda.",
        "The as-of time lies {hours} h {direction_en} the time of receipt; please check your clock.",
    ),
    (
        Rule.PROMISE_FAR,
        "Laporan berikutnya (next_report_at) dijanjikan {hours} jam lagi; ditunggu paling lama {longest} jam, lalu Perwakilan ditagih.",
        "The next report (next_report_at) is promised in {hours} h; at most {longest} h are waited for, then the mission is asked.",
    ),
    (Rule.REASON_MISSING, "Penarikan pernyataan perlu alasan.", "Withdrawing a statement needs a reason."),
    (
        Rule.ALREADY_SUPERSEDED,
        "Laporan yang dikoreksi sudah dikoreksi oleh orang lain; keduanya disimpan.",
        "The report corrected here was already corrected by somebody else; both are kept.",
    ),
    (
        Rule.SUPERSEDES_UNKNOWN,
        "Laporan yang dikoreksi bukan laporan sumber ini dalam kejadian ini.",
        "The report corrected here is not one of this source in this incident.",
    ),
    (
        Rule.WITHDRAWS_UNKNOWN,
        "Baris yang ditarik bukan baris sumber ini dalam kejadian ini; hanya sumbernya sendiri atau kementerian yang bisa menariknya.",
        "The line withdrawn here is not one of this source in this incident; only the source itself or the ministry can withdraw it.",
    ),
    (
        Rule.FILED_AT_ONCE,
        "Sumber yang sama menyebut dua nilai yang bertentangan tanpa mengoreksinya: {parts}.",
        "The same source gave two values that contradict each other and corrected neither: {parts}.",
    ),
    (Rule.SOURCES_DIFFER, "Sumber-sumber berbeda: {parts}.", "The sources differ: {parts}."),
    (
        Rule.SEVERITY_EXCEEDS_INJURED,
        "Yang disebut {label_id} ({parts}) lebih banyak daripada semua yang luka ({whole}).",
        "Those called {label_en} ({parts}) are more than all injured ({whole}).",
    ),
    (Rule.FALLS_WITHOUT_REASON, "Angka turun dari {whole} ke {parts}; apa sebabnya?", "The figure fell from {whole} to {parts}; why?"),
)
TRANSPOSED = Both("Angkanya mungkin tertukar.", "The digits may be transposed.")


def message(rule: Rule, params: Mapping[str, str]) -> Both:
    """The question to the filer, in both languages. Missing parameters print as an ellipsis, never fail."""
    both = MESSAGE[rule]
    given = _Forgiving(params)
    return Both(both.id.format_map(given), both.en.format_map(given))


def source_name(source: str, author: str | None, mission_names: Mapping[str, str]) -> Both:
    """Who says it, in words: the mission's own name, the ministry, or the host state or press with its author."""
    kind, _, code = source.partition(":")
    if kind == "mission":
        name = mission_names.get(code, code)
        return Both(name, name)
    id_, en = {
        "ministry": ("Kementerian Luar Negeri", "Ministry of Foreign Affairs"),
        "host_state": ("negara setempat", "host state"),
        "media": ("media", "media"),
    }.get(kind, (source, source))
    return Both(f"{id_} ({author})", f"{en} ({author})") if author else Both(id_, en)


class _Forgiving(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"
