"""Names of countries and provinces: ISO 3166-1 and 3166-2 codes, words in id and en, and a forgiving search.

Country names come from Babel (CLDR). A province's point is its main town: where most people are, which is
what a distance from a danger is judged by when nothing finer is known.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files

from babel import Locale

from alerts.kit.errors import InvalidError

# Two-letter codes that CLDR names but ISO 3166-1 does not assign to a country or territory.
NOT_ISO = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"})
PROVINCE_CODE = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
COUNTRY_CODE = re.compile(r"[A-Z]{2}")
# Letters that Unicode does not decompose into a base letter and a mark.
PLAIN_LETTERS = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"})
# Words that say "province of": carried by forms and people, not by the name.
AFFIXES = frozenset(
    {
        "province",
        "provinsi",
        "prov",
        "governorate",
        "gubernuran",
        "region",
        "wilayah",
        "state",
        "states",
        "negara",
        "bagian",
        "prefecture",
        "prefektur",
        "emirate",
        "emirat",
        "ili",
        "il",
        "vilayeti",
        "muhafazah",
        "of",
        "the",
    }
)
SUGGESTION_LIKENESS = 0.75


class PlaceKind(StrEnum):
    """What a place code names."""

    COUNTRY = "country"
    PROVINCE = "province"


@dataclass(frozen=True, slots=True)
class Province:
    """A first-level division. `lat`, `lon` in degrees is its main town."""

    code: str
    name: str
    aliases: tuple[str, ...]
    lat: float
    lon: float

    @property
    def country(self) -> str:
        return self.code[:2]


@dataclass(frozen=True, slots=True)
class Place:
    """A country (or territory) or a province, by its code."""

    code: str
    kind: PlaceKind
    name: str

    @property
    def country(self) -> str:
        return self.code[:2]


def read_data(name: str, *, package: str = "alerts.places") -> list[dict[str, str]]:
    """The rows of a CSV file in the `data` folder of a package of ours."""
    content = files(package).joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(content)))


@cache
def country_codes() -> frozenset[str]:
    """All 249 two-letter codes of ISO 3166-1, territories among them."""
    return frozenset(code for code in map(str, Locale("en").territories) if COUNTRY_CODE.fullmatch(code)) - NOT_ISO


def is_country(code: str) -> bool:
    """Whether `code` is an ISO 3166-1 code, upper case."""
    return code in country_codes()


def country_name(code: str, lang: str = "id") -> str:
    """The usual name in `id` or `en`. Raises InvalidError for a code that ISO does not have."""
    if not is_country(code):
        raise InvalidError("unknown_country", f"{code!r} is not an ISO 3166-1 country code", field="country")
    return str(Locale("en" if lang == "en" else "id").territories[code])


@cache
def provinces() -> dict[str, Province]:
    """Every province we know, by ISO 3166-2 code."""
    return {row["code"]: _province(row) for row in read_data("provinces.csv")}


@cache
def provinces_of(country: str) -> tuple[Province, ...]:
    """The provinces of one country, in the order of their codes; empty where we hold none."""
    return tuple(p for p in provinces().values() if p.country == country)


def find_province(code: str) -> Province | None:
    """The province of an ISO 3166-2 code."""
    return provinces().get(code)


def checked_place(code: str | None, *, field: str = "place_code") -> str | None:
    """The code, if it is a country's or a province's that we know, or none; else InvalidError naming the field."""
    if code is not None and not is_country(code) and find_province(code) is None:
        raise InvalidError("unknown_place", "A place is an ISO 3166-1 or 3166-2 code that we know.", field=field)
    return code


def place_name(code: str, lang: str = "id") -> str:
    """The name of a country or a province code; a code that nobody knows is given back as it is."""
    province = find_province(code)
    if province is not None:
        return province.name
    return country_name(code, lang) if is_country(code) else code


@cache
def sovereign_of(country: str) -> str:
    """The state that a territory belongs to (HK → CN, NC → FR); the code itself for a state."""
    return {row["code"]: row["sovereign"] for row in read_data("territories.csv")}.get(country, country)


def find_place(text: str, *, country: str | None = None) -> Place | None:
    """The one place that `text` names: a code, or a name in id, en or the local language.

    Forgives case, diacritics, Turkish letters, punctuation and words such as "provinsi". A country goes
    before a province of the same name (Georgia). None when nothing, or more than one thing, fits.
    `country` looks among that country's provinces only.
    """
    code = text.strip().upper()
    if country is None and is_country(code):
        return Place(code, PlaceKind.COUNTRY, country_name(code))
    if code in provinces() and country in (None, code[:2]):
        return Place(code, PlaceKind.PROVINCE, provinces()[code].name)
    for key in _keys(text):
        found = [p for p in _index().get(key, ()) if country is None or (p.country == country and p.code != country)]
        ranked = [p for p in found if p.kind is PlaceKind.COUNTRY] or found
        if len({p.code for p in ranked}) == 1:
            return ranked[0]
    return None


def suggest_places(text: str, *, limit: int = 5) -> list[Place]:
    """What the writer may have meant, likeliest first: to be offered, never taken."""
    matches = get_close_matches(_fold(text), _index(), n=limit, cutoff=SUGGESTION_LIKENESS)
    found = {place.code: place for match in matches for place in _index()[match]}
    return list(found.values())[:limit]


def _province(row: dict[str, str]) -> Province:
    aliases = tuple(a for a in row["aliases"].split("|") if a)
    return Province(row["code"], row["name"], aliases, float(row["lat"]), float(row["lon"]))


@cache
def _index() -> dict[str, tuple[Place, ...]]:
    index: dict[str, list[Place]] = defaultdict(list)
    for name, place in _all_names():
        if place not in index[_fold(name)]:
            index[_fold(name)].append(place)
    return {key: tuple(places) for key, places in index.items() if key}


def _all_names() -> Iterator[tuple[str, Place]]:
    for code in sorted(country_codes()):
        place = Place(code, PlaceKind.COUNTRY, country_name(code))
        for lang in ("id", "en"):
            yield country_name(code, lang), place
    for row in read_data("country_aliases.csv"):
        yield row["alias"], Place(row["code"], PlaceKind.COUNTRY, country_name(row["code"]))
    for province in provinces().values():
        place = Place(province.code, PlaceKind.PROVINCE, province.name)
        yield from ((name, place) for name in (province.name, *province.aliases))
        if province.name.endswith(")"):
            yield province.name.partition(" (")[0], place


def _keys(text: str) -> Iterator[str]:
    """The whole text as a key, then without the words that only say "province of"."""
    yield _fold(text)
    yield "".join(word for word in _words(text) if word not in AFFIXES)


def _fold(text: str) -> str:
    return "".join(_words(text))


def _words(text: str) -> list[str]:
    """Lower-case words without marks: "İstanbul İli" → ["istanbul", "ili"]."""
    apart = unicodedata.normalize("NFKD", text[:200]).casefold()
    bare = "".join(c for c in apart if not unicodedata.combining(c)).translate(PLAIN_LETTERS)
    return re.findall(r"[^\W_]+", re.sub(r"['’‘ʻʼ`.]", "", bare))
