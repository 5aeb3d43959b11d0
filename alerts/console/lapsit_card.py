"""The page of grammar that hangs beside a mission's phone: examples, codes, and the mission's own places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerts.kit.i18n import N_
from alerts.places import place_name, provinces_of
from alerts.reports.rules import words
from alerts.reports.rules.codes import Category, Silence
from alerts.reports.rules.lapsit import (
    CATEGORY_CODES,
    COUNTS_OF_MISSION,
    KEYWORD,
    NATIONALITY_LETTERS,
    SILENCE_SIGNS,
    STATES_OF_MISSION,
    Lapsit,
    Tally,
    write,
)

PLACES_MAX = 120
MISSION_WORDS: Mapping[str, str] = {
    "staff": N_("staff of the mission, reached of all"),
    "families": N_("their families, reached of all"),
    "vehicles": N_("vehicles that run"),
    "office": N_("office"),
    "power": N_("electricity"),
    "telephone": N_("telephone"),
    "internet": N_("internet"),
    "cash": N_("cash at hand"),
}
SIGNS: Mapping[str, str] = {"~": N_("about: SLM~40"), "(…)": N_("how it is known: SLM12(TELEPON), MGL0(RS DAN FORENSIK)")}


@dataclass(frozen=True)
class Card:
    """Rows of code and meaning, in one language; examples from the simplest on."""

    examples: Sequence[tuple[str, str]]
    categories: Sequence[tuple[str, str, str]]
    nationalities: Sequence[tuple[str, str]]
    silences: Sequence[tuple[str, str]]
    mission: Sequence[tuple[str, str]]
    places: Sequence[tuple[str, str]]


def card_of(lang: str, incident: str, places: Sequence[str]) -> Card:
    """The card of a mission with these places, with the code of an incident that is open (or one as it might be)."""
    return Card(
        examples=_examples(incident, places[0] if places else "TR-31"),
        categories=[(code, word, getattr(words.CATEGORY[category], lang)) for category, (code, word) in CATEGORY_CODES.items()],
        nationalities=[(f"3{letter}", getattr(words.NATIONALITY[each], lang)) for letter, each in NATIONALITY_LETTERS.items()],
        silences=[(sign, getattr(words.SILENCE[each], lang)) for sign, each in SILENCE_SIGNS.items()],
        mission=[
            *((f"{code}12/14" if name != "vehicles" else f"{code}3", MISSION_WORDS[name]) for code, name in COUNTS_OF_MISSION.items()),
            *((f"{code}+ {code}-", MISSION_WORDS[name]) for code, name in STATES_OF_MISSION.items()),
        ],
        places=[(code, place_name(code, lang)) for code in places[:PLACES_MAX]],
    )


def places_of_mission(countries: Sequence[str], districts: Sequence[str]) -> list[str]:
    """A consulate's district, or the countries with their provinces while they fit on the page."""
    if districts:
        return list(districts)
    every = [code for country in countries for code in (country, *(province.code for province in provinces_of(country)))]
    return every if len(every) <= PLACES_MAX else list(countries)


def _examples(incident: str, place: str) -> list[tuple[str, str]]:
    figures = (
        Tally(Category.DEAD, place, silence=Silence.ASKED_NONE_REPORTED),
        Tally(Category.SERIOUSLY_INJURED, place, number=2),
        Tally(Category.SAFE, place, number=40, is_approximate=True),
    )
    proven = (Tally(Category.SAFE, place, number=12, how="TELEPON"),)
    itself = {"staff": "12/14", "office": "+", "power": "-"}
    return [
        (f"{KEYWORD} {incident} BELUM", N_("nothing known yet")),
        (write(Lapsit(incident, tallies=figures)), N_("what is known, by place")),
        (write(Lapsit(incident, mission=itself, next_at=(14, 30))), N_("the mission itself, and when the next report comes")),
        (write(Lapsit(incident, code="483920", tallies=proven, as_of=(13, 50))), N_("with a code, as of an hour, and how it is known")),
    ]
