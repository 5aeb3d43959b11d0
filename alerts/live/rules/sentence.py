"""The sentence that may be read aloud now: only what was checked or said, never more, and never "all safe".

A possible death of one of ours, on whatever rung, by name or in the press, takes "no reports" out of the
sentence and puts no number in: publication is a decision of its own. Once it was published, the sentence says what the public was
told, as long as it still holds, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from babel.dates import format_datetime

from alerts.live.rules.figures import said
from alerts.live.rules.questions import OWN, REGISTER, Material, own_total
from alerts.live.rules.totals import number_of
from alerts.live.schemas import AnswerKind, Clause, Figure, PlaceView, Register, Sentence, Spoken, Total, Words
from alerts.reports.rules import codes, words
from alerts.reports.rules.codes import Category, Nationality, Series
from alerts.reports.rules.standing import FiledLine

WIB = timezone(timedelta(hours=7), "WIB")
OURS = frozenset({Nationality.OWN, Nationality.OWN_CHILD_DUAL, Nationality.UNVERIFIED})
PLACES_READ = 3
EXERCISE = Words(id="LATIHAN. ", en="LATIHAN (exercise). ")
GATHERING = Words(id="Informasi mengenai keadaan WNI masih dikumpulkan.", en="Information about our citizens is still being gathered.")
VERIFYING = Words(
    id="Informasi mengenai kemungkinan WNI terdampak masih diverifikasi.",
    en="Information about whether citizens are affected is still being verified.",
)
OTHERS_VERIFYING = Words(
    id="Informasi mengenai keadaan WNI lainnya masih diverifikasi.", en="Information about our other citizens is still being verified."
)
HURT = {
    Category.INJURED: Words(id="luka-luka", en="injured"),
    Category.SERIOUSLY_INJURED: Words(id="luka berat", en="seriously injured"),
    Category.LIGHTLY_INJURED: Words(id="luka ringan", en="lightly injured"),
}
CONFIRMED_DEAD = "own.confirmed_dead"
OTHERS = Words(
    id="Informasi mengenai keadaan WNI lainnya masih dikumpulkan.", en="Information about our other citizens is still being gathered."
)
"""Beside a confirmed death of ours, "no death reported" or "whether any is affected" would deny what the sentence before it says; and
beside the injured alone, nothing would be said of anybody else."""
NO_DEATH_REPORTED = Words(
    id="Hingga saat ini belum ada laporan mengenai WNI yang meninggal dunia.",
    en="So far no death of an Indonesian citizen has been reported.",
)
NO_DEATH_FOUND = Words(
    id="Hasil pengecekan hingga saat ini: tidak ditemukan WNI yang meninggal dunia.",
    en="The checks made so far found no Indonesian citizen among the dead.",
)
NOT_REGISTERED = Words(
    id="Belum ada WNI yang tercatat di wilayah tersebut dalam data lapor diri.",
    en="Our register holds no Indonesian citizen in the area so far.",
)
VOLUNTARY = Words(
    id="Lapor diri bersifat sukarela, sehingga jumlah sebenarnya dapat berbeda.",
    en="Registration is voluntary, so the actual number may differ.",
)


class _Said(NamedTuple):
    """One clause with its name, and what it reads aloud, if anything: a total, our register, or what was published."""

    key: str
    words: Words
    total: Total | None = None
    register: Register | None = None
    told: Spoken | None = None


def sentence_of(material: Material) -> Sentence:
    """The first and every later sentence, in both languages, with the keys of the figures it rests on."""
    incident = material.facts.incident
    totals = {category: own_total(material, category) for category in (Category.DEAD, Category.UNACCOUNTED, *_hurt(material))}
    said = [*_present(material), *_harm(material, totals), *_unreached(totals[Category.UNACCOUNTED])]
    said.insert(0, _Said("as_of", _as_of(_oldest(material, said))))
    if incident.state == "open" and material.due and material.due > material.frame.as_of:
        said.append(_Said("next", _next(material.due)))
    if incident.status == "Exercise":
        said.insert(0, _Said("exercise", EXERCISE))
    rests_on = [figure.key for figure in material.figures if _is_read(figure, totals.values())]
    clauses = [_clause(material, each) for each in said]
    texts = _text(each.text.id for each in clauses), _text(each.text.en for each in clauses)
    return Sentence(id=texts[0], en=texts[1], figures=rests_on, clauses=clauses)


def is_possible_death(material: Material) -> bool:
    """Whether anybody at all speaks of a death of ours: a figure, a held line, the press, a named person."""
    lines = [*material.standing.current, *material.standing.older, *material.standing.held]
    named = max(material.facts.possible_deaths, material.facts.named.get(Category.DEAD, 0))
    return named > 0 or any(_speaks_of_death(line) for line in lines)


def wib(at: datetime, language: str) -> str:
    """A moment by Jakarta's clock, as it is read aloud."""
    pattern = "d MMMM y 'pukul' HH.mm" if language == "id" else "d MMMM y, HH:mm"
    return f"{format_datetime(at.astimezone(WIB), pattern, locale=language)} WIB"


