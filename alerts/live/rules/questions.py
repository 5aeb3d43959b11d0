"""The minister's five questions, each answered from what stands. "Not yet known" is an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from alerts.live.rules.checks import answer_of_checks, check_row, tallies
from alerts.live.rules.facts import CheckFacts, SheetFacts
from alerts.live.rules.figures import Frame, is_stale
from alerts.live.rules.totals import TEXTS, Subject, total_of
from alerts.live.rules.unknowns import HOW_MANY_REALLY, unknown_checks, unknown_totals
from alerts.live.schemas import (
    Answer,
    AnswerKind,
    CheckRow,
    Conflict,
    Figure,
    Held,
    QuestionKey,
    Register,
    Total,
    Words,
)
from alerts.reports.rules import words
from alerts.reports.rules.codes import AXIS_OF, LADDER, Axis, Category, Nationality, Series, Target
from alerts.reports.rules.standing import Standing

POPULATION = (Category.REGISTERED, Category.ESTIMATED_PRESENT)
HURT = (
    Category.DEAD,
    Category.SERIOUSLY_INJURED,
    Category.LIGHTLY_INJURED,
    Category.INJURED,
    Category.ILL,
    Category.MISSING,
    Category.TRAPPED,
)
OURS = (*HURT, Category.UNACCOUNTED, Category.IN_HOSPITAL, Category.DETAINED)
MAIN_OURS = (Category.DEAD, Category.INJURED, Category.SERIOUSLY_INJURED, Category.MISSING, Category.UNACCOUNTED)
OWN = frozenset({Nationality.OWN, Nationality.OWN_CHILD_DUAL})
TITLES = {
    QuestionKey.PRESENT: Words(id="Berapa WNI berada di sana?", en="How many of our citizens are there?"),
    QuestionKey.HOST_CASUALTIES: Words(
        id="Berapa korban seluruhnya (angka negara setempat)?", en="How many dead and injured in all (host state)?"
    ),
    QuestionKey.OURS: Words(id="Adakah WNI di antaranya?", en="Are any of ours among them?"),
    QuestionKey.AUTHORITIES: Words(
        id="Apakah perwakilan sudah menghubungi otoritas setempat?", en="Has the mission contacted the authorities?"
    ),
    QuestionKey.SEARCHED: Words(id="Apakah WNI sudah dicari di rumah sakit, dll.?", en="Have hospitals and other places been searched?"),
}
BASES = {
    QuestionKey.PRESENT: Words(
        id="Lapor diri bersifat sukarela: terdaftar tidak sama dengan berada di tempat.",
        en="Registration is voluntary: registered is not the same as present.",
    ),
    QuestionKey.HOST_CASUALTIES: Words(
        id="Angka negara setempat; media dicantumkan terpisah, tidak dijumlahkan.",
        en="The host state's figures; media stand apart and are not added.",
    ),
    QuestionKey.OURS: Words(
        id="Laporan perwakilan dan kementerian; keluarga WNA dicantumkan terpisah.",
        en="Reports of missions and the ministry; foreign family members stand apart.",
    ),
    QuestionKey.AUTHORITIES: Words(id="Baris pengecekan dalam laporan perwakilan.", en="Check rows in the missions' reports."),
    QuestionKey.SEARCHED: Words(id="Baris pengecekan dalam laporan perwakilan.", en="Check rows in the missions' reports."),
}


REGISTER = Words(id="data lapor diri", en="our register")
ALWAYS_SAID = (Category.DEAD, Category.INJURED)
ASKED_OF_OURS = (*ALWAYS_SAID, Category.UNACCOUNTED)
PLACES_NAMED = 3


class About(Protocol):
    """Anything that says what it counts."""

    @property
    def category(self) -> Category: ...
    @property
    def nationality(self) -> Nationality: ...
    @property
    def series(self) -> Series: ...


@dataclass(frozen=True, slots=True)
class _Said:
    """What one question of figures is answered with."""

    texts: Sequence[Words]
    values: Sequence[Figure]
    others: Sequence[Figure]
    totals: Sequence[Total]
    planned: Sequence[Figure] = ()
    counted_at: datetime | None = None
    unknown: Sequence[Words] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """What the questions are answered from: figures already made, in the order of their cells."""

    facts: SheetFacts
    standing: Standing
    frame: Frame
    figures: Sequence[Figure]
    planned: Sequence[Figure]
    conflicts: Sequence[Conflict]
    held: Sequence[Held]
    checks: Sequence[CheckFacts]
    register: Register | None
    due: datetime | None
    totals: dict[Subject, Total] = field(default_factory=dict)


def answer_all(material: Material) -> list[Answer]:
    """The five answers in their order."""
    return [
        _present(material),
        _host_casualties(material),
        _ours(material),
        _checked(material, QuestionKey.AUTHORITIES, lambda target: target is Target.AUTHORITIES),
        _checked(material, QuestionKey.SEARCHED, lambda target: target is not Target.AUTHORITIES),
    ]


def own_total(material: Material, category: Category) -> Total:
    """The total of one category for our own citizens."""
    return _total(material, category, Nationality.OWN, Series.OWN)


def is_asked_by(figure: About) -> QuestionKey | None:
    """Which question a figure belongs to; None for those of the other axes."""
    if figure.category in POPULATION or (figure.category is Category.AFFECTED and figure.series is Series.OWN):
        return QuestionKey.PRESENT
    is_everyone = figure.nationality in (Nationality.MIXED, Nationality.UNVERIFIED) and figure.series is not Series.OWN
    if figure.category not in OURS:
        return None
    return QuestionKey.HOST_CASUALTIES if is_everyone else QuestionKey.OURS


def _present(material: Material) -> Answer:
    figures = _figures(material, QuestionKey.PRESENT)
    totals = _known(_total(material, category, Nationality.OWN, Series.OWN) for category in POPULATION)
    register = material.register
    texts = [register.text] if register else []
    answer = totals[0].answer if totals else AnswerKind.NUMBER if register else AnswerKind.NOT_KNOWN
    said = _Said(
        texts=texts + [_named(total) for total in totals],
        values=[figure for figure in figures if figure.series is Series.OWN],
        others=[figure for figure in figures if figure.series is not Series.OWN],
        totals=totals,
        counted_at=register.counted_at if register else None,
        unknown=[] if any(total.category is Category.ESTIMATED_PRESENT for total in totals) else [HOW_MANY_REALLY],
    )
    return _answer(material, QuestionKey.PRESENT, answer, said)


def _host_casualties(material: Material) -> Answer:
    figures = _figures(material, QuestionKey.HOST_CASUALTIES)
    totals = _known(_total(material, category, Nationality.MIXED, Series.HOST_STATE) for category in HURT)
    said = _Said(
        texts=[_named(total) for total in totals],
        values=[figure for figure in figures if figure.series is Series.HOST_STATE],
        others=[figure for figure in figures if figure.series is not Series.HOST_STATE],
        totals=totals,
        unknown=list(unknown_totals(totals, ALWAYS_SAID)),
    )
    answer = totals[0].answer if totals else AnswerKind.NOT_KNOWN
    return _answer(material, QuestionKey.HOST_CASUALTIES, answer, said)


def _ours(material: Material) -> Answer:
    figures = _figures(material, QuestionKey.OURS)
    values, others = _split(figures, lambda figure: figure.series is Series.OWN and figure.nationality in OWN)
    totals = [own_total(material, category) for category in MAIN_OURS]
    known = _known(totals)
    has_number = any(total.answer is AnswerKind.NUMBER for total in known)
    answer = AnswerKind.NUMBER if has_number else known[0].answer if known else AnswerKind.NOT_KNOWN
    kept = [total for total in totals if total.answer is not AnswerKind.NOT_KNOWN or total.category in ALWAYS_SAID]
    said = _Said(
        texts=[_named(total) for total in kept],
        values=values,
        others=others,
        totals=kept,
        planned=[figure for figure in material.planned if figure.of in OURS],
        unknown=list(unknown_totals(totals, ASKED_OF_OURS)),
    )
    return _answer(material, QuestionKey.OURS, answer, said)


def _checked(material: Material, key: QuestionKey, belongs: Callable[[Target], bool]) -> Answer:
    checks = [check for check in material.checks if belongs(check.target)]
    rows = [check_row(check, material.frame) for check in checks]
    counted = tallies(checks)
    texts = [_row_words(row) for row in rows[:3]] if key is QuestionKey.AUTHORITIES else [tally.text for tally in counted]
    newest = rows[0] if rows else None
    return Answer(
        key=key,
        title=TITLES[key],
        answer=answer_of_checks(checks),
        text=_joined(texts),
        totals=[],
        unknown=list(unknown_checks(checks, key)),
        values=[],
        checks=rows,
        tallies=counted,
        basis=BASES[key],
        confidence=None,
        source=newest.source if newest else None,
        source_name=newest.source_name if newest else None,
        as_of=newest.as_of if newest else None,
        age_seconds=newest.age_seconds if newest else None,
        is_stale=bool(newest and is_stale(newest.age_seconds, Axis.CONTACT)),
        next_update_due=material.due,
        is_overdue=_is_overdue(material),
        conflicts=[],
        held=[],
    )


def _answer(material: Material, key: QuestionKey, answer: AnswerKind, said: _Said) -> Answer:
    """A question of figures: confidence is the lowest rung among its values, source and age are the first total's."""
    lead = next((total for total in said.totals if total.as_of is not None), None)
    counted_at = said.counted_at
    age = material.frame.age(lead.as_of) if lead and lead.as_of else 0 if counted_at else None
    return Answer(
        key=key,
        title=TITLES[key],
        answer=answer,
        text=_joined(said.texts),
        totals=list(said.totals),
        unknown=list(said.unknown),
        values=list(said.values),
        others=list(said.others),
        planned=list(said.planned),
        basis=BASES[key],
        confidence=min((figure.claim for figure in said.values), key=LADDER.index, default=None),
        source=lead.source if lead else "register" if counted_at else None,
        source_name=lead.source_name if lead else REGISTER if counted_at else None,
        as_of=lead.as_of if lead else counted_at,
        age_seconds=age,
        is_stale=bool(lead and is_stale(age or 0, AXIS_OF[lead.category])),
        next_update_due=material.due,
        is_overdue=_is_overdue(material),
        conflicts=[conflict for conflict in material.conflicts if is_asked_by(conflict.figures[0]) is key],
        held=[held for held in material.held if is_asked_by(held) is key],
    )


