"""What differs between two sheets, and what of a sheet counts as content. Ages are neither."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from alerts.live.schemas import AnswerSheet, Change, Figure, Total, Words
from alerts.reports.rules import words

PASSING = frozenset({"age_seconds", "counted_at", "clauses"})
"""Ages; and the clauses of the sentence, which say again what the sentence and its figures say."""
OF_THE_QUESTION = frozenset({"version", "as_of", "known_at", "changes"})
NO_PLACE = Words(id="tempat belum diketahui", en="place not known yet")
PUBLISHABLE = Words(id="dapat diumumkan", en="may be published")
YES = Words(id="ya", en="yes")
ON_TIME, LATE = Words(id="tepat waktu", en="on time"), Words(id="terlambat", en="overdue")
CONTACT = {
    "safe": Words(id="menyatakan selamat", en="say they are safe"),
    "need_help": Words(id="minta bantuan", en="need help"),
}


class Said(NamedTuple):
    """One comparable thing of a sheet."""

    label: Words
    value: Words


def content_of(sheet: AnswerSheet) -> dict[str, Any]:
    """The sheet as JSON, as it is stored."""
    return sheet.model_dump(mode="json")


def content_hash(content: Mapping[str, Any]) -> str:
    """The same for sheets that say the same at different moments."""
    stable = {key: value for key, value in content.items() if key not in OF_THE_QUESTION}
    return hashlib.sha256(json.dumps(_without_ages(stable), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def changes_between(before: AnswerSheet, after: AnswerSheet) -> list[Change]:
    """What is new, gone or different, in the order of the newer sheet; what is gone comes last."""
    old, new = dict(_flat(before)), dict(_flat(after))
    changed = [
        Change(key=key, label=said.label, before=old[key].value if key in old else None, after=said.value)
        for key, said in new.items()
        if key not in old or old[key].value != said.value
    ]
    gone = [Change(key=key, label=said.label, before=said.value, after=None) for key, said in old.items() if key not in new]
    return changed + gone


def main_figures(sheet: AnswerSheet) -> dict[str, int]:
    """The figures whose minute series is kept. A figure that nobody knows is absent, not 0."""
    series = {"safe": sheet.contact.safe, "need_help": sheet.contact.need_help}
    series |= {name: getattr(sheet.reach, name) for name in ("handed_over", "delivered", "answered")}
    if sheet.registered is not None:
        series["registered"] = sheet.registered.people
    for question in sheet.questions:
        for total in question.totals:
            if total.low is not None:
                series[_series_name(total)] = total.low
    return series


def _series_name(total: Total) -> str:
    return f"{total.series}.{total.category}"


def _flat(sheet: AnswerSheet) -> Iterator[tuple[str, Said]]:
    for question in sheet.questions:
        for total in question.totals:
            yield f"total/{_series_name(total)}", Said(_total_label(total), total.text)
    for figure in _figures(sheet):
        yield f"figure/{figure.key}", Said(figure.label, _figure_words(figure))
    yield from _flat_doubts(sheet)
    yield from _flat_deaths(sheet)
    yield from _flat_rest(sheet)


def _flat_doubts(sheet: AnswerSheet) -> Iterator[tuple[str, Said]]:
    for conflict in sheet.conflicts:
        yield f"conflict/{conflict.id}", Said(Words(id="pertentangan", en="conflict"), conflict.message)
    for held in sheet.held:
        yield f"held/{held.line_id}", Said(Words(id=f"ditahan: {held.label.id}", en=f"held: {held.label.en}"), _raw(held.raw))
    for withdrawn in sheet.withdrawn:
        label = withdrawn.figure.label
        yield f"withdrawn/{withdrawn.figure.line_id}", Said(Words(id=f"ditarik: {label.id}", en=f"withdrawn: {label.en}"), YES)


def _flat_deaths(sheet: AnswerSheet) -> Iterator[tuple[str, Said]]:
    """A named death is a change of its own, and so is each step towards its publication. Who it is stands elsewhere."""
    for death in sheet.deaths:
        where = death.place.name if death.place else NO_PLACE
        label = Words(id=f"{death.label.id} ({where.id})", en=f"{death.label.en} ({where.en})")
        yield f"death/{death.person_id}", Said(label, death.mark or PUBLISHABLE)


def _flat_rest(sheet: AnswerSheet) -> Iterator[tuple[str, Said]]:
    for question in sheet.questions:
        for row in question.checks:
            name = Words(id=f"{row.target_label.id} {row.name}", en=f"{row.target_label.en} {row.name}")
            yield f"check/{row.source}/{row.target}/{row.name}", Said(name, row.outcome_label)
    for mission in sheet.missions:
        name = Words(id=mission.name, en=mission.name)
        yield f"mission/{mission.mission_code}", Said(name, LATE if mission.is_overdue else ON_TIME)
    for key, label in CONTACT.items():
        yield f"contact/{key}", Said(label, _raw(str(getattr(sheet.contact, key))))


def _figures(sheet: AnswerSheet) -> Iterator[Figure]:
    for question in sheet.questions:
        for figure in (*question.values, *question.others):
            yield figure
            yield from figure.of_which
    for figure in (*sheet.figures, *sheet.planned):
        yield figure
        yield from figure.of_which


def _figure_words(figure: Figure) -> Words:
    claim = figure.claim_label
    moved = figure.moved
    more = Words(id=f"; {moved.id}", en=f"; {moved.en}") if moved else Words(id="", en="")
    return Words(id=f"{figure.text.id} ({claim.id}){more.id}", en=f"{figure.text.en} ({claim.en}){more.en}")


def _total_label(total: Total) -> Words:
    category, series = words.CATEGORY[total.category], words.SERIES[total.series]
    return Words(id=f"{category.id} ({series.id})", en=f"{category.en} ({series.en})")


def _raw(text: str) -> Words:
    return Words(id=text, en=text)


def _without_ages(value: Any) -> Any:
    """Everything but what changes by the mere passing of time; the register's own count is dated by nothing else."""
    if isinstance(value, dict):
        drop = PASSING | {"as_of"} if value.get("source") == "register" else PASSING
        return {key: _without_ages(item) for key, item in value.items() if key not in drop}
    if isinstance(value, list):
        return [_without_ages(item) for item in value]
    return value
