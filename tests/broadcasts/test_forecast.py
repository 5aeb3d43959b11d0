"""The forecast: what it promises for any counts and rates, and some figures by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.broadcasts.forecast import Bottleneck, Forecast, Limit, Load, Rates, cost_of, forecast, is_late, merged

COUNTRIES = ("ID", "TR", "AE")
rate = st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 100.0, 2000.0])
known_rate = st.floats(0.1, 5000)
loads = st.builds(
    Load,
    channel=st.sampled_from(["sms", "push", "whatsapp"]),
    account=st.sampled_from(["twilio", "other"]),
    sender=st.sampled_from(["a", "b"]),
    number_country=st.sampled_from(COUNTRIES),
    people=st.integers(0, 5000),
    segments=st.integers(1, 4),
    handed_over=st.integers(0, 3000),
    country_per_second=st.none() | rate,
    price=st.none() | st.decimals(0, 1, places=4),
    currency=st.just("USD"),
).map(lambda load: replace(load, handed_over=min(load.handed_over, load.people)))
many = st.lists(loads, max_size=8)
rates = st.builds(Rates, account_per_second=rate, sender_per_second=rate, country_per_second=rate, own_per_second=known_rate)


def sms(country: str = "TR", people: int = 100, **more: object) -> Load:
    return Load(channel="sms", account="twilio", sender="+1", number_country=country, people=people, **more)  # type: ignore[arg-type]


def times(found: Forecast) -> tuple[float, float, float]:
    return found.seconds_50, found.seconds_95, found.seconds_100


def near(one: float, other: float) -> bool:
    return one <= other + 1e-6 * max(1.0, abs(other))


@given(many, rates, st.none() | known_rate)
def test_half_comes_before_nearly_all_before_all(some: list[Load], pace: Rates, measured: float | None) -> None:
    found = forecast(some, pace, measured_per_second=measured)
    half, most, everybody = times(found)
    assert half >= 0
    assert near(half, most)
    assert near(most, everybody)
    assert (found.bottleneck is None) == (everybody == 0) == (found.people == found.handed_over)


@given(many, rates)
def test_sums(some: list[Load], pace: Rates) -> None:
    found = forecast(some, pace)
    assert found.people == sum(load.people for load in some)
    assert found.handed_over == sum(load.handed_over for load in some)
    assert found.segments == sum(load.people * load.segments for load in some if load.channel == "sms")
    charged = [load for load in some if load.price is not None]
    assert sum(found.cost.amounts.values(), Decimal()) == sum((load.price or Decimal()) * load.people * load.segments for load in charged)
    unknown = [load for load in some if load.price is None and load.channel != "push"]
    assert found.cost.unpriced_segments == sum(load.people * load.segments for load in unknown)


@given(many, rates, st.sampled_from(["account_per_second", "sender_per_second", "country_per_second", "own_per_second"]), st.floats(1, 50))
def test_a_quicker_limit_never_makes_it_later(some: list[Load], pace: Rates, name: str, factor: float) -> None:
    quicker = replace(pace, **{name: getattr(pace, name) * factor})
    assert all(map(near, times(forecast(some, quicker)), times(forecast(some, pace))))


@given(many, rates, st.integers(0, 7), st.integers(1, 5000))
def test_more_people_never_end_sooner(some: list[Load], pace: Rates, at: int, more: int) -> None:
    if not some:
        return
    at %= len(some)
    grown = [replace(load, people=load.people + more) if place == at else load for place, load in enumerate(some)]
    assert near(forecast(some, pace).seconds_100, forecast(grown, pace).seconds_100)


@given(many, rates, st.integers(2, 9))
def test_so_many_times_the_people_take_so_many_times_as_long(some: list[Load], pace: Rates, times_over: int) -> None:
    grown = [replace(load, people=load.people * times_over, handed_over=load.handed_over * times_over) for load in some]
    small, large = forecast(some, pace), forecast(grown, pace)
    assert times(large) == pytest.approx([seconds * times_over for seconds in times(small)])


@given(many, rates, st.integers(1, 5000))
def test_what_is_handed_over_is_not_waited_for(some: list[Load], pace: Rates, more: int) -> None:
    on = [replace(load, handed_over=min(load.people, load.handed_over + more)) for load in some]
    assert near(forecast(on, pace).seconds_100, forecast(some, pace).seconds_100)


@given(many, rates)
def test_merging_changes_nothing(some: list[Load], pace: Rates) -> None:
    assert times(forecast(merged(some), pace)) == pytest.approx(times(forecast(some, pace)))


@given(many, rates)
def test_every_limit_is_kept(some: list[Load], pace: Rates) -> None:
    """However the loads share it, no limit hands over more than it can before the end."""
    found = forecast(some, pace)
    waiting = [load for load in some if load.waiting]
    for account in {load.account for load in waiting}:
        segments = sum(load.waiting * load.segments for load in waiting if load.account == account)
        assert not pace.account_per_second or near(segments / pace.account_per_second, found.seconds_100)


def test_half_a_million_by_one_long_code_take_five_point_eight_days() -> None:
    found = forecast([sms(people=500_000)], Rates(sender_per_second=1, account_per_second=2000))
    assert found.seconds_100 / 86_400 == pytest.approx(5.79, abs=0.01)
    assert found.bottleneck == Bottleneck(Limit.SENDER, "+1", "", 1, 500_000)


def test_one_slow_country_holds_up_its_own_people_only() -> None:
    slow = sms("AE", 10, country_per_second=1)
    found = forecast([sms("TR", 990, country_per_second=99), slow], Rates())
    assert times(found) == pytest.approx((5.0, 9.5, 10.0))
    found = forecast([sms("TR", 990, country_per_second=99), replace(slow, people=100)], Rates())
    assert found.seconds_100 == 100
    assert found.seconds_50 < 6
    assert found.bottleneck == Bottleneck(Limit.COUNTRY, "+1", "AE", 1, 100)


def test_segments_count_and_not_messages() -> None:
    assert forecast([sms(people=100, segments=3)], Rates(account_per_second=10)).seconds_100 == 30


def test_while_sending_what_was_measured_counts_where_it_is_slower() -> None:
    load = sms(people=1000, handed_over=600)
    found = forecast([load], Rates(account_per_second=100), measured_per_second=20)
    assert times(found) == pytest.approx((0, 17.5, 20))
    assert found.bottleneck is not None
    assert found.bottleneck.limit is Limit.MEASURED
    assert forecast([load], Rates(account_per_second=10), measured_per_second=20).seconds_100 == 40


def test_nobody_waits_for_nothing() -> None:
    assert times(forecast([], Rates())) == (0, 0, 0)
    assert times(forecast([sms(people=5, handed_over=5)], Rates(account_per_second=1))) == (0, 0, 0)


def test_a_price_that_is_not_known_is_never_nothing() -> None:
    priced = sms("HK", 10, segments=2, price=Decimal("0.05"), currency="USD")
    push = Load(channel="push", account="fcm", sender="fcm", number_country="", people=7)
    cost = cost_of([priced, sms("TR", 4), push])
    assert (cost.amounts, cost.unpriced_segments) == ({"USD": Decimal("1.00")}, 4)


def test_late_is_when_the_validity_ends_before_nearly_all_have_it() -> None:
    found = forecast([sms(people=1000)], Rates(account_per_second=1))
    assert is_late(found, 900)
    assert not is_late(found, 960)
    assert not is_late(found, None)
