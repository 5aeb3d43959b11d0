from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents import rules
from alerts.incidents.rules import Claim, LevelBasis, Move, Part, SiagaLevel, State
from alerts.kit.actor import Actor, Via
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.missions.rules import Basis, Responsibility
from alerts.staff.rules import Role

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def an_actor(role: Role, mission_code: str | None = None) -> Actor:
    return Actor(Via.SESSION, UUID(int=1), role.value, mission_code)


@given(st.lists(st.sampled_from(Move), max_size=30))
def test_a_closed_incident_takes_nothing_but_reopening(moves: list[Move]) -> None:
    state = State.OPEN
    for move in moves:
        if (state is State.CLOSED and move is not Move.REOPEN) or (state is State.OPEN and move is Move.REOPEN):
            with pytest.raises(ConflictError):
                rules.next_state(state, move)
        else:
            state = rules.next_state(state, move)
            assert state is (State.CLOSED if move is Move.CLOSE else State.OPEN)


def test_siaga_levels_are_ordered_by_name_and_not_by_letter() -> None:
    order = [None, SiagaLevel.III, SiagaLevel.II, SiagaLevel.I]
    for (a, one), (b, other) in product(enumerate(order), repeat=2):
        assert rules.is_higher(one, other) is (a > b)


def test_the_ladder_of_claims() -> None:
    assert [c for c in Claim if rules.is_at_least(c, Claim.CONTACT_MADE)] == [Claim.CONTACT_MADE, Claim.VERIFIED]


@pytest.mark.parametrize(("ahead", "code"), [(-timedelta(days=4000), ""), (timedelta(minutes=4), ""), (timedelta(minutes=6), "in_future")])
def test_when_it_happened(ahead: timedelta, code: str) -> None:
    if not code:
        rules.check_moment(NOW + ahead, NOW, field="occurred_at")
        return
    with pytest.raises(InvalidError) as refused:
        rules.check_moment(NOW + ahead, NOW, field="occurred_at")
    assert (refused.value.code, refused.value.field) == (code, "occurred_at")


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), datetime(1899, 12, 31, tzinfo=UTC)])
def test_no_moment_before_all_records(at: datetime) -> None:
    with pytest.raises(InvalidError) as refused:
        rules.check_moment(at, NOW, field="occurred_at")
    assert refused.value.code == "too_early"


def test_an_incident_is_somewhere_or_names_somebody() -> None:
    rules.check_something_named(["area"], [])
    rules.check_something_named([], ["list"])
    with pytest.raises(InvalidError):
        rules.check_something_named([], [])


def test_missions_are_gathered_by_their_strongest_part() -> None:
    parts = [
        Responsibility("kbri-a", "TR-31", Basis.ACCREDITATION, is_assumed=False, role=Part.INFORMED),
        Responsibility("kbri-a", "SY", Basis.ACCREDITATION, is_assumed=True),
        Responsibility("kjri-b", "TR-31", Basis.DISTRICT, is_assumed=False),
    ]
    first, second = rules.gather_missions(parts)
    assert (first.mission_code, first.part, first.basis, first.is_assumed, first.places) == (
        "kbri-a",
        Part.ACTS,
        Basis.ACCREDITATION,
        True,
        ("SY", "TR-31"),
    )
    assert (second.mission_code, second.basis, second.is_assumed) == ("kjri-b", Basis.DISTRICT, False)
    assert rules.gather_missions([]) == []


def test_a_consulate_answers_for_its_district_and_not_for_the_country() -> None:
    whole = Responsibility("kjri-b", "TR", Basis.DISTRICT, is_assumed=False)
    narrow = rules.narrow_to_district(whole, ["TR-34", "TR-22", "GR-A"])
    assert [(part.mission_code, part.place) for part in narrow] == [("kjri-b", "TR-22"), ("kjri-b", "TR-34")]
    embassy = Responsibility("kbri-a", "TR", Basis.ACCREDITATION, is_assumed=False)
    assert rules.narrow_to_district(embassy, []) == [embassy]
    territory = Responsibility("kjri-hk", "HK", Basis.DISTRICT, is_assumed=False)
    assert rules.narrow_to_district(territory, ["HK", "MO"]) == [territory]


def test_a_head_of_mission_opens_in_the_own_district_only() -> None:
    involved = rules.gather_missions(
        [
            Responsibility("kjri-b", "TR-34", Basis.DISTRICT, is_assumed=False),
            Responsibility("kbri-a", "TR-34", Basis.ACCREDITATION, is_assumed=False, role=Part.INFORMED),
        ]
    )
    rules.check_opener(an_actor(Role.HEAD_OF_MISSION, "kjri-b"), involved, ["TR-34"])
    rules.check_opener(an_actor(Role.DUTY_OFFICER), involved, ["TR-34", "SY"])
    for code, places in [("kjri-b", ["TR-34", "TR-31"]), ("kbri-a", ["TR-34"]), ("kbri-c", ["TR-34"]), ("kjri-b", [])]:
        with pytest.raises(ForbiddenError):
            rules.check_opener(an_actor(Role.HEAD_OF_MISSION, code), involved, places)


@pytest.mark.parametrize(
    ("role", "everything", "levels"),
    [
        (Role.DUTY_OFFICER, True, True),
        (Role.MINISTER, False, True),
        (Role.HEAD_OF_MISSION, False, True),
        (Role.MISSION_STAFF, False, False),
        (Role.APPROVER, False, False),
        (Role.ADMINISTRATOR, False, False),
    ],
)
def test_who_may_edit_what(role: Role, everything: bool, levels: bool) -> None:
    for is_level_only, is_allowed in ((False, everything), (True, levels)):
        if is_allowed:
            rules.check_editor(an_actor(role), is_level_only=is_level_only)
        else:
            with pytest.raises(ForbiddenError):
                rules.check_editor(an_actor(role), is_level_only=is_level_only)


def test_on_whose_word_a_level_stands() -> None:
    assert rules.level_basis(an_actor(Role.MINISTER), None) is LevelBasis.MINISTER
    assert rules.level_basis(an_actor(Role.HEAD_OF_MISSION, "kbri-a"), None) is LevelBasis.MISSION
    assert rules.level_basis(an_actor(Role.DUTY_OFFICER), LevelBasis.MINISTER) is LevelBasis.MINISTER
    with pytest.raises(InvalidError):
        rules.level_basis(an_actor(Role.DUTY_OFFICER), None)
    with pytest.raises(ForbiddenError):
        rules.level_basis(an_actor(Role.HEAD_OF_MISSION, "kbri-a"), LevelBasis.MINISTER)
