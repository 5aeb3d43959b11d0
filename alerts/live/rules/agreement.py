"""Whether what we know of single people agrees: the records of persons, their own answers, the calls for help. Pure decisions.

A person is *reached* when somebody of us says whom they reached, when and how, in either record, and nobody says that they are
dead. Nobody is counted twice: who stands in both records counts as a person. Where two records cannot both be true, neither is
mended: it is shown, and somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from alerts.incidents.rules import Claim, is_at_least
from alerts.live.schemas import Words
from alerts.people.rules import Axis, Nationality, PersonState

OWN = (Nationality.OWN, Nationality.OWN_CHILD_DUAL)


class Disagreement(StrEnum):
    """Two records of one person that cannot both be true, the gravest first."""

    DEAD_BUT_ANSWERED = "dead_but_answered"
    REACHED_BUT_NEEDS_HELP = "reached_but_needs_help"
    UNACCOUNTED_BUT_REACHED = "unaccounted_but_reached"
    UNACCOUNTED_BUT_SAYS_SAFE = "unaccounted_but_says_safe"


LABELS: Mapping[Disagreement, Words] = MappingProxyType(
    {
        Disagreement.DEAD_BUT_ANSWERED: Words(
            id="tercatat meninggal dunia, tetapi menjawab sesudahnya", en="recorded as dead, but answered afterwards"
        ),
        Disagreement.REACHED_BUT_NEEDS_HELP: Words(
            id="tercatat sudah dihubungi, tetapi masih minta bantuan", en="recorded as reached, but still need help by their own answer"
        ),
        Disagreement.UNACCOUNTED_BUT_REACHED: Words(
            id="tercatat belum dapat dihubungi, tetapi petugas sudah menghubungi",
            en="recorded as unaccounted for, but reached by staff",
        ),
        Disagreement.UNACCOUNTED_BUT_SAYS_SAFE: Words(
            id="tercatat belum dapat dihubungi, tetapi menyatakan selamat (belum dicek)",
            en="recorded as unaccounted for, but say that they are safe (not checked)",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Answered:
    """Where one person stands by their own answers. `confirmed_at`: when staff wrote down that they reached them safe."""

    needs_help: bool
    help_at: datetime | None = None
    safe_at: datetime | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Own citizens reached by the records of persons; how many of them by a check-in too; what does not agree."""

    reached: int = 0
    reached_in_both: int = 0
    disagreements: Mapping[Disagreement, int] = field(default_factory=lambda: MappingProxyType({}))


def agree(people: Iterable[PersonState], answers: Mapping[UUID, Answered]) -> Agreement:
    """What the records of these persons and their answers say together."""
    reached = in_both = 0
    found: Counter[Disagreement] = Counter()
    for person in people:
        answer = answers.get(person.citizen_id) if person.citizen_id else None
        if is_reached(person) and person.nationality in OWN:
            reached += 1
            in_both += answer is not None and answer.confirmed_at is not None and not answer.needs_help
        wrong = disagreement_of(person, answer) if answer else None
        if wrong is not None:
            found[wrong] += 1
    return Agreement(reached, in_both, MappingProxyType({each: found[each] for each in Disagreement if found[each]}))


def is_reached(person: PersonState) -> bool:
    """Whether somebody of us reached this person (who, when and how are on the record), and nobody says that they are dead."""
    contact, condition = person.state.get(Axis.CONTACT), person.state.get(Axis.CONDITION)
    if contact is None or contact.stands.value not in set(Claim) or (condition is not None and condition.stands.value == "dead"):
        return False
    return is_at_least(contact.stands.claim, Claim.CONTACT_MADE)


def disagreement_of(person: PersonState, answer: Answered) -> Disagreement | None:
    """The gravest thing that does not agree, if any."""
    condition, contact = person.state.get(Axis.CONDITION), person.state.get(Axis.CONTACT)
    if condition is not None and condition.stands.value == "dead":
        times = [at for at in (answer.help_at, answer.safe_at) if at is not None]
        return Disagreement.DEAD_BUT_ANSWERED if max(times, default=condition.stands.as_of) > condition.stands.as_of else None
    if is_reached(person) and answer.needs_help:
        return Disagreement.REACHED_BUT_NEEDS_HELP
    if contact is None or contact.stands.value not in {"unaccounted", "reported_missing"} or answer.needs_help:
        return None
    if answer.confirmed_at is not None:
        return Disagreement.UNACCOUNTED_BUT_REACHED
    return Disagreement.UNACCOUNTED_BUT_SAYS_SAFE if answer.safe_at is not None else None
