"""What may be published, by whom, and in which words: states, the second hand, and what no sentence of ours may hold.

Pure decisions. A figure in free text is a reference, `{own.injured}`; a number that is typed is refused in either form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from alerts.kit.errors import InvalidError
from alerts.kit.i18n import N_


class State(StrEnum):
    """`withdrawn` before it was published: the draft was given up. Whether it is stale is a fact of its own (`stale_at`)."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """Our answer to a rumour: BENAR or TIDAK BENAR, and nothing between."""

    TRUE = "true"
    FALSE = "false"


class WhyWithdrawn(StrEnum):
    """Why a statement is taken back. The public reads prepared words: one person withdraws, and nobody types alone."""

    FIGURE_CORRECTED = "figure_corrected"
    NO_LONGER_SO = "no_longer_so"
    NOT_CONFIRMED = "not_confirmed"
    BY_MISTAKE = "by_mistake"


WITHDRAWN_WORDS: Mapping[WhyWithdrawn, Mapping[str, str]] = MappingProxyType(
    {
        WhyWithdrawn.FIGURE_CORRECTED: {"id": "Angka diperbaiki.", "en": "A figure was corrected."},
        WhyWithdrawn.NO_LONGER_SO: {"id": "Keadaan telah berubah.", "en": "The situation has changed."},
        WhyWithdrawn.NOT_CONFIRMED: {"id": "Isinya ternyata belum terkonfirmasi.", "en": "What it said turned out not to be confirmed."},
        WhyWithdrawn.BY_MISTAKE: {"id": "Diterbitkan karena kekeliruan.", "en": "It was published by mistake."},
    }
)
ALLOWED: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.DRAFT: frozenset({State.PUBLISHED, State.WITHDRAWN}),
        State.PUBLISHED: frozenset({State.WITHDRAWN}),
        State.WITHDRAWN: frozenset(),
    }
)


class Fault(NamedTuple):
    """Why a text may not be published; `words` is the part at fault as it was typed."""

    code: str
    words: str


REFERENCE = re.compile(r"\{([a-z_]+(?:[.+][a-z_]+)*)\}")
WHOLE_SENTENCES = re.compile(r"[.!?]+(?=\s|$)")
SENTENCES = re.compile(r"[.!?;:\n]+(?=\s|$)")
# Said of a place or of a wish, "safe" claims nothing of anybody.
HARMLESS = re.compile(
    r"\b(?:(?:tempat|lokasi|daerah|jarak)(?: yang)?(?: lebih)? aman|safe(?:r)? (?:place|area|distance)s?|(?:stay|keep) safe)\b"
)
ALL_SAFE = (
    re.compile(
        r"\b(?:semua|semuanya|seluruh|seluruhnya|segenap|setiap|tiap|para)\b.*"
        r"\b(?:selamat|aman|(?:keadaan|kondisi) (?:sehat|baik)|baik baik)\b"
    ),
    re.compile(r"\b(?:selamat|aman)\b.*\b(?:semua|semuanya|seluruh|seluruhnya)\b"),
    re.compile(r"\b(?:wni|warga(?: negara)?(?: kita| indonesia)?) (?:kita )?(?:(?:dalam )?(?:keadaan |kondisi )?)?(?:selamat|aman)\b"),
    re.compile(r"\b(?:tidak|tak) (?:ada|terdapat)\b.*\b(?:korban|wni|warga|orang|meninggal|luka|terluka|hilang)\b"),
    re.compile(r"\b(?:tanpa|nihil|nol) korban\b|\bkorban\b.*\bnihil\b"),
    re.compile(
        r"\b(?:all|every|everyone|everybody|each)\b.*\b(?:safe|unhurt|unharmed|uninjured|(?:is|are|doing) (?:well|fine)|accounted)\b"
    ),
    re.compile(r"\b(?:safe|unhurt|unharmed|accounted for)\b.*\b(?:all|everyone|everybody)\b"),
    re.compile(r"\b(?:citizens|indonesians|nationals) (?:are|were|remain) (?:safe|unhurt|unharmed|well|fine)\b"),
    re.compile(r"\bno (?:indonesians?|citizens?|nationals?|one|body|casualt\w*|victims?|deaths?|dead|injur\w*|fatalit\w*|loss)\b"),
    re.compile(r"\b(?:nobody|none)\b"),
)
WRONG_WORDS = re.compile(r"\b\w*(?:tewas|newas)\w*|\bcasualt(?:y|ies)\b")
# Words and ways round them; "meninggalkan" is to leave. Few of these have another use in a sentence of ours.
DEATH = re.compile(
    r"\b(?:(?:meninggal|wafat|gugur|mati|jenazah|jasad|mayat|mendiang|almarhum(?:ah)?|bangkai)(?:nya|lah|kah|pun)?"
    r"|(?:ke|se)(?:mati|wafat|gugur)\w*|\w*nyawa\w*|jiwa(?:nya)? (?:melayang|hilang)|(?:korban|kehilangan|kerugian) jiwa"
    r"|\w*bunuh\w*|berpulang|mangkat|tutup (?:usia|umur)|(?:hembus|embus)\w* nafas|(?:hembus|embus)\w* napas"
    r"|(?:tidak|tak) (?:ter(?:tolong|selamatkan)|selamat|bernyawa)|(?:ber)?duka(?: ?cita)?|bela ?sungkawa"
    r"|\w*makam\w*|\w*kubur(?:kan|an)?|[ao]u?topsi"
    r"|dead(?:ly)?|die[sd]?|dying|deaths?|deceased|fatal(?:ly|ity|ities)?|kill(?:s|ed|ing|ings)?|slain|murder\w*|perish\w*"
    r"|drown(?:s|ed|ing)?|pass(?:ed|es|ing)? away|(?:lo(?:st|se|ses|sing)|claim\w*|cost|took|taken?|loss of) (?:\w+ ){0,2}li(?:fe|ves)"
    r"|li(?:fe|ves) (?:\w+ )?(?:lost|claimed|taken)|bod(?:y|ies)|corpses?|(?:mortal|human|bodily|their|his|her) remains|remains of"
    r"|(?:not|never|nt|failed to) surviv\w*|no longer alive|funerals?|buried|burials?|morgues?|mortuar(?:y|ies)|autops(?:y|ies)"
    r"|condolences?|mourn\w*|bereave\w*)\b"
)
HOST_STATE = "host_state."
# Whoever is named after a figure of the host state would be read as counted by it.
OURS = re.compile(
    r"\b(?:wni|\w*indonesia\w*|warga (?:negara )?kita|warga kami|(?:sesama )?saudara(?: kita)?|our|ours|us|citizens?|nationals?"
    r"|compatriots?|kita|pmi|tki|tkw)\b"
)
RESTRICTED = re.compile(
    r"\b(?:titik (?:kumpul|temu|jemput)|tempat berkumpul|lokasi (?:kumpul|penjemputan)|rumah aman|(?:rute|jalur) (?:evakuasi|keluar|aman)"
    r"|(?:jam|waktu|jadwal) (?:keberangkatan|berangkat)|akan berangkat|(?:assembly|meeting|gathering|pick up|pickup) points?|safe ?houses?"
    r"|(?:evacuation|escape|exit) routes?|departure times?|(?:will|to) depart)\b"
)
NUMBER_WORDS = frozenset(
    [
        "nol",
        "satu",
        "dua",
        "tiga",
        "empat",
        "lima",
        "enam",
        "tujuh",
        "delapan",
        "sembilan",
        "sepuluh",
        "sebelas",
        "seratus",
        "seribu",
        "sejuta",
        "seorang",
        "berdua",
        "bertiga",
        "berempat",
        "puluhan",
        "belasan",
        "ratusan",
        "ribuan",
        "jutaan",
        "lusin",
        "lusinan",
        "selusin",
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "hundreds",
        "thousand",
        "thousands",
        "million",
        "millions",
        "dozen",
        "dozens",
        "scores",
        "couple",
        "single",
    ]
)
COMPOUND = re.compile(r"(?:se|dua|tiga|empat|lima|enam|tujuh|delapan|sembilan)?(?:puluh|belas|ratus|ribu|juta)(?:an)?")
X_WEIGHT, X_LINK = 280, 23
X_LIGHT = ((0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
TOGETHER = ("present", "voluntary")
URGENT_FIRST = (
    "exercise",
    "as_of",
    "harm",
    "deaths",
    "injured",
    "seriously_injured",
    "lightly_injured",
    "unreached",
    "contacted",
    "host",
    "present",
    "next",
    "appeal",
)


def fault_of(text: str, offered: Collection[str] = ()) -> Fault | None:
    """What keeps a typed text from being published, or None. `offered`: figures that it may refer to."""
    unknown = [key for key in REFERENCE.findall(text) if key not in offered]
    if unknown:
        return Fault("figure_unknown", "{" + unknown[0] + "}")
    return next((fault for sentence in SENTENCES.split(text) if (fault := _fault_of_sentence(sentence))), None) or _borrowed(text)


def check_texts(texts: Mapping[str, str], *, field: str, offered: Collection[str] = ()) -> None:
    """Both languages of a typed text. 422 with the code and the words at fault; both must speak of the same figures."""
    for language, text in texts.items():
        fault = fault_of(text, offered)
        if fault is not None:
            raise _refusal(fault, f"{field}.{language}")
    if len({tuple(sorted(REFERENCE.findall(text))) for text in texts.values()}) > 1:
        raise InvalidError("figures_differ", "Both languages must speak of the same figures.", field=field)


def check_claim(texts: Mapping[str, str], verdict: Verdict, *, field: str) -> None:
    """Another's words that we repeat. What we call true we say ourselves; what we deny may hold numbers, but no restricted place."""
    if verdict is Verdict.TRUE:
        check_texts(texts, field=field)
        return
    for language, text in texts.items():
        if match := RESTRICTED.search(_plain(text)):
            raise _refusal(Fault("restricted", match.group()), f"{field}.{language}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its references read aloud."""
    return REFERENCE.sub(lambda match: values[match.group(1)], text)


def references_of(text: str) -> list[str]:
    """The figures that a typed text speaks of, each once."""
    return list(dict.fromkeys(REFERENCE.findall(text)))


def copies(clauses: list[tuple[str, str]], *, heading: str, link: str) -> dict[str, str]:
    """Ready to be pasted: X (at most 280 by its own counting), Instagram (no link works there), WhatsApp (with its bold)."""
    body = [text for _, text in clauses]
    return {
        "x": f"{_fitting(clauses, max(X_LINK, len(link)))} {link}".strip(),
        "instagram": f"{heading}\n\n" + "\n\n".join(body),
        "whatsapp": f"*{heading}*\n\n" + "\n\n".join(body) + f"\n\n{link}",
    }


def x_weight(text: str) -> int:
    """What X counts: one for Latin, Greek, Cyrillic and common punctuation, two for the rest."""
    return sum(1 if any(first <= ord(c) <= last for first, last in X_LIGHT) else 2 for c in text)


def is_second_hand_needed(clause_keys: Collection[str], *, has_own_words: bool) -> bool:
    """What the system says by itself one person may publish; deaths and typed words need another."""
    return has_own_words or "deaths" in clause_keys


def _fault_of_sentence(sentence: str) -> Fault | None:
    references = REFERENCE.findall(sentence)
    plain = _plain(REFERENCE.sub(" ", sentence))
    claims = HARMLESS.sub(" ", plain)
    for pattern in ALL_SAFE:
        if match := pattern.search(claims):
            return Fault("all_safe", match.group())
    if match := RESTRICTED.search(plain):
        return Fault("restricted", match.group())
    if match := WRONG_WORDS.search(plain):
        return Fault("wrong_word", match.group())
    number = next(_numbers(plain), None)
    if number is not None:
        return Fault("number_not_bound", number)
    if (match := DEATH.search(plain)) and not any(key.endswith("dead") for key in references):
        return Fault("death_not_bound", match.group())
    return None


def _borrowed(text: str) -> Fault | None:
    """A figure of the host state as if it were of our citizens; a colon or a semicolon does not part the two."""
    for sentence in WHOLE_SENTENCES.split(text):
        is_theirs = any(key.startswith(HOST_STATE) for key in REFERENCE.findall(sentence))
        if is_theirs and (match := OURS.search(_plain(REFERENCE.sub(" ", sentence)))):
            return Fault("figure_of_others", match.group())
    return None


def _refusal(fault: Fault, field: str) -> InvalidError:
    return InvalidError(fault.code, WHY[fault.code], field=field, words=fault.words)


def _plain(text: str) -> str:
    """Small letters and single blanks, without accents, hidden characters or punctuation: what a reader would hear."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    letters = (c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())


def _numbers(plain: str) -> Iterator[str]:
    for word in plain.split():
        if any(c.isnumeric() for c in word) or word in NUMBER_WORDS or COMPOUND.fullmatch(word):
            yield word


def _fitting(clauses: list[tuple[str, str]], link: int) -> str:
    """Whole clauses only, the weightiest first, in their own order. A number of our register never without its caveat."""
    chosen: set[str] = set()
    for key in sorted({key for key, _ in clauses}, key=lambda key: URGENT_FIRST.index(key) if key in URGENT_FIRST else len(URGENT_FIRST)):
        wanted = chosen | {key} | (set(TOGETHER) if key in TOGETHER else set())
        if x_weight(_joined(clauses, wanted)) + 1 + link <= X_WEIGHT:
            chosen = wanted
    return _joined(clauses, chosen)


def _joined(clauses: list[tuple[str, str]], keys: Collection[str]) -> str:
    return " ".join(text for key, text in clauses if key in keys)


WHY: Mapping[str, str] = MappingProxyType(
    {
        "all_safe": N_("Nobody has checked that: say how many were contacted, or that no report has come so far."),
        "restricted": N_("Assembly points, routes and departure times are for named recipients only."),
        "wrong_word": N_("Use another word: meninggal dunia; in English dead or injured."),
        "number_not_bound": N_("A number must be a figure of the sheet: put its name in braces instead of typing it."),
        "death_not_bound": N_("A sentence on deaths needs a figure that may be published."),
        "figure_of_others": N_("A figure of the host state counts people of every nation: it says nothing of our citizens."),
        "figure_unknown": N_("There is no such figure, or it may not be published."),
    }
)
