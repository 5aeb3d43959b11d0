"""What a text costs and contains: segments as networks count them, links, phone numbers, the mark of an exercise."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import smsutil
from babel import Locale
from phonenumbers import Leniency, PhoneNumberMatcher

EXERCISE_WORD = "LATIHAN"
FEWEST_PHONE_DIGITS = 7  # emergency and service numbers of up to six digits are no phone numbers to a filter
HOME_REGION = "ID"
ESCAPE = "\x1b"

_GENERIC_ENDINGS = (
    "com org net int info app gov edu mil biz name mobi link page site online web shop news live world asia xyz dev "
    "cloud click top help support travel"
)
_SHORTENERS = frozenset({"t.co", "t.me", "g.co", "x.com"})
_DOMAIN = re.compile(
    r"(?<![\w.-])(?:https?://|www\.)?(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,24}(?![\w-])(?::\d+)?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(?:https?|ftp|tel|sms|whatsapp)://\S+|\b(?:tel|sms|mailto):\S+", re.IGNORECASE)

_YEAR_AND_TIME = re.compile(r"(?:19|20)\d\d[ ,]+[0-2]?\d[.:][0-5]\d")


class Encoding(StrEnum):
    """GSM-7 holds 160 septets in one SMS (153 in each part of several), UCS-2 holds 70 (67)."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of a text. `units` are septets (GSM-7; € and {} take two) or 16-bit units (UCS-2; an emoji takes two).

    `foreign` names the characters that keep it from GSM-7, each once, in order: one of them cuts 160 to 70.
    """

    encoding: Encoding
    segments: int
    units: int
    foreign: tuple[str, ...]


def measure(text: str) -> Measure:
    """Count the SMS that a text needs. An empty text needs none."""
    if not text:
        return Measure(Encoding.GSM7, 0, 0, ())
    foreign = tuple(dict.fromkeys(c for c in text if c == ESCAPE or not smsutil.is_valid_gsm(c)))
    if foreign:
        # The library holds a lone escape for a letter of GSM-7; on a phone it would swallow the one after it.
        split = smsutil.unicode_split(text)
        return Measure(Encoding.UCS2, len(split.parts), split.total_bytes // 2, foreign)
    split = smsutil.gsm_split(text)
    return Measure(Encoding.GSM7, len(split.parts), split.total_bytes, ())


def find_urls(text: str) -> list[str]:
    """Whatever a phone would underline or a carrier's filter would take for a link, with or without a scheme, each once."""
    plain = unicodedata.normalize("NFKC", text)
    found = [match.group() for match in _SCHEME.finditer(plain)]
    for match in _DOMAIN.finditer(plain):
        word = match.group()
        if not any(word in url for url in found) and _is_link(word):
            found.append(word)
    return [url.rstrip(".,;:!?)\"'") for url in dict.fromkeys(found)]


def find_phone_numbers(text: str, *, region: str = HOME_REGION) -> list[str]:
    """Numbers of at least seven digits that look like a telephone number here or abroad, as written, each once."""
    plain = unicodedata.normalize("NFKC", text)
    found: dict[str, None] = {}
    for match in PhoneNumberMatcher(plain, region, leniency=Leniency.POSSIBLE):
        has_digits = sum(c.isdigit() for c in match.raw_string) >= FEWEST_PHONE_DIGITS
        if has_digits and not _YEAR_AND_TIME.fullmatch(match.raw_string):
            found[match.raw_string] = None
    return list(found)


def is_marked_exercise(text: str) -> bool:
    """Whether a text begins with the word LATIHAN: every text of an exercise has to, and no other may."""
    return re.match(rf"{EXERCISE_WORD}\b", text) is not None


def _is_link(word: str) -> bool:
    lowered = word.lower()
    if lowered.startswith(("http://", "https://", "www.")):
        return True
    domain = re.split(r"[/?#:]", lowered, maxsplit=1)[0]
    path = lowered[len(domain) :]
    labels = domain.split(".")
    if labels[-1] not in _endings():
        return False
    if path or domain in _SHORTENERS:
        return True
    # "bandara.Ke gerbang", "U.S.": a missing blank after a full stop, an abbreviation; no link without a path.
    written_ending = word.rpartition(".")[2]
    return len(labels[-2]) > 1 and not (written_ending.istitle() and not word.istitle() and len(labels) == 2)


@cache
def _endings() -> frozenset[str]:
    countries = {str(code).lower() for code in Locale("en").territories if re.fullmatch("[A-Z]{2}", str(code))}
    return frozenset(countries | {"uk", "eu"} | set(_GENERIC_ENDINGS.split()))
