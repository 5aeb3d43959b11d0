from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.checkins.cases import rules
from alerts.checkins.cases.rules import ALLOWED, CLOSED, CURRENT, CaseState, Heard, Owner, choose_owner, hear
from alerts.checkins.rules import Answer, Contact
from alerts.incidents.rules import Claim
from alerts.kit.errors import ConflictError, InvalidError
from alerts.missions.rules import Basis, Responsibility, Role

CALL = datetime(2026, 1, 2, 14, 5, 33, tzinfo=UTC)
CONTACT = Contact("meja konsuler", CALL + timedelta(minutes=9), "telepon")
BASES = list(Basis)


def part(
    code: str, place: str = "TR-31", basis: Basis = Basis.ACCREDITATION, role: Role = Role.ACTS, *, assumed: bool = False
) -> Responsibility:
    return Responsibility(code, place, basis, assumed, role)


@pytest.mark.parametrize("rung", [Claim.REPORTED, Claim.CORROBORATED])
@pytest.mark.parametrize("contacted_at", [None, CALL, CALL + timedelta(hours=1)])
def test_a_claim_of_safe_never_closes(rung: Claim, contacted_at: datetime | None) -> None:
    assert hear(Answer.SAFE, rung, contacted_at=contacted_at, last_call_at=CALL) is Heard.SAYS_SAFE


def test_a_contact_closes_only_if_it_came_after_the_call() -> None:
    same_minute = CALL.replace(second=0)
    assert hear(Answer.SAFE, Claim.CONTACT_MADE, contacted_at=same_minute, last_call_at=CALL) is Heard.CLOSES
    before = same_minute - timedelta(seconds=1)
    assert hear(Answer.SAFE, Claim.CONTACT_MADE, contacted_at=before, last_call_at=CALL) is Heard.SAYS_SAFE
    with pytest.raises(InvalidError):
        rules.check_contact_after_call(Contact("x", before, "y"), CALL)


def test_what_is_heard_without_a_case() -> None:
    assert hear(Answer.NEED_HELP, Claim.REPORTED, contacted_at=None, last_call_at=None) is Heard.RAISES
    for answer in (Answer.SAFE, Answer.OTHER):
        assert hear(answer, Claim.CONTACT_MADE, contacted_at=CALL, last_call_at=None) is None


@given(
    st.sampled_from(list(Answer)),
    st.sampled_from(list(Claim)),
    st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=2)),
    st.none() | st.just(CALL),
)
def test_only_contact_made_by_staff_ever_closes(answer: Answer, rung: Claim, after: timedelta | None, last: datetime | None) -> None:
    contacted = None if after is None else CALL + after
    if hear(answer, rung, contacted_at=contacted, last_call_at=last) is Heard.CLOSES:
        assert answer is Answer.SAFE
        assert rung in (Claim.CONTACT_MADE, Claim.VERIFIED)
        assert contacted is not None
        assert contacted >= CALL.replace(second=0)


def test_moves() -> None:
    for state in CaseState:
        for to in CaseState:
            if to in ALLOWED[state]:
                rules.check_move(state, to, CONTACT)
            else:
                with pytest.raises(ConflictError):
                    rules.check_move(state, to, CONTACT)
    for state in CURRENT:
        for to in CLOSED:
            with pytest.raises(InvalidError):
                rules.check_move(state, to, None)
    assert all(not ALLOWED[state] for state in CLOSED)


def test_the_consulate_of_the_province_then_the_embassy() -> None:
    consulate = part("kjri-istanbul", basis=Basis.DISTRICT)
    embassy = part("kbri-ankara")
    assert choose_owner([consulate, embassy], [consulate, embassy]) == Owner("kjri-istanbul")
    informed = part("kbri-ankara", role=Role.INFORMED)
    assert choose_owner([consulate, informed], [consulate, informed]) == Owner("kjri-istanbul")
    whole = [part("kjri-istanbul", "TR", Basis.DISTRICT), part("kbri-ankara", "TR")]
    assert choose_owner(whole, whole) == Owner("kbri-ankara"), "for a whole country the embassy: the consulate has a district only"


def test_who_is_where_no_mission_of_the_incident_acts() -> None:
    turkey, syria = part("kbri-ankara", "TR"), part("kbri-damascus", "SY")
    malaysia = part("kbri-kuala-lumpur", "MY")
    assert choose_owner([malaysia], [turkey]) == Owner("kbri-ankara", is_assumed=True)
    assert choose_owner([], [turkey]) == Owner("kbri-ankara", is_assumed=True)
    assert choose_owner([], [turkey, syria]) == Owner(None), "two may be meant: a person decides"
    assert choose_owner([malaysia], []) == Owner("kbri-kuala-lumpur")
    assert choose_owner([], []) == Owner(None)


PARTS = st.builds(
    part,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["TR", "TR-31", "SY"]),
    st.sampled_from(BASES),
    st.sampled_from(list(Role)),
    assumed=st.booleans(),
)


@given(st.lists(PARTS, max_size=4), st.lists(PARTS, max_size=4))
def test_an_owner_always_acts_somewhere(of_place: list[Responsibility], of_incident: list[Responsibility]) -> None:
    owner = choose_owner(of_place, of_incident)
    acting = {p.mission_code for p in (*of_place, *of_incident) if p.role is Role.ACTS}
    assert owner.mission_code is None or owner.mission_code in acting
