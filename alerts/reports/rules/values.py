"""How a value, a claim and a place are read. Text is never altered here; what is not understood says why."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from alerts.reports.rules.codes import Claim, Rule, Silence, is_at_least

MOST_PEOPLE = 50_000_000
"""Above this a number of people is asked about; the largest populations reported as affected stay below."""
APPROXIMATE_SHARE = 10
"""Percent by which a figure called approximate may miss without being asked about."""
Raw = int | float | str | None


@dataclass(frozen=True, slots=True)
class Contact:
    """Who made contact, when and how, in the filer's words. Any of them may be missing."""

    who: str | None = None
    when: str | None = None
    how: str | None = None

    @property
    def is_complete(self) -> bool:
        return all(part and part.strip() for part in (self.who, self.when, self.how))


@dataclass(frozen=True, slots=True)
class Value:
    """What a raw value was understood as: a number, a silence, or neither and why."""

    number: int | None = None
    silence: Silence | None = None
    rule: Rule | None = None


def read_value(raw: Raw) -> Value:
    """Understand a value as it was written. Text is taken when it is digits only (any script's digits)."""
    if raw is None:
        return Value(rule=Rule.VALUE_MISSING)
    if isinstance(raw, float):
        return _read_float(raw)
    return _read_int(raw) if isinstance(raw, int) else _read_text(unicodedata.normalize("NFKC", raw).strip())


def counted_claim(claim: Claim, contact: Contact | None) -> Claim:
    """The rung on which a claim counts: no "contact made" or "verified" without who, when and how."""
    is_proven = contact is not None and contact.is_complete
    return claim if is_proven or not is_at_least(claim, Claim.CONTACT_MADE) else Claim.REPORTED


def differs(a: int, b: int, *, is_approximate: bool) -> bool:
    """Whether two figures contradict; an approximate one may be a tenth off."""
    slack = max(a, b) * APPROXIMATE_SHARE // 100 if is_approximate else 0
    return abs(a - b) > slack


def is_within(part: str, whole: str) -> bool:
    """Whether a place code lies in another: TR-31 in TR, and each in itself."""
    return part == whole or part.startswith(whole + "-")


def lies_within(parts: Iterable[str], wholes: Iterable[str]) -> bool:
    """Whether every place of `parts` lies in some place of `wholes`."""
    outer = tuple(wholes)
    return all(any(is_within(part, whole) for whole in outer) for part in parts)


def outermost(places: Iterable[str]) -> tuple[str, ...]:
    """The places that lie in no other of them, each once, in the order of their codes."""
    every = set(places)
    return tuple(sorted(place for place in every if not any(place != other and is_within(place, other) for other in every)))


def overlaps(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two sets of places share ground."""
    second = tuple(others)
    return any(is_within(a, b) or is_within(b, a) for a in some for b in second)


def _read_float(raw: float) -> Value:
    if not math.isfinite(raw):
        return Value(rule=Rule.NOT_A_NUMBER)
    return _read_int(int(raw)) if raw.is_integer() else Value(rule=Rule.NOT_WHOLE)


def _read_int(number: int) -> Value:
    if number < 0:
        return Value(rule=Rule.NEGATIVE)
    if number == 0:
        return Value(rule=Rule.ZERO_NEEDS_CHECK)
    return Value(rule=Rule.IMPLAUSIBLE) if number > MOST_PEOPLE else Value(number=number)


def _read_text(text: str) -> Value:
    if text in set(Silence):
        return Value(silence=Silence(text))
    if re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII):
        return _read_int(int(text))
    if not text:
        return Value(rule=Rule.VALUE_MISSING)
    is_decimal = re.fullmatch(r"[+-]?\d+[.,]\d+", text, re.ASCII) is not None
    return Value(rule=Rule.NOT_WHOLE if is_decimal else Rule.NOT_A_NUMBER)
