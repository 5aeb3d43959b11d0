"""A situation report in one text message: what it may say, how it is read, and how it is written. Pure.

    LAPSIT A7K #483920 PKL1350 TR-31 MGL2 LBR3 BDH~40 TR-01 SLM12(TELEPON) STF12/14 KTR+ LST- LJT1430 // jembatan putus

Forgiving: case, order, blanks, commas, `:` and `=` do not matter, words may be written out (MENINGGAL 2), and what is not
understood is named and left out, never guessed. What is written here is read back the same (`write`, `read`). The page of
the grammar for the missions is docs/lapsit.md.

Codes have three letters, so that none is a country's. Times are the mission's own clock.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from alerts.places import find_province, is_country
from alerts.reports.rules.codes import Category, Nationality, Silence

KEYWORD = "LAPSIT"
NARRATIVE = "//"
CATEGORY_CODES: Mapping[Category, tuple[str, str]] = MappingProxyType(
    {
        Category.DEAD: ("MGL", "MENINGGAL"),
        Category.SERIOUSLY_INJURED: ("LBR", "LUKABERAT"),
        Category.LIGHTLY_INJURED: ("LRG", "LUKARINGAN"),
        Category.INJURED: ("LUK", "LUKA"),
        Category.ILL: ("SKT", "SAKIT"),
        Category.IN_HOSPITAL: ("RSK", "DIRAWAT"),
        Category.DETAINED: ("THN", "DITAHAN"),
        Category.TRAPPED: ("JBK", "TERJEBAK"),
        Category.MISSING: ("HLG", "HILANG"),
        Category.UNACCOUNTED: ("BDH", "BELUMDIHUBUNGI"),
        Category.SAFE: ("SLM", "SELAMAT"),
        Category.SHELTERING: ("UNG", "MENGUNGSI"),
        Category.EN_ROUTE: ("JLN", "PERJALANAN"),
        Category.EVACUATED: ("EVK", "DIEVAKUASI"),
        Category.REPATRIATED: ("PLG", "DIPULANGKAN"),
        Category.STRANDED: ("TLT", "TERLANTAR"),
        Category.AFFECTED: ("DPK", "TERDAMPAK"),
        Category.STAYED: ("BTH", "BERTAHAN"),
        Category.REGISTERED: ("DFT", "TERDAFTAR"),
        Category.ESTIMATED_PRESENT: ("KRA", "PERKIRAAN"),
    }
)
"""The code and the word of each category."""
NATIONALITY_LETTERS: Mapping[str, Nationality] = MappingProxyType(
    {
        "": Nationality.OWN,
        "D": Nationality.OWN_CHILD_DUAL,
        "K": Nationality.FOREIGN_FAMILY,
        "A": Nationality.FOREIGN_HELPED,
        "V": Nationality.UNVERIFIED,
    }
)
"""Behind a figure: none is our own citizens; D child of two nationalities, K foreign family, A foreigner helped, V not yet verified."""
SILENCE_SIGNS: Mapping[str, Silence] = MappingProxyType(
    {"*": Silence.NOT_ASKED, "?": Silence.ASKED_NO_ANSWER, "-": Silence.ASKED_NONE_REPORTED}
)
"""In place of a figure. "Checked, none found" is a 0 with how it was checked: `MGL0(RS DAN FORENSIK)`.

