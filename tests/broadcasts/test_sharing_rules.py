"""Whose an address is that several people have: one person's each, and nobody goes without who need not."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from alerts.broadcasts.sharing_rules import Claim, Shares, share_out

X, Y, Z = 1, 2, 3


def test_the_first_way_wins_over_a_later_one() -> None:
    both = [Claim(1, [(31, X)], own_place=10), Claim(2, [(31, X)])]
    assert share_out(both) == Shares([(1, X)], frozenset(), 1)
    assert share_out(both[::-1]) == Shares([(1, X)], frozenset(), 1)


def test_a_second_number_is_its_only_owners() -> None:
    assert share_out([Claim(1, [(32, Y)], own_place=31), Claim(2, [(31, Y)])]) == Shares([(1, Y)], frozenset(), 1)


def test_who_has_nothing_else_goes_before_who_has() -> None:
    assert share_out([Claim(1, [(31, X)], own_place=32), Claim(2, [(31, X)])]) == Shares([(1, X)], frozenset(), 1)
    assert share_out([Claim(1, [(31, X), (32, Y)]), Claim(2, [(31, X)]), Claim(3, [(32, Y)], own_place=10)]) == Shares(
        [(1, X), (3, Y)], frozenset(), 2
    )


def test_of_those_who_have_that_address_alone_the_first_has_it() -> None:
    assert share_out([Claim(1, [(31, X)]), Claim(2, [(31, X)]), Claim(3, [(31, X)])]) == Shares([(2, X), (3, X)], frozenset({2, 3}), 0)


def test_two_who_share_both_numbers_have_one_each() -> None:
    assert share_out([Claim(1, [(31, X), (32, Y)]), Claim(2, [(31, X), (32, Y)])]).without == frozenset()


def test_what_is_taken_is_nobodys_here() -> None:
    claims = [Claim(1, [(31, X)]), Claim(2, [(31, X), (32, Y)]), Claim(3, [(31, X)], own_place=50)]
    assert share_out(claims, taken={X}) == Shares([(1, X), (2, X), (3, X)], frozenset({1}), 2)


def test_what_nobody_needs_at_first_is_whose_it_comes_earliest() -> None:
    assert share_out([Claim(1, [(50, Z)], own_place=10), Claim(2, [(31, Z)], own_place=10)]).lost == [(1, Z)]


ADDRESSES = st.lists(st.tuples(st.integers(10, 62), st.integers(0, 6)), min_size=1, max_size=4, unique_by=(lambda a: a[0], lambda a: a[1]))
CROWD = st.lists(st.tuples(ADDRESSES.map(sorted), st.none() | st.integers(10, 62)), max_size=12)


@given(CROWD, st.sets(st.integers(0, 6), max_size=2))
def test_every_address_has_one_owner_and_every_person_a_way_or_a_place_among_those_who_share(
    crowd: list[tuple[list[tuple[int, int]], int | None]], taken: set[int]
) -> None:
    claims = [Claim(number, shared, own) for number, (shared, own) in enumerate(crowd)]
    shares = share_out(claims, taken=taken)
    lost = set(shares.lost)
    kept = [(claim.person, address) for claim in claims for _, address in claim.shared if (claim.person, address) not in lost]
    owners = Counter(address for _, address in kept)
    assert set(owners) == {address for claim in claims for _, address in claim.shared} - taken, "no address is left unused"
    assert set(owners.values()) <= {1}
    reached = {person for person, _ in kept} | {claim.person for claim in claims if claim.own_place is not None}
    assert shares.without == {claim.person for claim in claims} - reached
    assert shares.shortened == len({person for person, _ in lost} - shares.without)