def _known(totals: Iterable[Total]) -> list[Total]:
    return [total for total in totals if total.answer is not AnswerKind.NOT_KNOWN]


def _figures(material: Material, key: QuestionKey) -> list[Figure]:
    return [figure for figure in material.figures if is_asked_by(figure) is key]


def _split(figures: Sequence[Figure], is_value: Callable[[Figure], bool]) -> tuple[list[Figure], list[Figure]]:
    return [figure for figure in figures if is_value(figure)], [figure for figure in figures if not is_value(figure)]


def _total(material: Material, category: Category, nationality: Nationality, series: Series) -> Total:
    subject = Subject(category, nationality, series)
    if subject not in material.totals:
        material.totals[subject] = total_of(subject, material.standing, material.facts.incident.places, material.frame)
    return material.totals[subject]


def _named(total: Total) -> Words:
    """A total with what it counts, and with its places where it does not cover the incident."""
    label = words.CATEGORY[total.category]
    shown = total.places[:PLACES_NAMED] if total.is_partial else []
    more = "…" if len(total.places) > len(shown) > 0 else ""
    where_id = f" ({', '.join(place.name.id for place in shown)}{more})" if shown else ""
    where_en = f" ({', '.join(place.name.en for place in shown)}{more})" if shown else ""
    return Words(id=f"{label.id}: {total.text.id}{where_id}", en=f"{label.en}: {total.text.en}{where_en}")


def _row_words(row: CheckRow) -> Words:
    about = f" {row.name}" if row.name else ""
    return Words(id=f"{row.source_name.id}:{about} {row.outcome_label.id}", en=f"{row.source_name.en}:{about} {row.outcome_label.en}")


def _joined(texts: Sequence[Words]) -> Words:
    if not texts:
        return TEXTS[AnswerKind.NOT_KNOWN]
    return Words(id=" · ".join(text.id for text in texts), en=" · ".join(text.en for text in texts))


def _is_overdue(material: Material) -> bool:
    is_open = material.facts.incident.state == "open"
    return is_open and material.due is not None and material.due < material.frame.as_of