Behind a figure the brackets say how it is known: `SLM12(TELEPON)`."""
COUNTS_OF_MISSION: Mapping[str, str] = MappingProxyType({"STF": "staff", "KLG": "families", "KDR": "vehicles"})
STATES_OF_MISSION: Mapping[str, str] = MappingProxyType(
    {"KTR": "office", "LST": "power", "TLP": "telephone", "NET": "internet", "KAS": "cash"}
)
"""The mission itself: people accounted for of all (STF12/14), vehicles (KDR3); working or not (LST+, LST-)."""
NEXT, AS_OF, NOTHING_KNOWN = "LJT", "PKL", "BELUM"
HOW_MAX, WORDS_MAX = 60, 2_000

_CATEGORIES = {word: category for category, words in CATEGORY_CODES.items() for word in words}
_LETTERS = {nationality: letter for letter, nationality in NATIONALITY_LETTERS.items()}
_SLASHES = re.compile("[/\uff0f]{2}")
_SIGNS = {silence: sign for sign, silence in SILENCE_SIGNS.items()}
_PIECE = re.compile(
    r"""\s*(?:
        (?P<code>\#\s*\d{4,8}(?!\d))
      | (?P<place>[A-Z]{2}-[A-Z0-9]{1,3}(?![A-Z0-9]))
      | (?P<word>[A-Z]+)(?:(?P<gap>[ :=]*)(?P<value>~?\d+(?:/\d+)?[DKAV]?(?![A-Z0-9]|[.,]\d)(?:\s*\([^()]*\))?
            |[?*+-](?![A-Z0-9]|\s*\d)))?
      | (?P<other>[^\s,;]+)
    )[\s,;.]*""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """One figure, or one silence, at one place. `place` None: the whole incident. `how`: by what it is known, or a 0 was checked."""

    category: Category
    place: str | None = None
    number: int | None = None
    silence: Silence | None = None
    nationality: Nationality = Nationality.OWN
    is_approximate: bool = False
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Lapsit:
    """What a message was understood as. `unread`: its words that nobody understood, as they were written.

    `incident`: the incident's short code, "" where none was given. `code`: the one-time code, digits alone. `mission`: the
    state of the mission itself. `as_of`: when it was true, `next_at`: when the next one comes; hour and minute by the
    mission's clock.
    """

    incident: str = ""
    code: str | None = None
    tallies: tuple[Tally, ...] = ()
    mission: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    as_of: tuple[int, int] | None = None
    next_at: tuple[int, int] | None = None
    is_nothing_known: bool = False
    narrative: str | None = None
    unread: tuple[str, ...] = ()

    @property
    def says_anything(self) -> bool:
        """Whether there is something to file."""
        return bool(self.tallies or self.mission or self.is_nothing_known or self.narrative or self.next_at)


def is_lapsit(text: str) -> bool:
    """Whether a message begins with the keyword, alone as a word: "LAPOR DIRI" and "lapsitx" do not."""
    return re.match(rf"\W*{KEYWORD}(?![A-Z0-9])", _plain(text), re.ASCII) is not None


def read(text: str) -> Lapsit:
    """Understand a message that begins with the keyword."""
    head, slashes, tail = _SLASHES.sub(NARRATIVE, text, count=1).partition(NARRATIVE)
    said = _Reading()
    rest = re.sub(rf"^\W*{KEYWORD}(?![A-Z0-9])[\s,;:.]*", "", _plain(head), flags=re.ASCII)
    incident = re.match(r"([A-Z0-9]{3,4})(?![A-Z0-9(+*?-])[\s,;:.]*", rest, re.ASCII)
    if incident and may_be_incident(incident[1]):
        rest = rest[incident.end() :]
    else:
        incident = None
    for piece in _PIECE.finditer(rest):
        said.take(piece)
    narrative = " ".join(tail.split())[:WORDS_MAX] if slashes else ""
    return replace(said.result(), incident=incident[1] if incident else "", narrative=narrative or None)


def may_be_incident(word: str) -> bool:
    """Whether a first word of three or four letters and digits is an incident's code, rather than a figure, a place or a word.

    Those that incidents are given (a letter, a digit, a letter) always are.
    """
    known = {*_CATEGORIES, *COUNTS_OF_MISSION, *STATES_OF_MISSION, NEXT, AS_OF, NOTHING_KNOWN}
    is_figure = word[:3] in known and word[3:].isdigit()
    is_place = is_country(word[:2]) and word[2:].isdigit()
    return word not in known and not is_figure and not is_place and not word.isdigit()


def write(said: Lapsit) -> str:
    """The message that says this, in its shortest form; `unread` is left out."""
    parts = [KEYWORD, said.incident, f"#{said.code}" if said.code else "", NOTHING_KNOWN if said.is_nothing_known else ""]
    parts.append(_clock(AS_OF, said.as_of))
    place: str | None = None
    for tally in sorted(said.tallies, key=lambda each: each.place is not None):
        if tally.place != place:
            place = tally.place
            parts.append(place or "")
        parts.append(_written(tally))
    names = {name: word for word, name in (*COUNTS_OF_MISSION.items(), *STATES_OF_MISSION.items())}
    parts += [f"{names[name]}{value}" for name, value in said.mission.items()]
    parts.append(_clock(NEXT, said.next_at))
    parts.append(f"{NARRATIVE} {said.narrative}" if said.narrative else "")
    return " ".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Upper case, and what a phone made of our signs turned back: full-width forms, long dashes."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return folded.translate({0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-", 0x2212: "-"})


def _clock(word: str, at: tuple[int, int] | None) -> str:
    return f"{word}{at[0]:02}{at[1]:02}" if at else ""


def _written(tally: Tally) -> str:
    word, letter = CATEGORY_CODES[tally.category][0], _LETTERS[tally.nationality]
    if tally.silence is Silence.CHECKED_NONE_FOUND:
        return f"{word}0{letter}({tally.how})"
    if tally.silence is not None:
        return f"{word}{_SIGNS[tally.silence]}"
    how = f"({tally.how})" if tally.how else ""
    return f"{word}{'~' if tally.is_approximate else ''}{tally.number}{letter}{how}"


