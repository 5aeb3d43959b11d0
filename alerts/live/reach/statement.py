"""What may be said of a message in words: never more than is known, and of what is not known that too. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alerts.incidents.rules import Status
from alerts.kit.i18n import LANGUAGES, N_, translator
from alerts.live.reach.schemas import ReachView
from alerts.live.schemas import Words

Value = int | datetime
Sentence = tuple[str, dict[str, Value]]


def statement_of(reach: ReachView, *, status: Status, released_at: datetime | None) -> list[Words]:
    """Sentence by sentence, in both languages; an exercise says so first."""
    return [_words(*sentence) for sentence in _sentences(reach, status, released_at)]


def _sentences(reach: ReachView, status: Status, released_at: datetime | None) -> Iterator[Sentence]:
    if status is Status.EXERCISE:
        yield N_("EXERCISE: nothing of this was real."), {}
    if released_at is None:
        yield N_("The message was not released: nobody was sent anything."), {}
        return
    people = {name: getattr(reach, name) for name in type(reach).model_fields if isinstance(getattr(reach, name), int)}
    yield N_("The message was released at %(at)s to %(frozen)s people."), {"at": released_at, **people}
    yield N_("A carrier took it for %(handed_over)s of them. That alone does not say that it arrived."), people
    yield N_("Delivery was reported for %(delivered)s. Nobody knows from that whether it was read."), people
    if reach.no_receipt_possible:
        yield N_("For %(no_receipt_possible)s more no report of delivery is possible: whether it arrived is not known."), people
    yield from _answers(reach, people)
    yield from _not_reached(reach, people)
    yield from _again(reach, people)
    yield N_("This is as our records stood at %(at)s, by what carriers had told us until then."), {"at": reach.as_of}


def _answers(reach: ReachView, people: dict[str, Value]) -> Iterator[Sentence]:
    answers: dict[str, Value] = {"safe": reach.answers.safe, "need_help": reach.answers.need_help, "other": reach.answers.other}
    text = N_("%(answered)s answered: %(safe)s safe by their own word or our contact, %(need_help)s need help, %(other)s something else.")
    yield text, people | answers


def _not_reached(reach: ReachView, people: dict[str, Value]) -> Iterator[Sentence]:
    if reach.unknown:
        yield N_("Of %(unknown)s nobody can say whether it was sent."), people
    if reach.unreachable:
        yield N_("%(unreachable)s could not be reached by any way that we have."), people
    if reach.in_progress:
        yield N_("%(in_progress)s still wait or are being sent to."), people
    if reach.stopped:
        yield N_("%(stopped)s were not sent it: it was cancelled or had expired."), people


def _again(reach: ReachView, people: dict[str, Value]) -> Iterator[Sentence]:
    if reach.resent:
        yield N_("It was sent once more %(resent)s times, as the approval permits where the outcome was not known."), people
    if reach.sent_twice:
        yield N_("It was taken twice without permission %(sent_twice)s times: that is a fault of ours."), people
    else:
        yield N_("We know of nobody who was sent the same step twice without permission."), {}


def _words(sentence: str, values: dict[str, Value]) -> Words:
    texts = {}
    for lang in LANGUAGES:
        words = translator(lang)
        said = {name: words.time(value) if isinstance(value, datetime) else words.number(value) for name, value in values.items()}
        texts[lang] = words.gettext(sentence, **said)
    return Words(**texts)
