"""One filed line as one figure of the sheet: its words, its age, and whether it may leave the building."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache

from alerts.live.schemas import (
    AnswerKind,
    Confirmed,
    Conflict,
    ContactView,
    Figure,
    Held,
    PlaceView,
    Publication,
    Withdrawn,
    Words,
)
from alerts.places.names import place_name
from alerts.reports.rules import words
from alerts.reports.rules.codes import AXIS_OF, Axis, Category, LineKind, Nationality, Rule, Series, Silence
from alerts.reports.rules.guards import Problem, is_confirmable
from alerts.reports.rules.standing import Contradiction, FiledLine, Standing
from alerts.reports.rules.words import Both

STALE_AFTER = timedelta(hours=6)
STALE_POPULATION_AFTER = timedelta(days=30)
DEATH_OF_OURS = frozenset({Nationality.OWN, Nationality.OWN_CHILD_DUAL, Nationality.UNVERIFIED, Nationality.FOREIGN_FAMILY})
ANSWER_OF = {
    Silence.NOT_ASKED: AnswerKind.NOT_ASKED,
    Silence.ASKED_NO_ANSWER: AnswerKind.NO_ANSWER_YET,
    Silence.ASKED_NONE_REPORTED: AnswerKind.NONE_REPORTED,
    Silence.CHECKED_NONE_FOUND: AnswerKind.NONE_FOUND,
}
MARKS = {
    Publication.DEATH_UNCONFIRMED: Words(id="BELUM TERKONFIRMASI, bukan untuk umum", en="UNCONFIRMED, not for the public"),
    Publication.DEATH_KIN_NOT_RECORDED: Words(
        id="Pemberitahuan keluarga belum tercatat, bukan untuk umum",
        en="Next of kin not recorded as told, not for the public",
    ),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every figure of one sheet shares: the time it is read at, and the missions' names."""

    as_of: datetime
    mission_names: Mapping[str, str]

    def age(self, at: datetime) -> int:
        return max(0, int((self.as_of - at).total_seconds()))

    def source_name(self, source: str, author: str | None) -> Words:
        return said(words.source_name(source, author, self.mission_names))


@lru_cache(4096)
def said(both: Both) -> Words:
    return Words(id=both.id, en=both.en)


@lru_cache(4096)
def place_view(code: str) -> PlaceView:
    """A place with its name in both languages; an unknown code is shown as it was written."""
    return PlaceView(code=code, name=Words(id=place_name(code, "id"), en=place_name(code, "en")))


def place_views(codes: tuple[str, ...]) -> list[PlaceView]:
    return [place_view(code) for code in codes]


@lru_cache(4096)
def number_words(number: int, *, is_approximate: bool = False) -> Words:
    """A number as each language groups it; "sekitar" and "about" where it is approximate."""
    english = f"{number:,}"
    indonesian = english.replace(",", ".")
    if is_approximate:
        return Words(id=f"sekitar {indonesian}", en=f"about {english}")
    return Words(id=indonesian, en=english)


@cache
def label_of(category: Category, nationality: Nationality) -> Words:
    """What is counted, and whose citizens."""
    what, who = words.CATEGORY[category], words.NATIONALITY[nationality]
    return Words(id=f"{who.id}: {what.id}", en=f"{who.en}: {what.en}")


def value_words(line: FiledLine) -> Words:
    """The value as it is printed. A silence is never a digit, except "checked, none found"."""
    if line.number is not None:
        return number_words(line.number, is_approximate=line.is_approximate)
    return said(words.SILENCE[line.silence or Silence.NOT_ASKED])


def publication_of(line: FiledLine) -> Publication:
    """A possible death of one of ours stays inside until an authority confirmed it and the family was told."""
    cell = line.cell
    is_ours = cell.nationality in DEATH_OF_OURS or (cell.nationality is Nationality.MIXED and cell.series is Series.OWN)
    if cell.category is not Category.DEAD or not line.number or not is_ours:
        return Publication.FREE
    is_confirmed = line.authority_confirmed and cell.series is not Series.MEDIA
    return Publication.DEATH_KIN_NOT_RECORDED if is_confirmed else Publication.DEATH_UNCONFIRMED


