"""Prepared words: what a text approved beforehand may say, and how its few places are filled. Pure decisions.

Fixed words in all languages; nothing may be typed when one person releases them but an area's own name,
a hotline and a time of day.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from alerts.broadcasts.rules import CANCEL_TEXT, LANGUAGES, check_texts
from alerts.incidents.rules import Kind
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.text import visible

PLACE_NAME_MAX = 40
TEXT_MAX = 480
HOTLINE = re.compile(r"\+?[0-9][0-9 ()-]{2,19}")
MARK = re.compile(r"\{[^{}]*\}")
UNSAFE = re.compile(r"[{}<>\n]|https?:|www\.|\d{5,}", re.IGNORECASE)


class TemplateKind(StrEnum):
    """What the words are for: the first minute, or putting right what went out (CAP Update, CAP Cancel)."""

    FIRST_ALERT = "first_alert"
    UPDATE = "update"
    CANCEL = "cancel"


class TemplateState(StrEnum):
    """`waiting`: written, not yet approved. `in_use`: one person may release it. `retired`: never again."""

    WAITING = "waiting"
    IN_USE = "in_use"
    RETIRED = "retired"


class Place(StrEnum):
    """What may be filled in, and nothing else."""

    PLACE = "place"
    HOTLINE = "hotline"
    TIME = "time"


PLACES_OF: Mapping[TemplateKind, frozenset[Place]] = MappingProxyType(
    {
        TemplateKind.FIRST_ALERT: frozenset(Place),
        TemplateKind.UPDATE: frozenset(),
        TemplateKind.CANCEL: frozenset(),
    }
)
"""A correction has no places at all: it is released with one click."""

PROPOSED_CORRECTIONS: Mapping[TemplateKind, Mapping[str, str]] = MappingProxyType(
    {
        TemplateKind.CANCEL: CANCEL_TEXT,
        TemplateKind.UPDATE: {
            "id": "PERUBAHAN: pesan kami sebelumnya keliru sebagian. Jangan bertindak menurut pesan itu, ikuti petugas setempat. Petunjuk"
            " yang benar segera menyusul.",
            "en": "CHANGE: part of our earlier message was wrong. Do not act on it, follow local officials. The right instructions follow"
            " shortly.",
        },
    }
)


def check_template_texts(texts: Mapping[str, str], kind: TemplateKind) -> dict[str, str]:
    """Both languages, each with the same places, and only those that this kind may have. Raises InvalidError naming the text."""
    ready = check_texts(texts, is_exercise=False)
    for language, body in ready.items():
        unknown = set(MARK.findall(body)) - {f"{{{place}}}" for place in PLACES_OF[kind]}
        if unknown or set(MARK.sub("", body)) & set("{}"):
            raise InvalidError("unknown_place", "Only {place}, {hotline} and {time} can be filled in.", field=f"texts.{language}")
        if len(body) > TEXT_MAX:
            raise InvalidError("text_too_long", "A prepared text has at most 480 characters.", field=f"texts.{language}")
    if len({frozenset(places_in(body)) for body in ready.values()}) > 1:
        raise InvalidError("places_differ", "Both languages must fill in the same places.", field="texts")
    return ready


def places_in(body: str) -> set[Place]:
    """The places that a text fills in."""
    return {place for place in Place if f"{{{place}}}" in body}


def fill(texts: Mapping[str, str], places: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The words with their places filled, per language. Raises InvalidError naming a place that the words need and nobody gave."""
    filled = {}
    for language, body in texts.items():
        for place in sorted(places_in(body)):
            value = places.get(language, {}).get(place, "")
            if not value:
                raise InvalidError("place_missing", "This text needs a value for one of its places.", field=place.value, place=place.value)
            body = body.replace(f"{{{place}}}", value)  # noqa: PLW2901
        filled[language] = body
    return filled


def check_place_name(name: str) -> str:
    """An area's name as it may stand in a text: short, one line, no address, no long number. It was typed by whoever drew the area."""
    said = " ".join(visible(name).split())
    if not said or len(said) > PLACE_NAME_MAX or UNSAFE.search(said):
        raise InvalidError("area_name", "The name of this area cannot stand in a text: it must be short and plain.", field="area_id")
    return said


def check_hotline(number: str | None) -> str:
    """A number to call, digits and the usual signs; empty for none."""
    said = " ".join((number or "").split())
    if said and not HOTLINE.fullmatch(said):
        raise InvalidError("hotline_form", "A hotline is a telephone number of 3 to 20 digits and signs.", field="hotline")
    return said


def check_rhythm(every_minutes: int | None, kind: TemplateKind) -> int | None:
    """How often a message with these words says that it still holds; a correction promises nothing."""
    if every_minutes is not None and kind is not TemplateKind.FIRST_ALERT:
        raise InvalidError("promise_not_here", "Only a first alert promises the next message.", field="next_message_every_minutes")
    return every_minutes


def template_hash(*, code: str, version: int, kind: TemplateKind, texts: Mapping[str, str], every_minutes: int | None = None) -> str:
    """What an approval of prepared words names: SHA-256, hex. Of words without a rhythm it is what it was before there was one."""
    rhythm = [] if every_minutes is None else [every_minutes]
    content = [code, version, kind.value, [[language, texts[language]] for language in LANGUAGES], *rhythm]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def check_template_decider(*, decider: object, author: object) -> None:
    """Two people: whoever wrote the words does not approve them."""
    if decider is None or decider == author:
        raise ForbiddenError("own_work", "Whoever wrote these words cannot approve them.")


def check_usable(state: TemplateState, kind: TemplateKind, wanted: Sequence[TemplateKind]) -> None:
    """One person may release words that are in use, for what they were prepared for."""
    if state is not TemplateState.IN_USE:
        raise ConflictError("template_not_in_use", "These words are not approved, or no longer in use.", state=state.value)
    if kind not in wanted:
        raise ConflictError("template_kind", "These words were prepared for something else.", kind=kind.value)


def fits_event(event_kind: Kind | None, kind: Kind) -> bool:
    """Whether words are offered for an incident of this kind; without one of their own they fit all."""
    return event_kind in (None, kind)