def number_words(number: int) -> Words:
    """A number as each language writes it: 1.447 and 1,447."""
    english = f"{number:,}"
    return Words(id=english.replace(",", "."), en=english)


def spoken_total(figures: Iterable[Figure], total: Total) -> Spoken:
    """What is read aloud of a total, and the lines that it rests on."""
    parts = [each for each in figures if _is_of(each, total)]
    key, at_least = f"{total.series}.{total.category}", total.high is None and total.low is not None
    if total.low is None or total.answer is not AnswerKind.NUMBER:
        value = total.text
    else:
        low = number_words(total.low)
        value = Words(id=f"sedikitnya {low.id}", en=f"at least {low.en}") if at_least else low
    basis = sorted({f"{each.report_id}/{each.line_id}" for each in parts if each.line_id is not None})
    return Spoken(key=key, label=said(words.CATEGORY[total.category]), value=value, number=total.low, as_of=total.as_of, basis=basis)


def confirmed_dead(figure: Spoken) -> Words:
    """What is said of this many confirmed deaths of ours."""
    died, family = ("citizen has", "family") if figure.number == 1 else ("citizens have", "families")
    return Words(
        id=f"{figure.value.id} WNI telah dipastikan meninggal dunia. Kami menyampaikan duka cita kepada keluarga.",
        en=f"{figure.value.en} Indonesian {died} been confirmed dead. Our condolences go to the {family}.",
    )


def _clause(material: Material, each: _Said) -> Clause:
    figures = [spoken_total(material.figures, each.total)] if each.total is not None else []
    if each.told is not None:
        figures.append(each.told)
    if each.register is not None:
        number, at = each.register.people, each.register.counted_at
        figures.append(Spoken(key="registered", label=REGISTER, value=number_words(number), number=number, as_of=at, basis=["register"]))
    return Clause(key=each.key, text=Words(id=each.words.id.strip(), en=each.words.en.strip()), figures=figures)


def _is_of(figure: Figure, total: Total) -> bool:
    return (figure.category, figure.nationality, figure.series) == (total.category, total.nationality, total.series)


def _speaks_of_death(line: FiledLine) -> bool:
    cell = line.cell
    is_ours = cell.nationality in OURS or (cell.nationality is Nationality.MIXED and cell.series is Series.OWN)
    return cell.category is Category.DEAD and is_ours and line.silence is None


def _oldest(material: Material, said: Iterable[_Said]) -> datetime:
    """The sentence is as old as the oldest total that is read aloud in it; without any, as the incident."""
    incident = material.facts.incident
    opened = incident.occurred_at if incident.is_replayed else incident.opened_at
    times = [each.total.as_of for each in said if each.total is not None and each.total.as_of is not None]
    return min([*times, material.frame.as_of]) if times else opened


def _as_of(at: datetime) -> Words:
    return Words(id=f"Per {wib(at, 'id')}:", en=f"As of {wib(at, 'en')}:")


def _present(material: Material) -> list[_Said]:
    """How many are known to be there: our register, else what a mission says is registered."""
    register = material.register
    if register is not None and register.people:
        return [_Said("present", _registered(register), register=register), _Said("voluntary", VOLUNTARY)]
    said = own_total(material, Category.REGISTERED)
    if said.answer is AnswerKind.NUMBER and said.source_name and not said.is_conflicting:
        where = _where(said.places)
        registered = Words(
            id=f"{_first(said.text.id)} WNI terdaftar di {where.id} menurut {said.source_name.id}.",
            en=f"{_first(said.text.en)} Indonesian citizens are registered in {where.en}, says {said.source_name.en}.",
        )
        return [_Said("present", registered, said), _Said("voluntary", VOLUNTARY)]
    if register is None:
        return []
    return [_Said("present", NOT_REGISTERED, register=register), _Said("voluntary", VOLUNTARY)]