def figure_of(line: FiledLine, frame: Frame, standing: Standing, *, is_current: bool = True) -> Figure:
    """The figure of one line, without its parts."""
    cell, report = line.cell, line.report
    fall = standing.falls.get(line.id)
    publication = publication_of(line)
    age = frame.age(report.counts_from)
    return Figure(
        key=key_of(line),
        label=label_of(cell.category, cell.nationality),
        category=cell.category,
        kind=cell.kind,
        of=cell.of,
        nationality=cell.nationality,
        series=cell.series,
        places=place_views(cell.places),
        foreign_country=cell.foreign_country,
        answer=answer_of(line),
        number=0 if line.silence is Silence.CHECKED_NONE_FOUND else line.number,
        text=value_words(line),
        is_approximate=line.is_approximate,
        claim=line.counted,
        claim_filed=line.claim,
        claim_label=said(words.CLAIM[line.counted]),
        authority_confirmed=line.authority_confirmed,
        source=report.source,
        source_name=frame.source_name(report.source, report.author),
        author=report.author,
        words=line.words,
        how=line.how,
        contact=_contact_of(line),
        as_of=report.as_of,
        known_at=report.known_at,
        age_seconds=age,
        is_stale=is_stale(age, AXIS_OF[cell.category]),
        is_current=is_current,
        is_conflicting=line.id in standing.in_conflict,
        fell_from=fall.before if fall else None,
        fall_reason=fall.reason if fall else None,
        moved=moved_words(line, standing),
        confirmed=_confirmed_of(line),
        publication=publication,
        mark=MARKS.get(publication),
        report_id=report.id,
        line_id=line.id,
        of_which=[],
    )


def moved_words(line: FiledLine, standing: Standing) -> Words | None:
    """The nationality check that a figure came from: what stood before, what it became, and why."""
    split = standing.splits.get(line.id)
    if split is None:
        return None
    before, mixed = number_words(split.before), words.NATIONALITY[Nationality.MIXED]
    after = [(number_words(number), words.NATIONALITY[who]) for who, number in split.after]
    reason = f": {split.reason}" if split.reason else ""
    to_id = " + ".join(f"{number.id} {who.id}" for number, who in after)
    to_en = " + ".join(f"{number.en} {who.en}" for number, who in after)
    return Words(
        id=f"pemeriksaan kewarganegaraan, {before.id} {mixed.id} → {to_id}{reason}",
        en=f"nationality check, {before.en} {mixed.en} → {to_en}{reason}",
    )


def key_of(line: FiledLine) -> str:
    """Stable while the cell and its source are; the parts of one set are told apart by their position."""
    place = f"#{line.position}" if line.cell.kind is LineKind.OF_WHICH else ""
    return f"{line.cell.key}@{line.report.speaker}{place}"


def is_stale(age_seconds: int, axis: Axis) -> bool:
    """Old enough to look old: hours for what happens, a month for how many live somewhere."""
    limit = STALE_POPULATION_AFTER if axis is Axis.POPULATION else STALE_AFTER
    return age_seconds > limit.total_seconds()


def answer_of(line: FiledLine) -> AnswerKind:
    return AnswerKind.NUMBER if line.number is not None else ANSWER_OF[line.silence or Silence.NOT_ASKED]


def with_parts(figures: list[Figure], parts: list[Figure]) -> tuple[list[Figure], list[Figure]]:
    """Figures with their parts under them, and the parts whose set is not there."""
    under: dict[int, list[Figure]] = {}
    orphans = []
    for part in parts:
        at = _home_of(part, figures)
        if at is None:
            orphans.append(part)
        else:
            under.setdefault(at, []).append(part)
    return [_with(figure, under.get(at)) for at, figure in enumerate(figures)], orphans


