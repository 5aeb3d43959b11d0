"""Who answers for a place: district before accreditation, cover, territories, nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.missions.rules import (
    Basis,
    Holding,
    MissionFacts,
    MissionKind,
    MissionState,
    Network,
    Responsibility,
    Role,
    responsibilities,
)
from alerts.places import country_codes, provinces


def facts(code: str, country: str | None, state: MissionState = MissionState.OPEN, covered_by: str | None = None) -> MissionFacts:
    return MissionFacts(code, MissionKind(code.partition("-")[0]), country, state, covered_by)


def network(*missions: MissionFacts, accredited: dict[str, str] | None = None, districts: dict[str, str] | None = None) -> Network:
    return Network(
        {mission.code: mission for mission in missions},
        {country: [Holding(code)] for country, code in (accredited or {}).items()},
        {place: [Holding(code, is_assumed=True)] for place, code in (districts or {}).items()},
    )


TWO = network(
    facts("kbri-ankara", "TR"), facts("kjri-istanbul", "TR"), accredited={"TR": "kbri-ankara"}, districts={"TR-34": "kjri-istanbul"}
)


def test_a_consulate_acts_in_its_district_and_the_embassy_is_informed() -> None:
    assert responsibilities(TWO, "TR-34") == [
        Responsibility("kjri-istanbul", "TR-34", Basis.DISTRICT, is_assumed=True, role=Role.ACTS),
        Responsibility("kbri-ankara", "TR-34", Basis.ACCREDITATION, is_assumed=False, role=Role.INFORMED),
    ]


def test_elsewhere_the_embassy_acts_alone() -> None:
    assert responsibilities(TWO, "TR-31") == [Responsibility("kbri-ankara", "TR-31", Basis.ACCREDITATION, is_assumed=False)]


def test_for_a_whole_country_both_act() -> None:
    found = responsibilities(TWO, "TR")
    assert {(part.mission_code, part.role) for part in found} == {("kjri-istanbul", Role.ACTS), ("kbri-ankara", Role.ACTS)}


def test_an_accredited_mission_answers_for_a_country_without_one() -> None:
    asia = network(facts("kbri-dhaka", "BD"), accredited={"BD": "kbri-dhaka", "NP": "kbri-dhaka"})
    assert [part.mission_code for part in responsibilities(asia, "NP-P3")] == ["kbri-dhaka"]


def test_a_territory_falls_to_the_embassy_of_its_state_as_an_assumption() -> None:
    china = network(
        facts("kbri-beijing", "CN"), facts("kjri-hong-kong", "HK"), accredited={"CN": "kbri-beijing"}, districts={"HK": "kjri-hong-kong"}
    )
    acting, informed = responsibilities(china, "HK")
    assert (acting.mission_code, acting.role) == ("kjri-hong-kong", Role.ACTS)
    assert (informed.mission_code, informed.role, informed.is_assumed) == ("kbri-beijing", Role.INFORMED, True)
    assert [part.mission_code for part in responsibilities(china, "MO")] == ["kbri-beijing"]


def test_a_suspended_mission_is_covered_and_the_answer_says_for_whom() -> None:
    arabia = network(
        facts("kbri-muscat", "OM"),
        facts("kbri-sanaa", "YE", MissionState.SUSPENDED, "kbri-muscat"),
        accredited={"OM": "kbri-muscat", "YE": "kbri-muscat"},
    )
    assert responsibilities(arabia, "YE") == [Responsibility("kbri-muscat", "YE", Basis.COVER, is_assumed=False, covers="kbri-sanaa")]
    assert responsibilities(arabia, "OM")[0].covers is None


def test_cover_is_handed_on_and_a_circle_of_cover_is_nobody() -> None:
    chain = network(
        facts("kbri-a", "SY", MissionState.SUSPENDED, "kbri-b"),
        facts("kbri-b", "LB", MissionState.SUSPENDED, "kbri-c"),
        facts("kbri-c", "JO"),
        accredited={"SY": "kbri-a"},
    )
    assert [(part.mission_code, part.covers) for part in responsibilities(chain, "SY")] == [("kbri-c", "kbri-a")]
    circle = network(
        facts("kbri-a", "SY", MissionState.SUSPENDED, "kbri-b"),
        facts("kbri-b", "LB", MissionState.SUSPENDED, "kbri-a"),
        accredited={"SY": "kbri-a"},
    )
    assert responsibilities(circle, "SY") == []


def test_a_relocated_mission_still_acts() -> None:
    sudan = network(facts("kbri-khartoum", "SD", MissionState.RELOCATED), accredited={"SD": "kbri-khartoum"})
    assert [part.mission_code for part in responsibilities(sudan, "SD")] == ["kbri-khartoum"]


def test_permanent_missions_are_never_asked() -> None:
    assert responsibilities(network(facts("ptri-geneva", "CH"), accredited={"CH": "ptri-geneva"}), "CH") == []


def test_where_nothing_is_known_the_answer_is_nobody() -> None:
    assert responsibilities(TWO, "IL") == []


@given(
    st.dictionaries(
        st.sampled_from(["kbri-a", "kbri-b", "kjri-c", "ptri-d"]),
        st.tuples(
            st.sampled_from(["TR", "SY", "HK", "CN"]), st.sampled_from(MissionState), st.sampled_from(["kbri-a", "kbri-b", "kjri-c"])
        ),
    ),
    st.dictionaries(st.sampled_from(["TR", "SY", "CN"]), st.sampled_from(["kbri-a", "kbri-b", "ptri-d"])),
    st.dictionaries(st.sampled_from(["TR-34", "HK", "SY-HL"]), st.sampled_from(["kjri-c", "kbri-b"])),
    st.sampled_from(["TR", "TR-34", "SY-HL", "HK", "CN", "IL"]),
)
def test_whoever_answers_works_and_is_named_once(missions: dict, accredited: dict, districts: dict, place: str) -> None:
    known = network(*(facts(code, *rest) for code, rest in missions.items()), accredited=accredited, districts=districts)
    found = responsibilities(known, place)
    assert len({part.mission_code for part in found}) == len(found)
    for part in found:
        mission = known.missions[part.mission_code]
        assert mission.state is not MissionState.SUSPENDED
        assert mission.kind is not MissionKind.PTRI
        assert (part.basis is Basis.COVER) == (part.covers is not None)
    assert [part.role for part in found] == sorted((part.role for part in found), key=list(Role).index)


@pytest.mark.parametrize("place", ["", "T", "TR-", "xx", "TR-999"])
def test_a_code_that_nobody_knows_breaks_nothing(place: str) -> None:
    assert place not in country_codes() | set(provinces())
    assert isinstance(responsibilities(TWO, place), list)