class _Reading:
    """A message on its way from its first piece to its last."""

    def __init__(self) -> None:
        self._place: str | None = None
        self._is_place_used = True
        self._tallies: list[Tally] = []
        self._mission: dict[str, str] = {}
        self._code: str | None = None
        self._times: dict[str, tuple[int, int]] = {}
        self._is_nothing_known = False
        self._unread: list[str] = []
        # "2 MGL 3 LBR": from a bare number on, a number behind a blank may belong to the word after it.
        self._is_number_first = False

    def take(self, piece: re.Match[str]) -> None:
        """One piece: a code, a place, a word with or without a value, or something else."""
        if piece["code"]:
            self._code = "".join(filter(str.isdigit, piece["code"]))
        elif piece["place"]:
            self._at(piece["place"])
        elif piece["word"]:
            is_doubtful = self._is_number_first and bool(piece["value"]) and not (piece["gap"] or "x").strip()
            if is_doubtful or not self._take_word(piece["word"], piece["value"] or ""):
                self._unread.append(piece[0].strip(" ,;.\n\t"))
        elif piece["other"]:
            self._unread.append(piece["other"])
            self._is_number_first |= piece["other"].isdigit()

    def result(self) -> Lapsit:
        """What it comes to."""
        self._leave_place()
        return Lapsit(
            code=self._code,
            tallies=tuple(self._tallies),
            mission=MappingProxyType(self._mission),
            as_of=self._times.get(AS_OF),
            next_at=self._times.get(NEXT),
            is_nothing_known=self._is_nothing_known,
            unread=tuple(word for word in self._unread if word),
        )

    def _at(self, place: str) -> None:
        """The figures after it are of this place, known or not: one that nobody knows is asked about when it is filed."""
        self._leave_place()
        self._place, self._is_place_used = place, False

    def _leave_place(self) -> None:
        """A place of which nothing was said is named as not understood."""
        if not self._is_place_used and self._place is not None:
            self._unread.append(self._place)
        self._is_place_used = True

    def _take_word(self, word: str, value: str) -> bool:
        """Whether the word was understood."""
        if word == NOTHING_KNOWN and not value:
            self._is_nothing_known = True
        elif is_country(word) and not value:
            self._at(word)
        elif (place := _dashless(word, value)) is not None:
            self._at(place)
        elif word in _CATEGORIES:
            return self._take_tally(_CATEGORIES[word], value)
        elif word in (AS_OF, NEXT):
            return self._take_time(word, value)
        else:
            return self._take_mission(word, value)
        return True

    def _take_tally(self, category: Category, value: str) -> bool:
        if value in SILENCE_SIGNS:
            self._is_place_used = True
            self._tallies.append(Tally(category, self._place, silence=SILENCE_SIGNS[value]))
            return True
        found = re.fullmatch(r"(~?)(\d{1,9})([DKAV]?)\s*(?:\((.*)\))?", value, re.ASCII | re.DOTALL)
        if found is None:
            return False
        about, digits, letter, how = found.groups()
        how = " ".join((how or "").split())[:HOW_MAX].strip()
        tally = Tally(category, self._place, nationality=NATIONALITY_LETTERS[letter])
        if int(digits) == 0 and how:
            tally = replace(tally, silence=Silence.CHECKED_NONE_FOUND, how=how)
        else:
            tally = replace(tally, number=int(digits), is_approximate=bool(about), how=how or None)
        self._is_place_used = True
        self._tallies.append(tally)
        return True

    def _take_time(self, word: str, value: str) -> bool:
        if re.fullmatch(r"\d{3,4}", value, re.ASCII) is None:
            return False
        hour, minute = divmod(int(value), 100)
        if hour > 23 or minute > 59:
            return False
        self._times[word] = (hour, minute)
        return True

    def _take_mission(self, word: str, value: str) -> bool:
        if word in STATES_OF_MISSION and value in ("+", "-", "?"):
            self._mission[STATES_OF_MISSION[word]] = value
            return True
        whole = "" if COUNTS_OF_MISSION.get(word) == "vehicles" else r"(/\d{1,5})?"
        if word in COUNTS_OF_MISSION and re.fullmatch(rf"\d{{1,5}}{whole}", value, re.ASCII):
            self._mission[COUNTS_OF_MISSION[word]] = value
            return True
        return False


def _dashless(word: str, value: str) -> str | None:
    """`TR31` for TR-31, where there is such a province."""
    place = f"{word}-{value}"
    return place if len(word) == 2 and value.isdigit() and find_province(place) is not None else None


def codes_of(tallies: Sequence[Tally]) -> Iterator[str]:
    """Each figure as it was written, for the answer that repeats what was understood."""
    for tally in tallies:
        yield f"{tally.place + ' ' if tally.place else ''}{_written(tally)}"