def conflict_of(clash: Contradiction, frame: Frame, standing: Standing) -> Conflict:
    """The contradicting figures side by side, newest first, with what may be behind them."""
    figures = [figure_of(line, frame, standing) for line in clash.lines]
    return Conflict(
        id=clash.id,
        rule=clash.rule,
        message=Words(id=_question(clash, figures, "id"), en=_question(clash, figures, "en")),
        figures=figures,
        hint=said(words.TRANSPOSED) if clash.is_transposed else None,
    )


def _question(clash: Contradiction, figures: list[Figure], lang: str) -> str:
    """What contradicts what, with numbers and sources as they are said in that language, never as codes."""
    pairs = list(zip(clash.lines, figures, strict=True))
    spoken = {id(line): f"{getattr(each.text, lang)} – {getattr(each.source_name, lang)}" for line, each in pairs}
    parts = [line for line in clash.lines if line is not clash.whole]
    params = {"parts": " / ".join(spoken[id(line)] for line in parts), "whole": spoken.get(id(clash.whole), "")}
    if parts:
        label = words.CATEGORY[parts[-1].cell.category]
        params |= {"label_id": label.id, "label_en": label.en}
    both = words.message(clash.rule, params)
    return both.id if lang == "id" else both.en


def held_of(line: FiledLine, problems: list[Problem], frame: Frame) -> Held:
    """A held line as it was written, and what is asked about it."""
    report = line.report
    return Held(
        report_id=report.id,
        line_id=line.id,
        label=label_of(line.cell.category, line.cell.nationality),
        category=line.cell.category,
        nationality=line.cell.nationality,
        series=line.cell.series,
        places=place_views(line.cell.places),
        raw=line.raw,
        source=report.source,
        source_name=frame.source_name(report.source, report.author),
        author=report.author,
        words=line.words,
        problems=[said(words.message(problem.rule, problem.params)) for problem in problems],
        rules=[Rule(problem.rule) for problem in problems],
        is_confirmable=is_confirmable(problems),
        as_of=report.as_of,
        known_at=report.known_at,
        age_seconds=frame.age(report.counts_from),
    )


def withdrawn_of(line: FiledLine, by: FiledLine, frame: Frame, standing: Standing) -> Withdrawn:
    """A claim that was taken back: whose it was, who took it back, and why."""
    return Withdrawn(
        figure=figure_of(line, frame, standing, is_current=False),
        author=line.report.source,
        author_name=frame.source_name(line.report.source, line.report.author),
        withdrawn_by=by.report.source,
        withdrawn_by_name=frame.source_name(by.report.source, by.report.author),
        withdrawn_as_of=by.report.as_of,
        withdrawn_known_at=by.report.known_at,
        reason=by.withdraw_reason or "",
    )


def _confirmed_of(line: FiledLine) -> Confirmed | None:
    given = line.confirmation
    return Confirmed(by=given.by, reason=given.reason, known_at=given.known_at) if given else None


def _contact_of(line: FiledLine) -> ContactView | None:
    contact = line.contact
    if contact is None:
        return None
    return ContactView(who=contact.who or "", when=contact.when or "", how=contact.how or "")


def _home_of(part: Figure, figures: list[Figure]) -> int | None:
    """The figure that a part belongs under: the same report's, else the same source's, else the same places'."""
    best: tuple[int, int] | None = None
    for at, figure in enumerate(figures):
        if figure.kind is not LineKind.STANDING or figure.category is not part.of or figure.series is not part.series:
            continue
        if not _encloses(figure, part):
            continue
        score = 4 * (figure.report_id == part.report_id) + 2 * (figure.source == part.source)
        score += figure.nationality in (part.nationality, Nationality.MIXED)
        if best is None or score > best[0]:
            best = (score, at)
    return best[1] if best else None


def _encloses(figure: Figure, part: Figure) -> bool:
    outer = [place.code for place in figure.places]
    return all(any(p.code == code or p.code.startswith(code + "-") for code in outer) for p in part.places)


def _with(figure: Figure, parts: list[Figure] | None) -> Figure:
    return figure.model_copy(update={"of_which": parts}) if parts else figure
