"""A crisis file before anything is made of it: JSON that says one thing, of a size and depth that people write."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

LARGEST_BYTES = 20_000_000
DEEPEST = 32
OURS = {
    "extra_forbidden": "there is no such name in the form",
    "missing": "is missing",
    "timezone_aware": "a time with its offset is needed: 2026-03-01T08:00:00+03:00",
}
Place = tuple[int | str, ...]


class CrisisFileError(Exception):
    """The file cannot be used; the message names the place in it."""


class _Object(dict[str, Any]):
    """A JSON object that remembers a name which stood in it twice."""

    twice: str | None = None


def text_of(content: bytes, where: str) -> str:
    """The text of a file. Raises CrisisFileError."""
    if len(content) > LARGEST_BYTES:
        raise CrisisFileError(f"{where}: larger than {LARGEST_BYTES // 1_000_000} MB: no crisis file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CrisisFileError(f"{where}: cannot be read: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def document_of(text: str, where: str) -> Any:
    """What the JSON says. Raises CrisisFileError for what is no JSON, says a thing twice or cannot be stored."""
    if not text.strip():
        raise CrisisFileError(f"{where}: the file is empty")
    try:
        document = json.loads(text, object_pairs_hook=_object)
        _check(document, (), document, where)
    except RecursionError:
        raise CrisisFileError(f"{where}: nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise CrisisFileError(f"{where}: not JSON: {error}") from None
    return document


def first_fault(error: ValidationError, document: Any, where: str, within: Place = ()) -> CrisisFileError:
    """The first thing that is wrong, with its place, in one sentence. `within`: where in the document the part stands."""
    first = error.errors(include_url=False, include_input=False)[0]
    message = OURS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return CrisisFileError(f"{where}: {place_of((*within, *first['loc']), document)}: {message}")


def place_of(location: Place, document: Any) -> str:
    """`("steps", 3, "report", "report", "by")` → `steps[3] (ankara-6feb) report.report.by`."""
    if location[:1] == ("steps",) and len(location) > 1 and isinstance(location[1], int):
        step = document["steps"][location[1]]
        ref = step.get("ref", "?") if isinstance(step, dict) else "?"
        return f"steps[{location[1]}] ({ref}) {'.'.join(str(part) for part in location[2:])}".strip()
    return ".".join(str(part) for part in location) or "the whole"


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.twice = next(name for name in names if names.count(name) > 1)
    return made


def _check(value: Any, place: Place, document: Any, where: str) -> None:
    fault = _fault(value, place)
    if fault:
        raise CrisisFileError(f"{where}: {place_of(place, document)}: {fault}")
    parts: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        _check(part, (*place, name), document, where)


def _fault(value: Any, place: Place) -> str:
    if len(place) > DEEPEST:
        return f"nested deeper than {DEEPEST} levels"
    if isinstance(value, _Object) and value.twice is not None:
        return f"the name {value.twice!r} stands twice"
    if isinstance(value, float) and not math.isfinite(value):
        return "is no number"
    if isinstance(value, str) and ("\x00" in value or not _is_text(value)):
        return "is no text"
    return ""


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