def _registered(register: Register) -> Words:
    number = number_words(register.people)
    citizens = "citizen is" if register.people == 1 else "citizens are"
    return Words(
        id=f"{number.id} WNI tercatat dalam data lapor diri di wilayah terdampak.",
        en=f"{number.en} Indonesian {citizens} on our register in the affected area.",
    )


def _harm(material: Material, totals: dict[Category, Total]) -> list[_Said]:
    dead, parts = totals[Category.DEAD], [each for category in HURT if category in totals for each in _injured(category, totals[category])]
    told = material.facts.told_dead
    if told is not None and _still_holds(material, told):
        return [*parts, _Said("deaths", confirmed_dead(told), told=told), _Said("harm", OTHERS)]
    if is_possible_death(material):
        return [*parts, _Said("harm", OTHERS_VERIFYING if parts else VERIFYING)]
    if dead.answer is AnswerKind.NONE_FOUND and not dead.is_partial:
        return [*parts, _Said("harm", NO_DEATH_FOUND, dead)]
    if dead.answer is AnswerKind.NONE_REPORTED:
        return [*parts, _Said("harm", NO_DEATH_REPORTED, dead)]
    return [*parts, _Said("harm", OTHERS if parts else GATHERING)]


def _still_holds(material: Material, told: Spoken) -> bool:
    """Whether as many deaths as the public was told of may be published still."""
    ours = [death for death in material.facts.publishable_deaths if codes.Nationality(death.nationality.value) in OWN]
    return told.number is not None and 0 < told.number <= len(ours)


def _hurt(material: Material) -> tuple[Category, ...]:
    """All the injured as one number; where nobody gives that one, the serious and the light by themselves."""
    is_said = own_total(material, Category.INJURED).answer is AnswerKind.NUMBER
    return (Category.INJURED,) if is_said else (Category.SERIOUSLY_INJURED, Category.LIGHTLY_INJURED)


def _injured(category: Category, total: Total) -> list[_Said]:
    """A number on which all agree, "at least" for parts of the area, or that the number is not settled."""
    if total.answer is not AnswerKind.NUMBER:
        return []
    key, hurt, number = category.value, HURT[category], number_of(total)
    if number is not None:
        text = Words(id=f"{number_words(number).id} WNI dilaporkan {hurt.id}.", en=f"{_people(number)} reported {hurt.en}.")
        return [_Said(key, text, total)]
    if total.high is None and not total.is_conflicting and total.low:
        low = number_words(total.low)
        at_least = Words(id=f"Sedikitnya {low.id} WNI dilaporkan {hurt.id}.", en=f"At least {_people(total.low)} reported {hurt.en}.")
        return [_Said(key, at_least, total)]
    unsettled = Words(id=f"Jumlah WNI yang {hurt.id} masih diverifikasi.", en=f"The number of {hurt.en} citizens is still being verified.")
    return [_Said(key, unsettled)]


def _people(number: int) -> str:
    return "1 Indonesian citizen is" if number == 1 else f"{number_words(number).en} Indonesian citizens are"


def _unreached(total: Total) -> list[_Said]:
    number = number_of(total)
    if number is None:
        return []
    said = number_words(number)
    have = "1 Indonesian citizen has" if number == 1 else f"{said.en} Indonesian citizens have"
    return [_Said("unreached", Words(id=f"{said.id} WNI belum dapat dihubungi.", en=f"{have} not yet been reached."), total)]


def _next(due: datetime) -> Words:
    return Words(
        id=f"Perkembangan berikutnya diharapkan pukul {due.astimezone(WIB):%H.%M} WIB.",
        en=f"The next update is expected at {due.astimezone(WIB):%H:%M} WIB.",
    )


def _where(places: Sequence[PlaceView]) -> Words:
    shown = places[:PLACES_READ]
    return Words(id=", ".join(place.name.id for place in shown), en=", ".join(place.name.en for place in shown))


def _is_read(figure: Figure, totals: Iterable[Total]) -> bool:
    return any(_is_of(figure, total) and total.answer is figure.answer for total in totals)


def _text(parts: Iterable[str]) -> str:
    return " ".join(part.strip() for part in parts if part)


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
