"""Who is inside: by code, by shape, by list; and who never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import column, func, insert, select, table, text
from sqlalchemy.orm import Session

from alerts.citizens.models import Citizen
from alerts.citizens.queries import in_areas, register_counts
from alerts.citizens.rules import CitizenClass
from alerts.kit.crypto import Keyring
from alerts.places import AreaSpec, contains
from tests.factories.citizens import make_citizen

TURKIYE = AreaSpec.country("TR")
HATAY = AreaSpec.province("TR-31")
AROUND_ANTAKYA = AreaSpec.circle(36.2, 36.16, 30)
DAY = date(2023, 2, 6)

Make = Callable[..., Citizen]


@pytest.fixture
def make(session: Session, keyring: Keyring) -> Make:
    return lambda **fields: make_citizen(session, keyring, **fields)


def inside(session: Session, *areas: AreaSpec, **options: Any) -> dict[str, str]:
    found = session.execute(in_areas(session, areas, **options)).all()
    ids = dict(session.execute(select(Citizen.id, Citizen.external_id)).all())
    return {str(ids[row.citizen_id]): row.reason for row in found}


def test_by_country_province_and_shape_with_the_surest_reason(session: Session, make: Make) -> None:
    make(external_id="ankara", province_code="TR-06")
    make(external_id="country-only")
    make(external_id="hatay", province_code="TR-31")
    make(external_id="point", province_code="TR-31", lat=36.21, lon=36.2)
    make(external_id="syria", country_iso2="SY", province_code="SY-HL")
    assert inside(session, TURKIYE) == {"ankara": "in_country", "country-only": "in_country", "hatay": "in_country", "point": "in_country"}
    assert inside(session, HATAY) == {"hatay": "in_province", "point": "in_province"}
    assert inside(session, AROUND_ANTAKYA) == {"hatay": "province_town_in_shape", "point": "in_shape"}
    assert inside(session, TURKIYE, HATAY, AROUND_ANTAKYA) == {
        "ankara": "in_country", "country-only": "in_country", "hatay": "in_province", "point": "in_shape",
    }  # fmt: skip
    assert inside(session) == {}


def test_a_point_outside_the_shape_is_outside_though_the_town_is_inside(session: Session, make: Make) -> None:
    make(external_id="far", province_code="TR-31", lat=36.9, lon=36.2)
    assert inside(session, AROUND_ANTAKYA) == {}


def test_contingents_seafarers_the_dead_and_the_merged_are_left_out(session: Session, make: Make) -> None:
    kept = make(external_id="kept", province_code="TR-31")
    make(external_id="soldier", province_code="TR-31", class_=CitizenClass.CONTINGENT)
    make(external_id="sailor", province_code="TR-31", class_=CitizenClass.SEAFARER)
    make(external_id="dead", province_code="TR-31", died_at=datetime(2023, 2, 6, tzinfo=UTC))
    make(external_id="double", province_code="TR-31", merged_into=kept.id)
    make(external_id="silent", province_code="TR-31", opted_out_at=datetime(2023, 2, 6, tzinfo=UTC))
    expected = {"kept", "silent"}
    for area in (TURKIYE, HATAY, AROUND_ANTAKYA):
        assert set(inside(session, area)) == expected, "who opted out is there, and counts as unreachable"


def test_people_at_sea_come_by_list_and_contingents_not_even_so(session: Session, make: Make) -> None:
    make(external_id="ashore")
    sailor = make(external_id="sailor", class_=CitizenClass.SEAFARER, country_iso2="SG")
    soldier = make(external_id="soldier", class_=CitizenClass.CONTINGENT)
    gone = make(external_id="gone", class_=CitizenClass.TRAVELLER, stay_until=DAY - timedelta(days=30))
    listed = select(Citizen.id).where(Citizen.id.in_([sailor.id, soldier.id, gone.id]))
    assert inside(session, TURKIYE, on_lists=listed, on=DAY) == {"ashore": "in_country", "sailor": "on_list", "gone": "on_list"}
    assert inside(session, on_lists=listed) == {"sailor": "on_list", "gone": "on_list"}


@pytest.mark.parametrize(
    ("stay_from", "stay_until", "is_there"),
    [
        (None, None, True),
        (-5, 5, True),
        (-5, 0, True),
        (-5, -1, True),
        (-5, -2, False),
        (1, 5, True),
        (2, 5, False),
        (None, -9, False),
        (9, None, False),
    ],
)
def test_a_stay_must_include_the_day_give_or_take_one(
    session: Session, make: Make, stay_from: int | None, stay_until: int | None, is_there: bool
) -> None:
    stay = {name: DAY + timedelta(days=days) for name, days in (("stay_from", stay_from), ("stay_until", stay_until)) if days is not None}
    make(external_id="traveller", class_=CitizenClass.TRAVELLER, **stay)
    assert bool(inside(session, TURKIYE, on=DAY)) == is_there


def test_today_is_the_databases_day(session: Session, make: Make) -> None:
    today = session.scalar(select(func.current_date()))
    make(external_id="here", class_=CitizenClass.TRAVELLER, stay_until=today)
    make(external_id="gone", class_=CitizenClass.TRAVELLER, stay_until=today - timedelta(days=3))
    assert set(inside(session, TURKIYE)) == {"here"}


def test_territories_are_not_inside_the_state_they_belong_to(session: Session, make: Make) -> None:
    make(external_id="hong-kong", country_iso2="HK")
    assert inside(session, AreaSpec.country("CN")) == {}
    assert set(inside(session, AreaSpec.country("HK"))) == {"hong-kong"}


def test_across_the_antimeridian(session: Session, make: Make) -> None:
    make(external_id="west", country_iso2="FJ", lat=-17.0, lon=179.5)
    make(external_id="east", country_iso2="FJ", lat=-17.0, lon=-179.5)
    make(external_id="suva", country_iso2="FJ", lat=-18.14, lon=178.42)
    assert set(inside(session, AreaSpec.circle(-17, 180, 60))) == {"west", "east"}
    assert set(inside(session, AreaSpec.polygon([[-18, 179], [-18, -179], [-16, -179], [-16, 179], [-18, 179]]))) == {"west", "east"}


def test_it_can_be_inserted_without_passing_through_python(session: Session, make: Make) -> None:
    make(external_id="a", province_code="TR-31")
    make(external_id="b", province_code="TR-31", lat=36.2, lon=36.16)
    session.execute(text("CREATE TEMP TABLE frozen (citizen_id uuid PRIMARY KEY, reason text) ON COMMIT DROP"))
    target = table("frozen", column("citizen_id"), column("reason"))
    session.execute(insert(target).from_select(["citizen_id", "reason"], in_areas(session, [TURKIYE, HATAY, AROUND_ANTAKYA])))
    assert session.scalar(select(func.count()).select_from(target)) == 2


def test_the_register_counts_every_class_with_the_age_of_its_word(session: Session, make: Make) -> None:
    old, new = datetime(2021, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
    make(province_code="TR-31", place_as_of=old)
    make(province_code="TR-31", place_as_of=new)
    make(province_code="TR-31")
    make(province_code="TR-31", class_=CitizenClass.CONTINGENT, place_as_of=new)
    make(province_code="TR-06", place_as_of=new)
    make(place_as_of=new)
    make(lat=39.9, lon=32.8)
    make(country_iso2="SY")
    counts = register_counts(session, [HATAY])
    assert (counts.total, counts.country_only, counts.upper_bound) == (4, 2, 6), "a point without a province is no province"
    resident = counts.by_class["resident"]
    assert (resident.registered, resident.place_as_of_oldest, resident.place_as_of_newest, resident.undated) == (3, old, new, 1)
    assert counts.by_class["contingent"].registered == 1
    whole = register_counts(session, [TURKIYE])
    assert (whole.total, whole.country_only) == (7, 0)
    shape = register_counts(session, [AROUND_ANTAKYA])
    assert (shape.total, shape.country_only) == (4, 1)
    nobody = register_counts(session, [])
    assert (nobody.total, nobody.by_class) == (0, {})


points = st.lists(st.tuples(st.floats(-89, 89), st.floats(-180, 180)), min_size=1, max_size=8)


@given(points, st.floats(-80, 80), st.floats(-180, 180), st.floats(1, 5000))
@hypothesis_settings(max_examples=25)
def test_index_and_shape_agree_with_the_shape_alone(
    session: Session, keyring: Keyring, people: list[tuple[float, float]], lat: float, lon: float, radius: float
) -> None:
    area = AreaSpec.circle(lat, lon, radius)
    with session.begin_nested() as savepoint:
        made = {make_citizen(session, keyring, phones=(), lat=at[0], lon=at[1]).id: at for at in people}
        found = {row.citizen_id for row in session.execute(in_areas(session, [area]))}
        assert found == {citizen_id for citizen_id, at in made.items() if contains(area, *at)}
        savepoint.rollback()
