"""What is not known yet, question by question, and who is asked: "not yet known" with somebody behind it is an answer, silence is not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from alerts.live.parts import AnswerKind, QuestionKey, Total, Words
from alerts.live.rules.checks import REACHED
from alerts.live.rules.facts import CheckFacts, SheetFacts
from alerts.live.schemas import AskedWhom
from alerts.reports.rules import words
from alerts.reports.rules.codes import Category, Target

OPEN = frozenset({AnswerKind.NOT_KNOWN, AnswerKind.NOT_ASKED, AnswerKind.NO_ANSWER_YET})
"""Answers after which the question is still open. "None reported so far" is one that may be said."""
TO_SEARCH = tuple(target for target in Target if target not in (Target.AUTHORITIES, Target.OTHER))
MINISTRY = Words(id="pusat krisis Kementerian", en="the ministry's crisis centre")
HOW_MANY_REALLY = Words(id="perkiraan jumlah yang sebenarnya berada di sana", en="how many are really there (estimate)")
CONTACT = Words(id="keterangan otoritas setempat", en="what the local authorities say")


def unknown_totals(totals: Collection[Total], wanted: Collection[Category]) -> Iterator[Words]:
    """Those of the wanted categories of which nobody has said anything yet."""
    said = {total.category: total.answer for total in totals}
    for category in wanted:
        if said.get(category, AnswerKind.NOT_KNOWN) in OPEN:
            label = words.CATEGORY[category]
            yield Words(id=label.id, en=label.en)


def unknown_checks(checks: Collection[CheckFacts], key: QuestionKey) -> Iterator[Words]:
    """Authorities nobody reached; kinds of places of which none was asked or visited."""
    reached = {check.target for check in checks if check.outcome in REACHED}
    if key is QuestionKey.AUTHORITIES:
        if Target.AUTHORITIES not in reached:
            yield CONTACT
        return
    for target in TO_SEARCH:
        if target not in reached:
            label = words.TARGET[target]
            yield Words(id=label.id, en=label.en)


def asked_of(facts: SheetFacts, due: Mapping[str, datetime | None]) -> list[AskedWhom]:
    """Who is asked for what is not known: every mission of the incident, with the time of its next report; without one, the ministry."""
    missions = [
        AskedWhom(mission_code=each.code, name=Words(id=each.name, en=each.name), due_at=due.get(each.code)) for each in facts.missions
    ]
    return missions or [AskedWhom(mission_code=None, name=MINISTRY, due_at=None)]
