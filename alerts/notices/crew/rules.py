"""Functions of the crew, what somebody called says, and how a function stands. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from alerts.kit.i18n import N_, both
from alerts.staff.rules import Role

KIND = "callout"
"""What messages of this kind are about is one call of one person."""
SUBJECT = "crew_call"


class Function(StrEnum):
    """What somebody of the crew is there for. The first four are the ministry's, the last two a mission's."""

    DUTY_OFFICER = "duty_officer"
    DIRECTOR = "director"
    SPOKESMAN = "spokesman"
    MINISTER_AIDE = "minister_aide"
    HEAD_OF_MISSION = "head_of_mission"
    NEIGHBOUR = "neighbour"


OF_MINISTRY = (Function.DUTY_OFFICER, Function.DIRECTOR, Function.SPOKESMAN, Function.MINISTER_AIDE)
ROSTERED = (Function.DIRECTOR, Function.SPOKESMAN, Function.MINISTER_AIDE)
"""Functions with a roster of their own: nobody's role says who they are. The others are found by role and its roster."""
NAMES: Mapping[Function, Mapping[str, str]] = MappingProxyType(
    {
        Function.DUTY_OFFICER: both("duty officer"),
        Function.DIRECTOR: both("director"),
        Function.SPOKESMAN: both("spokesperson"),
        Function.MINISTER_AIDE: both("minister's aide"),
        Function.HEAD_OF_MISSION: both("head of mission or chargé"),
        Function.NEIGHBOUR: both("neighbouring mission"),
    }
)


class Answer(StrEnum):
    """What somebody called says."""

    COMING = "coming"
    CANNOT = "cannot"


class AnswerWay(StrEnum):
    """How it was said. `opened`: whoever opened the incident is there."""

    PAGE = "page"
    VOICE = "voice"
    SMS = "sms"
    OPENED = "opened"


class State(StrEnum):
    """How a call stands."""

    CALLED = "called"
    COMING = "coming"
    CANNOT = "cannot"
    NO_ANSWER = "no_answer"


class Standing(StrEnum):
    """How a function stands: somebody is coming, somebody is being called, all said no or nothing, or nobody is named for it."""

    ON = "on"
    CALLING = "calling"
    NOBODY = "nobody"
    NOBODY_NAMED = "nobody_named"


WORDS: Mapping[str, Answer] = MappingProxyType(
    {
        **dict.fromkeys(("1", "datang", "hadir", "siap", "ya", "coming", "yes"), Answer.COMING),
        **dict.fromkeys(("2", "tidak", "tidak bisa", "tak bisa", "berhalangan", "cannot", "no"), Answer.CANNOT),
    }
)
KEYS: Mapping[str, Answer] = MappingProxyType({"1": Answer.COMING, "2": Answer.CANNOT})
BARE = frozenset(KEYS)
"""A citizen's "1" and "2" mean safe and need help: of somebody who may be both, they are taken for that."""

QUESTION = N_("Press 1 if you are coming, 2 if you cannot.")
CALL = N_("SIAGA: %(title)s. You are called as %(function)s. Reply DATANG if you are coming, TIDAK if you cannot.")


@dataclass(frozen=True, slots=True)
class Called:
    """One person called for a function, in the order of the calls, and the newest answer, if any."""

    id: UUID
    staff_id: UUID
    called_at: datetime
    answer: Answer | None = None
    answered_at: datetime | None = None
    way: AnswerWay | None = None


def read_answer(text: str) -> Answer | None:
    """The answer, when it is the whole message; None for anything more, less or else."""
    return WORDS.get(" ".join(text.casefold().strip(" \t\r\n.,!").split()))


def state_of(call: Called, *, is_last: bool, is_over: bool) -> State:
    """`is_last`: nobody was called after. `is_over`: nobody else will be called by the clock."""
    if call.answer is not None:
        return State(call.answer.value)
    return State.CALLED if is_last and not is_over else State.NO_ANSWER


def states_of(calls: Sequence[Called], *, is_over: bool) -> list[State]:
    """How each call stands, in order."""
    return [state_of(call, is_last=call is calls[-1], is_over=is_over) for call in calls]


def standing_of(states: Iterable[State]) -> Standing:
    """How the function stands by its calls."""
    found = set(states)
    if State.COMING in found:
        return Standing.ON
    if State.CALLED in found:
        return Standing.CALLING
    return Standing.NOBODY if found else Standing.NOBODY_NAMED


def role_of(function: Function) -> Role:
    """Who stands in for a function that has nobody on a roster of its own."""
    roles = {Function.DUTY_OFFICER: Role.DUTY_OFFICER, Function.DIRECTOR: Role.APPROVER}
    return roles.get(function, Role.HEAD_OF_MISSION)
