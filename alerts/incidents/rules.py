"""What an incident may be, which moves it knows, and who may touch which part of it.

Pure decisions: no database, no web framework. Urgency, severity and certainty carry the words of
CAP 1.2, spelled as CAP spells them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from alerts.kit.actor import Actor
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.missions.rules import Basis, Responsibility
from alerts.missions.rules import Role as Part
from alerts.staff.rules import MISSION_ROLES, Permission, Role, is_allowed

FUTURE_TOLERANCE = timedelta(minutes=5)
"""A caller's clock may run ahead of ours by this much before what it says is refused."""
SMS_LETTERS, SMS_DIGITS = "ABCDEFGHJKMNPQRSTUVWXYZ", "23456789"
SMS_CODE = f"[{SMS_LETTERS}][{SMS_DIGITS}][{SMS_LETTERS}]"
"""How an incident is called in a text message: no sign that is taken for another one; with its digit in the middle it is no word,
no figure and no place of a situation report."""
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What happened, in one word."""

    EARTHQUAKE = "earthquake"
    TSUNAMI = "tsunami"
    VOLCANO = "volcano"
    STORM = "storm"
    FLOOD = "flood"
    WILDFIRE = "wildfire"
    EPIDEMIC = "epidemic"
    CONFLICT = "conflict"
    ATTACK = "attack"
    UNREST = "unrest"
    HOSTAGE = "hostage"
    AIR_ACCIDENT = "air_accident"
    SEA_ACCIDENT = "sea_accident"
    ROAD_OR_RAIL_ACCIDENT = "road_or_rail_accident"
    INDUSTRIAL_ACCIDENT = "industrial_accident"
    OTHER = "other"


class Status(StrEnum):
    """Set when the incident opens, never changed: nothing of an exercise may ever look real."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"


class Urgency(StrEnum):
    """CAP: how soon to act."""

    IMMEDIATE = "Immediate"
    EXPECTED = "Expected"
    FUTURE = "Future"
    PAST = "Past"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    """CAP: how grave the threat is."""

    EXTREME = "Extreme"
    SEVERE = "Severe"
    MODERATE = "Moderate"
    MINOR = "Minor"
    UNKNOWN = "Unknown"


class Certainty(StrEnum):
    """CAP: how sure it is."""

    OBSERVED = "Observed"
    LIKELY = "Likely"
    POSSIBLE = "Possible"
    UNLIKELY = "Unlikely"
    UNKNOWN = "Unknown"


class State(StrEnum):
    """Nothing acts in a closed incident."""

    OPEN = "open"
    CLOSED = "closed"


class Move(StrEnum):
    """What can be done to an incident as a whole."""

    EDIT = "edit"
    CLOSE = "close"
    REOPEN = "reopen"


ALLOWED: Mapping[tuple[State, Move], State] = MappingProxyType(
    {
        (State.OPEN, Move.EDIT): State.OPEN,
        (State.OPEN, Move.CLOSE): State.CLOSED,
        (State.CLOSED, Move.REOPEN): State.OPEN,
    }
)


class ListKind(StrEnum):
    """People named one by one instead of by where they are."""

    FLIGHT = "flight"
    SHIP = "ship"
    GROUP = "group"


class SiagaLevel(StrEnum):
    """An ordered *name* per area, I the highest. Never compared as a number or as text: use `is_higher`."""

    I = "I"  # noqa: E741 — the ministry's own name of the level
    II = "II"
    III = "III"


FROM_LOWEST = (SiagaLevel.III, SiagaLevel.II, SiagaLevel.I)


class LevelBasis(StrEnum):
    """On whose word a level stands: set by the mission, or ordered by the minister."""

    MISSION = "mission"
    MINISTER = "minister"


class Claim(StrEnum):
    """The ladder of a claim about people, lowest rung first. A name, not a number: use `is_at_least`.

    Kept here for check-ins, persons and reports alike, which may not see each other.
    """

    REPORTED = "reported"
    CORROBORATED = "corroborated"
    CONTACT_MADE = "contact_made"
    VERIFIED = "verified"


LADDER = tuple(Claim)


@dataclass(frozen=True, slots=True)
class Manners:
    """How messages about an incident may behave. Read by whoever makes, repeats or shows one.

    `barred_channels`: ways that nobody may be reached by. `title`: a neutral one in place of the incident's own, by language.
    `may_repeat`: whether anything may be sent again by itself or as a follow-up: reminders, "still valid", resends of an
    unknown, further steps after an acceptance. `may_list_texts`: whether lists and exports may show what messages say.
    """

    barred_channels: frozenset[str]
    has_sound: bool
    may_repeat: bool
    may_list_texts: bool
    title: Mapping[str, str] | None


LOUD = Manners(frozenset(), has_sound=True, may_repeat=True, may_list_texts=True, title=None)
QUIET = Manners(
    frozenset({"voice"}),
    has_sound=False,
    may_repeat=False,
    may_list_texts=False,
    title=MappingProxyType({"id": "Pesan baru", "en": "New message"}),
)
"""Armed attack, hostages, house searches: attackers may hear a phone, or read over a shoulder."""


def manners_of(*, is_quiet: bool) -> Manners:
    """The manners of an incident's messages, by its `is_quiet`."""
    return QUIET if is_quiet else LOUD


