"""What is told to whoever called for help: only what the state of the case makes true, with its time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from alerts.checkins.cases.rules import CaseState
from alerts.kit.i18n import JAKARTA, N_, Translator

SPOKEN = N_("We spoke with you and closed your call for help at %(at)s. Answer again if you need help.")


class Told(Protocol):
    """What the words are made of."""

    state: CaseState
    state_at: datetime
    owned_at: datetime


def acknowledge(t: Translator, case: Told, mission: str | None) -> str:
    """One sentence; `mission`: the owner's name, None for the ministry. Help is named only while somebody gives it."""
    who = mission or t.gettext("the crisis centre in Jakarta")
    if case.state is CaseState.OPEN:
        return t.gettext("We have your message. It is with %(who)s since %(at)s.", who=who, at=clock(t, case.owned_at))
    if case.state is CaseState.ACKNOWLEDGED:
        return t.gettext("Your message was read. %(who)s has dealt with it since %(at)s.", who=_first(who), at=clock(t, case.state_at))
    if case.state is CaseState.BEING_HELPED:
        return t.gettext("%(who)s has been arranging help for you since %(at)s.", who=_first(who), at=clock(t, case.state_at))
    if case.state is CaseState.RESOLVED:
        return t.gettext(
            "We spoke with you and closed your call for help at %(at)s. Answer again if you need help.", at=clock(t, case.state_at)
        )
    return t.gettext("Your call for help was handed on at %(at)s. Answer again if you still need help.", at=clock(t, case.state_at))


def clock(t: Translator, at: datetime) -> str:
    """`14.05 WIB` (id) or `14:05 WIB` (en): short enough for a text message."""
    return f"{at.astimezone(JAKARTA):{'%H.%M' if t.lang == 'id' else '%H:%M'}} WIB"


def _first(words: str) -> str:
    return words[:1].upper() + words[1:]
