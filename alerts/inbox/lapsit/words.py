"""What a mission is answered by text: GSM-7, at most two segments, every word of it ours or read as a figure.

Figures are repeated in the codes they came in, never in words: a text message lies open on a phone. Addresses, and whatever else
somebody could have us send on, are not repeated. Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.channels.texts import find_urls, measure
from alerts.inbox.lapsit.rules import Outcome, without_code
from alerts.kit.i18n import N_, Translator
from alerts.reports.code_lists.rules import Verdict
from alerts.reports.rules.lapsit import KEYWORD, Lapsit, write

UNITS_MAX = 306 - len("LATIHAN: ")
"""Two linked segments of GSM-7, less the word that every text of an exercise begins with."""
UNREAD_UNITS, WORD_MAX = 60, 14
PROBLEM_UNITS, QUESTION_UNITS_MIN = 110, 24
FIGURES_UNITS = 12
"""At least so much is left for the figures: how many there are."""
SUBSTITUTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "·": "-", "\u00a0": " "})

VERDICTS = {
    Verdict.NONE: N_("No code: lowest rung."),
    Verdict.VALID: N_("Code accepted."),
    Verdict.WRONG: N_("WRONG CODE: filed without a code."),
    Verdict.USED: N_("CODE USED BEFORE: filed without a code."),
    Verdict.REVOKED: N_("CODE TAKEN BACK: filed without a code."),
    Verdict.NOT_LOOKED_AT: N_("TOO MANY WRONG CODES: not looked at for an hour, filed without a code."),
}
NOT_FILED = {
    Outcome.NOTHING_SAID: N_("SIAGA: nothing to file was read. Example: %(example)s."),
    Outcome.NO_OPEN_INCIDENT: N_("SIAGA: your mission has no open event. NOT filed; the duty officer reads your message."),
    Outcome.WHICH_INCIDENT: N_("SIAGA: which event? NOT filed. Send it again with its code after %(keyword)s."),
    Outcome.UNKNOWN_INCIDENT: N_("SIAGA: your mission has no open event %(code)s. NOT filed. Send it again with the right code."),
    Outcome.CLOSED_INCIDENT: N_("SIAGA: the event %(code)s is closed. NOT filed; the duty officer reads your message."),
    Outcome.WHICH_MISSION: N_("SIAGA: this phone belongs to several missions. NOT filed. Name the event's code after %(keyword)s."),
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A filed report as its sender is told of it. `held` and `question`: the figures concerned, and the first question about them;
    `passed`: the time promised for the next report, where it is over already.
    """

    incident: str
    version: int
    as_of: datetime
    zone: ZoneInfo
    said: Lapsit
    verdict: Verdict
    is_again: bool = False
    held: Sequence[str] = field(default_factory=tuple)
    question: str | None = None
    passed: datetime | None = None


def confirm(words: Translator, told: Confirmation) -> str:
    """What was understood, what was not, what is asked: as much of it as two segments hold, the rest counted."""
    values = {"code": told.incident, "version": told.version, "at": _clock(told.as_of, told.zone)}
    if told.is_again:
        head = words.gettext("SIAGA %(code)s: filed already as report %(version)s of %(at)s, not counted twice:", **values)
    else:
        head = words.gettext("SIAGA %(code)s: report %(version)s filed, as of %(at)s:", **values)
    tail = [] if told.is_again else [words.gettext(VERDICTS[told.verdict])]
    if told.held:
        tail.append(words.gettext("HELD: %(figures)s.", figures=_fit(told.held, UNREAD_UNITS)))
    if told.said.unread:
        tail.append(words.gettext("NOT READ: %(words)s.", words=_fit(map(_harmless, told.said.unread), UNREAD_UNITS)))
    if told.passed and not told.is_again:
        tail.append(words.gettext("NEXT REPORT %(at)s HAS PASSED: when is it?", at=_clock(told.passed, told.zone)))
    end = " ".join(map(plain, tail))
    left = UNITS_MAX - _units(f"{plain(head)} {end}") - FIGURES_UNITS
    if told.question and not told.is_again and left >= QUESTION_UNITS_MIN:
        end = f"{end} {_cut(told.question, min(PROBLEM_UNITS, left))}".strip()
    room = UNITS_MAX - _units(f"{plain(head)}  {end}".strip())
    return plain(f"{head} {_fit(_figures(told.said), room - 2)}. {end}").strip()


def refuse(words: Translator, outcome: Outcome, *, code: str = "", open_ones: Iterable[tuple[str, str]] = ()) -> str:
    """Why nothing was filed, and what to do. `open_ones`: code and title of the mission's open incidents."""
    example = f"{KEYWORD} {next(iter(_codes(open_ones)), 'A7K')} MGL- LBR2 SLM~40"
    head = words.gettext(NOT_FILED[outcome], code=code, keyword=KEYWORD, example=example)
    listed = [f"{known} {_cut(title, 24)}".strip() for known, title in open_ones]
    if not listed:
        return _cut(head, UNITS_MAX)
    tail = words.gettext("Open: %(events)s", events=_fit(listed, UNITS_MAX - _units(head) - 12, gap="; "))
    return plain(f"{head} {tail}")


def plain(text: str) -> str:
    """In the letters of GSM-7: what has no likeness there becomes a question mark."""
    folded = text.translate(SUBSTITUTES)
    return "".join(sign if _is_gsm(sign) else _likeness(sign) for sign in folded)


def _figures(said: Lapsit) -> list[str]:
    """The words of the message as it was read, without how things are known."""
    tallies = tuple(replace(tally, how=".." if tally.how and tally.silence else None) for tally in said.tallies)
    bare = replace(said, incident="", code=None, narrative=None, as_of=None, tallies=tallies)
    note = [f"// {len(said.narrative)}"] if said.narrative else []
    return [*write(bare).split()[1:], *note]


def _fit(words: Iterable[str], units: int, *, gap: str = " ") -> str:
    """As many as there is room for, and how many more there are."""
    every = [plain(word) for word in words]
    for kept in range(len(every), 0, -1):
        rest = f" (+{len(every) - kept})" if kept < len(every) else ""
        text = gap.join(every[:kept]) + rest
        if _units(text) <= units:
            return text
    return f"(+{len(every)})" if every else "-"


def _cut(text: str, units: int) -> str:
    text = plain(text)
    while _units(text) > units:
        text = text[:-4].rstrip() + "..."
    return text


def _harmless(word: str) -> str:
    return "(...)" if find_urls(word) else without_code(word)[:WORD_MAX]


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%d/%m %H.%M}"


def _codes(open_ones: Iterable[tuple[str, str]]) -> list[str]:
    return [code for code, _ in open_ones]


def _units(text: str) -> int:
    return measure(text).units


def _is_gsm(sign: str) -> bool:
    return sign == "\n" or not measure(sign).foreign


def _likeness(sign: str) -> str:
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return bare if bare and bare.isprintable() and not measure(bare).foreign else "?"
