"""The mission itself, as its report says it: people reached of all, what works, what there is. Nothing typed is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from alerts.reports.rules.words import Both


class Works(StrEnum):
    """Whether something of the mission can be used."""

    WORKING = "working"
    PARTLY = "partly"
    NOT_WORKING = "not_working"
    NOT_KNOWN = "not_known"


WORKS_NAMES: Mapping[str, Both] = {
    Works.WORKING: Both("berfungsi", "working"),
    Works.PARTLY: Both("berfungsi sebagian", "partly working"),
    Works.NOT_WORKING: Both("tidak berfungsi", "not working"),
    Works.NOT_KNOWN: Both("belum diketahui", "not known yet"),
}
PEOPLE: Mapping[str, Both] = {"staff": Both("Staf", "Staff"), "families": Both("Keluarga", "Families")}
WORKING: Mapping[str, Both] = {
    "office": Both("Kantor", "Office"),
    "power": Both("Listrik", "Power"),
    "telephone": Both("Telepon", "Telephone"),
    "internet": Both("Internet", "Internet"),
    "cash": Both("Uang tunai", "Cash"),
}
VEHICLES = "vehicles"
BAD = frozenset({Works.PARTLY, Works.NOT_WORKING})
COUNTS = (*(f"{who}_{part}" for who in PEOPLE for part in ("reached", "total")), VEHICLES)
FIELDS = (*COUNTS[:-1], *WORKING, VEHICLES)
_BY_WORD = {word.casefold(): code for code, name in WORKS_NAMES.items() for word in (code, *name)}


class StatusFact(NamedTuple):
    """One thing said of the mission. `is_bad`: somebody has to look after it."""

    key: str
    label: Both
    text: Both
    is_bad: bool = False


def read_status(status: Mapping[str, object]) -> list[StatusFact]:
    """What was said, in the order in which one asks: people first. What has no field of its own comes last, as it was filed."""
    return [*_people(status), *_working(status), *_others(status)]


def _people(status: Mapping[str, object]) -> Iterator[StatusFact]:
    for who, label in PEOPLE.items():
        reached, total = (_said(status.get(f"{who}_{part}")) for part in ("reached", "total"))
        if not (reached or total):
            continue
        x = reached or "?"
        text = Both(f"{x} dari {total} dihubungi", f"{x} of {total} reached") if total else Both(f"{x} dihubungi", f"{x} reached")
        is_bad = bool(total) and reached != total
        yield StatusFact(who, label, text, is_bad)


def _working(status: Mapping[str, object]) -> Iterator[StatusFact]:
    for key, label in WORKING.items():
        said = _said(status.get(key))
        if said:
            code = _BY_WORD.get(said.casefold())
            yield StatusFact(key, label, WORKS_NAMES[code] if code else Both(said, said), code in BAD)
    vehicles = _said(status.get(VEHICLES))
    if vehicles:
        yield StatusFact(VEHICLES, Both("Kendaraan", "Vehicles"), Both(vehicles, vehicles))


def _others(status: Mapping[str, object]) -> Iterator[StatusFact]:
    for key, value in status.items():
        said = _said(value)
        if key not in FIELDS and said:
            yield StatusFact(key, Both(key, key), Both(said, said))


def _said(value: object) -> str:
    if isinstance(value, bool):
        return (Works.WORKING if value else Works.NOT_WORKING).value
    return "" if value is None else str(value).strip()
