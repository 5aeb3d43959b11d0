"""Whose an address is that several people of one list have. Pure.

One message goes to an address, so each belongs to one person. Whoever needs it for the first message goes before
those who would be written to there only later, and whoever has nothing else before those who do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Claim:
    """What one person has: their shared addresses in the order in which they are tried, `(place, address)`.

    `own_place`: the place of the first address that is theirs alone; None: they have none.
    """

    person: int
    shared: Sequence[tuple[int, int]]
    own_place: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """`lost`: (person, address) of the ways that are skipped. `without`: people who have no way left of their own.

    `shortened`: how many others go by fewer ways than they have.
    """

    lost: Sequence[tuple[int, int]] = ()
    without: frozenset[int] = frozenset()
    shortened: int = 0


def share_out(claims: Iterable[Claim], *, taken: Collection[int] = ()) -> Shares:
    """Give each address to one of those who have it, in the given order of people where nothing else decides.

    `taken`: addresses that belong to somebody already, whom this list does not have.
    """
    people = list(claims)
    owners: dict[int, int | None] = dict.fromkeys(taken)
    waiting = people
    while waiting:
        waiting = _one_round(waiting, owners)
    _give_the_rest(people, owners)
    lost = [(each.person, address) for each in people for _, address in each.shared if owners[address] != each.person]
    kept = {owner for owner in owners.values() if owner is not None} | {each.person for each in people if each.own_place is not None}
    without = frozenset(each.person for each in people if each.person not in kept)
    return Shares(lost, without, len({person for person, _ in lost} - without))


def _one_round(waiting: Sequence[Claim], owners: dict[int, int | None]) -> list[Claim]:
    """Everybody asks for the best that is left to them; who is left with nothing of it asks again."""
    asked: dict[int, list[Claim]] = {}
    for claim in waiting:
        first = next(((place, address) for place, address in claim.shared if address not in owners), None)
        if first is not None and first[0] < _own_place(claim):
            asked.setdefault(first[1], []).append(claim)
    again = []
    for address, those in asked.items():
        winner = min(those, key=lambda claim: (claim.own_place is not None, _left(claim, owners)))
        owners[address] = winner.person
        again += [claim for claim in those if claim is not winner]
    return again


def _give_the_rest(people: Sequence[Claim], owners: dict[int, int | None]) -> None:
    """Addresses that nobody needs for the first message: to whom they come earliest."""
    best: dict[int, tuple[int, int]] = {}
    for claim in people:
        for place, address in claim.shared:
            if address not in owners and (address not in best or place < best[address][0]):
                best[address] = (place, claim.person)
    owners |= {address: person for address, (_, person) in best.items()}


def _own_place(claim: Claim) -> float:
    return inf if claim.own_place is None else claim.own_place


def _left(claim: Claim, owners: Mapping[int, int | None]) -> int:
    return sum(address not in owners for _, address in claim.shared)