def check_repeat(*, is_quiet: bool) -> None:
    """409 for what would repeat a message about a quiet incident."""
    if not manners_of(is_quiet=is_quiet).may_repeat:
        raise ConflictError("incident_quiet", "This incident is quiet: nothing is repeated or followed up.")


LEVEL_SETTERS: Mapping[str, LevelBasis] = MappingProxyType({Role.MINISTER: LevelBasis.MINISTER, Role.HEAD_OF_MISSION: LevelBasis.MISSION})


@dataclass(frozen=True, slots=True)
class Involvement:
    """One mission and the places for which it answers in this incident, by its strongest part."""

    mission_code: str
    part: Part
    basis: Basis
    is_assumed: bool
    places: tuple[str, ...]


def is_at_least(claim: Claim, than: Claim) -> bool:
    """Whether `claim` stands on the rung `than` or above it."""
    return LADDER.index(claim) >= LADDER.index(than)


def is_higher(level: SiagaLevel | None, than: SiagaLevel | None) -> bool:
    """Whether `level` asks for more than `than`; no level at all is below Siaga III."""
    if level is None or than is None:
        return level is not None and than is None
    return FROM_LOWEST.index(level) > FROM_LOWEST.index(than)


def next_state(state: State, move: Move) -> State:
    """The state after `move`; 409 when the present state forbids it."""
    after = ALLOWED.get((state, move))
    if after is not None:
        return after
    check_open(state)
    raise ConflictError("incident_open", "The incident is open already.", state=state.value)


def check_open(state: State) -> None:
    """409 unless the incident is open; for everything that acts within it."""
    if state is not State.OPEN:
        raise ConflictError("incident_closed", "The incident is closed; reopen it first.", state=state.value)


def check_moment(at: datetime, now: datetime, *, field: str) -> None:
    """422 for a moment that has not come yet, or one that no record of ours can be about."""
    if at > now + FUTURE_TOLERANCE:
        raise InvalidError("in_future", "This moment lies in the future.", field=field)
    if at < EARLIEST:
        raise InvalidError("too_early", "This moment lies before the year 1900.", field=field)


def check_something_named(areas: Sequence[object], lists: Sequence[object]) -> None:
    """422 for an incident without any area and without any list: nobody could be found by it."""
    if not areas and not lists:
        raise InvalidError("no_area", "Name at least one area or one list of people.", field="areas")


def check_opener(actor: Actor, involved: Iterable[Involvement], places: Iterable[str]) -> None:
    """403 when staff of a mission open an incident that reaches outside the places where that mission acts."""
    if is_bound_to_mission(actor) and not acts_in(actor.mission_code, involved, places):
        raise ForbiddenError("outside_district", "A head of mission opens incidents in the own district only.")


def acts_in(mission_code: str | None, involved: Iterable[Involvement], places: Iterable[str]) -> bool:
    """Whether the mission itself acts (is not only informed) in every one of these places, and there is one at all."""
    wanted = set(places)
    own = {place for each in involved if each.mission_code == mission_code and each.part is Part.ACTS for place in each.places}
    return bool(wanted) and wanted <= own


def check_editor(actor: Actor, *, is_level_only: bool, is_hush_only: bool = False) -> None:
    """403 unless the actor may edit, or does nothing but what the minister and heads of mission may: set levels, make it quiet.

    To make an incident loud again takes somebody who may edit.
    """
    role = find_role(actor)
    if role is not None and is_allowed(role, Permission.EDIT_INCIDENT):
        return
    if not ((is_level_only or is_hush_only) and role in LEVEL_SETTERS):
        raise ForbiddenError("may_not_edit", "Your role may not change this incident.")


def level_basis(actor: Actor, said: LevelBasis | None) -> LevelBasis:
    """On whose word the level stands. The minister and a head of mission speak for themselves; others must say."""
    own = LEVEL_SETTERS.get(actor.role)
    if own is not None and said not in (None, own):
        raise ForbiddenError("not_your_word", "Your role cannot set a level on somebody else's word.")
    basis = own or said
    if basis is None:
        raise InvalidError("level_basis_missing", "Say whether the mission set the level or the minister ordered it.", field="level_basis")
    return basis


def find_role(actor: Actor) -> Role | None:
    return Role(actor.role) if actor.role in set(Role) else None


def is_bound_to_mission(actor: Actor) -> bool:
    """Whether the actor sees only what involves one mission."""
    return actor.mission_code is not None or actor.role in MISSION_ROLES


def gather_missions(parts: Iterable[Responsibility]) -> list[Involvement]:
    """One involvement per mission: the strongest part and basis, the places of all, assumed when any relation is."""
    by_mission: dict[str, list[Responsibility]] = {}
    for each in parts:
        by_mission.setdefault(each.mission_code, []).append(each)
    return [_involvement(code, own) for code, own in sorted(by_mission.items())]


def narrow_to_district(part: Responsibility, district: Collection[str]) -> list[Responsibility]:
    """A consulate that answers for a whole country answers, in truth, for the provinces of its district there."""
    inside = sorted(place for place in district if place.startswith(f"{part.place}-"))
    if part.place in district or not inside:
        return [part]
    return [replace(part, place=place) for place in inside]


def _involvement(code: str, parts: Sequence[Responsibility]) -> Involvement:
    first = min(parts, key=lambda each: (tuple(Part).index(each.role), tuple(Basis).index(each.basis)))
    places = tuple(sorted({each.place for each in parts}))
    return Involvement(code, first.role, first.basis, any(each.is_assumed for each in parts), places)
