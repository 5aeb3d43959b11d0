"""What is said to a caller, word for word: what the person allowed and no more, or that we have the question and will call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.families.rules import Tell
from alerts.kit.i18n import N_, Translator, translator
from alerts.places import place_name

STANDARD = N_("We have your question and will call you. Your number is %(reference)s.")
NOTHING_YET = N_("We have your question and will call you.")


def spoken(
    lang: str, tells: Sequence[Tell], *, reference: str | None, contacted_at: datetime | None, place: str | None, message: str | None
) -> str:
    """The sentences to read out, in one language."""
    t = translator(lang)
    if not tells or contacted_at is None:
        return t.gettext(STANDARD, reference=reference) if reference else t.gettext(NOTHING_YET)
    said = [_sentence(t, tell, contacted_at, place=place, message=message) for tell in tells]
    return " ".join(each for each in said if each)


def _sentence(t: Translator, tell: Tell, at: datetime, *, place: str | None, message: str | None) -> str:
    if tell is Tell.REACHED:
        return t.gettext("We spoke with the person you ask about on %(at)s.", at=t.time(at))
    if tell is Tell.SAFE:
        return t.gettext("They told us then that they were safe.")
    if tell is Tell.PLACE:
        return t.gettext("They were in %(place)s then.", place=place_name(place, t.lang)) if place else ""
    return t.gettext("They asked us to tell you: “%(message)s”", message=message) if message else ""
