"""When the minister is told, and in which 160 characters. Pure.

Told at promised times, and at once on a named list of changes. Only what may be published goes out by text; of anything else the
message says that something important changed, and the page says what.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from datetime import timedelta
from enum import StrEnum

from alerts.live.parts import AnswerKind, Publication, QuestionKey, Words
from alerts.live.rules.sentence import NO_DEATH_REPORTED, WIB
from alerts.live.schemas import AnswerSheet, MissionRow
from alerts.notices.rules import EXERCISE, EXERCISE_WORD
from alerts.reports.rules.codes import Category
from alerts.reports.rules.mission_status import read_status

CHARACTERS = 160
TITLE_CHARACTERS = 40
SIGNS = frozenset(" .,;:!?'\"()-/+&%#@")
LONGER_FOR_LESSER = 3
GRAVE = frozenset({"Extreme", "Severe"})
VICTIMS = frozenset({Category.DEAD, Category.INJURED, Category.SERIOUSLY_INJURED, Category.LIGHTLY_INJURED, Category.MISSING})
OFFICE = "office"
HIT = frozenset({"-", "hit", "damaged", "destroyed", "closed", "no", "rusak", "tutup", "tidak"})
LOOK = Words(id="SIAGA: ada perubahan penting, buka halaman.", en="SIAGA: something important changed, open the page.")
NEUTRAL = Words(id="SIAGA: ada pembaruan, buka halaman.", en="SIAGA: there is an update, open the page.")
NO_DEATH = Words(id="belum ada laporan WNI meninggal", en="no death of ours reported so far")
NOTHING = Words(id="keterangan masih dikumpulkan", en="information is being gathered")
SHOWN = {
    Category.INJURED: Words(id="WNI luka", en="ours injured"),
    Category.UNACCOUNTED: Words(id="belum dihubungi", en="not reached yet"),
}


class Reason(StrEnum):
    """Why the minister is told now."""

    OPENED = "opened"
    PROMISED = "promised"
    FIRST_VICTIM = "first_victim"
    OWN_DEATH = "own_death"
    MISSION_HIT = "mission_hit"
    LEVEL_CHANGED = "level_changed"
    PUBLISHED_FIGURE = "published_figure"


def reasons_between(before: AnswerSheet | None, after: AnswerSheet) -> set[Reason]:
    """What of the named list happened between two versions of a sheet."""
    if before is None:
        return {Reason.OPENED}
    found = {
        Reason.FIRST_VICTIM: not _victims(before) and bool(_victims(after)),
        Reason.OWN_DEATH: _deaths(before) != _deaths(after),
        Reason.MISSION_HIT: bool(_hit(after) - _hit(before)),
        Reason.LEVEL_CHANGED: before.incident.levels != after.incident.levels,
    }
    return {reason for reason, is_so in found.items() if is_so}


def rest_between(severity: str, every: timedelta) -> timedelta:
    """How long until the next promised message: three times as long where the threat is not grave."""
    return every if severity in GRAVE else every * LONGER_FOR_LESSER


def text_of(sheet: AnswerSheet, reasons: Collection[Reason], *, is_quiet: bool) -> Words:
    """What is sent: of a quiet incident, of a death, or of something not settled, only that there is something to look at."""
    if is_quiet:
        return NEUTRAL
    if Reason.OWN_DEATH in reasons:
        return LOOK
    return Words(id=_text(sheet, "id"), en=_text(sheet, "en"))


def _text(sheet: AnswerSheet, lang: str) -> str:
    """The title, the time, and as many figures as fit, with the word that an exercise begins with (`ready_text`)."""
    at = sheet.known_at.astimezone(WIB).strftime("%H.%M" if lang == "id" else "%H:%M")
    head = f"SIAGA {_plain(sheet.incident.title)[:TITLE_CHARACTERS].strip()} {at} WIB: "
    parts = list(_parts(sheet, lang)) or [getattr(NOTHING, lang)]
    room = CHARACTERS - (len(f"{EXERCISE_WORD}: ") if sheet.incident.status == EXERCISE else 0)
    text = head + parts[0]
    for part in parts[1:]:
        if len(text) + len(part) + 3 <= room:
            text += f"; {part}"
    return text[: room - 1] + "."


def _parts(sheet: AnswerSheet, lang: str) -> Iterator[str]:
    if sheet.incident.levels:
        yield "; ".join(f"Siaga {level} {_plain(getattr(area, lang))[:20]}" for area, level in sheet.incident.levels[:1])
    ours = next(question for question in sheet.questions if question.key is QuestionKey.OURS)
    for total in ours.totals:
        if total.category in SHOWN and total.answer is AnswerKind.NUMBER and not total.is_conflicting:
            yield f"{getattr(SHOWN[total.category], lang)} {_plain(getattr(total.text, lang))}"
    if getattr(NO_DEATH_REPORTED, lang) in getattr(sheet.sentence, lang):
        yield getattr(NO_DEATH, lang)
    if sheet.registered is not None and sheet.registered.people:
        yield _plain(getattr(sheet.registered.text, lang))
    if sheet.contact.need_help:
        yield f"{sheet.contact.need_help} {'minta bantuan' if lang == 'id' else 'ask for help'}"


def _victims(sheet: AnswerSheet) -> set[Category]:
    ours = next(question for question in sheet.questions if question.key is QuestionKey.OURS)
    return {total.category for total in ours.totals if total.category in VICTIMS and total.low}


def _deaths(sheet: AnswerSheet) -> set[tuple[str, ...]]:
    """All that anybody says of our dead, by name or by number, and how far it may go."""
    figures = [figure for question in sheet.questions for figure in (*question.values, *question.others)]
    dead = [
        figure for figure in (*figures, *sheet.figures) if figure.category is Category.DEAD and figure.publication is not Publication.FREE
    ]
    return {(figure.key, str(figure.number), figure.publication) for figure in dead} | {
        (str(each.person_id), each.claim, each.publication) for each in sheet.deaths
    }


def _hit(sheet: AnswerSheet) -> set[str]:
    return {row.mission_code for row in sheet.missions if _is_hit(row)}


def _is_hit(row: MissionRow) -> bool:
    """Whether the mission's own report says that its house is out of use, in the form's values, their names or plain words."""
    office = next((fact for fact in read_status(row.status or {}) if fact.key == OFFICE), None)
    return office is not None and (office.is_bad or office.text.id.casefold() in HIT)


def _plain(text: str) -> str:
    """Without accents and rare signs: one letter that GSM-7 lacks would halve what fits, and some of its own count twice."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum() or letter in SIGNS)
