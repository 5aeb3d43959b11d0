"""The states of one roaming broadcast, and what may be asked for. Pure decisions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from alerts.kit.errors import ConflictError, InvalidError
from alerts.places import is_country


class RoamingState(StrEnum):
    """`asked` by us; `sending` while it is handed over; then the operator's word, or `unknown` where it gave none."""

    ASKED = "asked"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


ALLOWED: Mapping[RoamingState, frozenset[RoamingState]] = MappingProxyType(
    {
        RoamingState.ASKED: frozenset({RoamingState.SENDING, RoamingState.REFUSED}),
        RoamingState.SENDING: frozenset({RoamingState.ASKED, RoamingState.ACCEPTED, RoamingState.REFUSED, RoamingState.UNKNOWN}),
        RoamingState.UNKNOWN: frozenset({RoamingState.ACCEPTED}),
        RoamingState.ACCEPTED: frozenset(),
        RoamingState.REFUSED: frozenset(),
    }
)
"""`sending → asked` only when surely nothing left; `unknown → accepted` by the operator's word alone, never sent again."""


def check_ask(*, is_approved: bool, is_valid: bool, is_exercise: bool, is_quiet: bool, has_operator: bool) -> None:
    """409 for what must not reach every phone in a country."""
    if is_exercise:
        raise ConflictError("exercise_reaches_testers_only", "An exercise never reaches the phones of a whole country.")
    if is_quiet:
        raise ConflictError("incident_quiet_no_roaming", "This incident is quiet: no phone of a whole country may sound.")
    if not is_approved:
        raise ConflictError("not_approved", "Only an approved message that still stands is handed to the home operators.")
    if not is_valid:
        raise ConflictError("message_expired", "The time for which this message holds is over. Write a new one.")
    if not has_operator:
        raise ConflictError("no_roaming_operator", "No home operator is set up for roaming broadcasts.")


def check_country(country: str, *, home_country: str) -> None:
    """422 for what is no country, or the home country: its own phones do not roam there."""
    if not is_country(country) or country == home_country:
        raise InvalidError("unknown_country", "Give a country abroad, by its ISO 3166-1 code.", field="country")
