"""The pace holds in sum: over three buckets at once, over all workers, and a 429 slows nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from alerts.deliveries.buckets import COST_MAX, Grant, Lane, Limit, OwnShare, Rates
from alerts.deliveries.pacing import Pacer
from alerts.deliveries.shared import Shared
from alerts.settings import Settings
from tests.support.pace_judge import until_granted, worst_of
from tests.support.servers import Servers

BURST = 0.25
TURKEY, IRAQ = Lane("account", "sender", "TR"), Lane("account", "sender", "IQ")
WORKERS = 3


def lane_of(number_country: str = "TR", /, **rates: float) -> Lane:
    return Lane("account", "sender", number_country, Rates(**rates))


# -- one worker alone: pure ---------------------------------------------------------------------------------------------------

ASKED = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 128), st.integers(1, COST_MAX), st.integers(0, 1)), min_size=1, max_size=60)
SOME_RATE = st.one_of(st.just(0.0), st.floats(0.2, 5000))


def most_over(grants: list[tuple[float, int]], rate: float) -> float:
    """By how much the most generous interval exceeds what the rate gives in it."""
    worst = 0.0
    for i, (start, _) in enumerate(grants):
        total = 0
        for at, count in grants[i:]:
            total += count
            worst = max(worst, total - rate * (at - start))
    return worst


@given(asked=ASKED, account=SOME_RATE, sender=SOME_RATE, country=SOME_RATE)
def test_no_interval_exceeds_any_rate_by_more_than_a_burst(
    asked: list[tuple[float, int, int, int]], account: float, sender: float, country: float
) -> None:
    own = OwnShare(0.0, burst_seconds=BURST, regain_seconds=60)
    lanes = [lane_of(name, account=account, sender=sender, country=country) for name in ("TR", "IQ")]
    now, granted = 0.0, []
    for pause, wanted, cost, which in asked:
        now += pause
        grant = own.take(lanes[which], wanted, cost=cost, share=1.0, slow=None, now=now)
        assert 0 <= grant.count <= wanted
        assert (grant.count > 0) == (grant.wait_seconds == 0)
        granted.append((now, grant.count * cost, which))
    total = [(at, count) for at, count, _ in granted]
    for rate, taken in ((account, total), (sender, total), *((country, [(a, c) for a, c, w in granted if w == which]) for which in (0, 1))):
        if rate:
            assert most_over(taken, rate) <= max(rate * BURST, COST_MAX) + 1e-3


@given(wanted=st.integers(1, 128), cost=st.integers(1, COST_MAX), rate=st.floats(0.2, 5000))
def test_whoever_waits_as_told_gets_something(wanted: int, cost: int, rate: float) -> None:
    own = OwnShare(0.0, burst_seconds=BURST, regain_seconds=60)
    lane, now = lane_of(sender=rate), 0.0
    for _ in range(5):
        grant = own.take(lane, wanted, cost=cost, share=1.0, slow=None, now=now)
        if not grant.count:
            assert grant.limit is Limit.SENDER
            now += grant.wait_seconds + 1e-6
            assert own.take(lane, wanted, cost=cost, share=1.0, slow=None, now=now).count > 0


def test_what_goes_ahead_of_the_queue_is_paid_for_by_it() -> None:
    own, lane = OwnShare(0.0, burst_seconds=BURST, regain_seconds=60), lane_of(sender=1)
    own.charge(lane, cost=2, share=1.0, now=10.0)
    assert own.take(lane, 1, cost=1, share=1.0, slow=None, now=11.9).count == 0
    assert own.take(lane, 1, cost=1, share=1.0, slow=None, now=12.0).count == 1


def test_an_unlimited_lane_gets_what_it_wants() -> None:
    own = OwnShare(0.0, burst_seconds=BURST, regain_seconds=60)
    assert own.take(lane_of(), 128, cost=3, share=0.25, slow=None, now=0.0) == Grant(128, is_shared=False)


# -- one true Valkey ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pace_settings(make_settings: Callable[..., Settings], servers: Servers) -> Callable[..., Settings]:
    prefix = f"{servers.redis_prefix}pace-{uuid4().hex}:"
    return lambda **more: make_settings("", **({"SIAGA_REDIS_PREFIX": prefix} | more))


@pytest.fixture
def make_pacer(pace_settings: Callable[..., Settings]) -> Iterator[Callable[..., Pacer]]:
    """Pacers without a thread: each is one worker process, as far as Valkey can tell."""
    links = []

    def make(**more: str) -> Pacer:
        settings = pace_settings(**more)
        links.append(Shared(settings))
        return Pacer(settings, links[-1])

    yield make
    for link in links:
        link.close()


def test_tokens_are_taken_from_three_buckets_or_from_none(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    client, key = pacer._shared.client, pacer._shared.key
    full = lane_of(account=1000, sender=100, country=1)
    assert until_granted(pacer, full, 50).count == 1, "the narrowest bucket decides"
    assert pacer.take(full, 50) == Grant(0, pytest.approx(1.0, abs=0.99), Limit.COUNTRY)
    before = {name: client.get(key(*name)) for name in (("account", "account"), ("sender", "account", "sender"))}
    for _ in range(20):
        assert pacer.take(full, 50).count == 0
    assert before == {name: client.get(key(*name)) for name in before}, "nothing is taken where another bucket refuses"
    assert until_granted(pacer, lane_of("IQ", account=1000, sender=100, country=50), 50).count >= 1


def test_a_long_message_fits_a_slow_sender_and_is_paid_for(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    lane = lane_of(sender=20)
    assert until_granted(pacer, lane, 5, cost=10).count == 1, "ten segments are more than the burst of five"
    assert 0.3 < pacer.take(lane, 5, cost=10).wait_seconds <= 0.5
    with pytest.raises(ValueError, match="segments"):
        pacer.take(lane, 1, cost=COST_MAX + 1)


@pytest.mark.parametrize("rate", [3.0, 7.0, 0.7, 11.3, 99.9])
def test_a_rate_that_no_number_can_hold_exactly_is_reached_too(make_pacer: Callable[..., Pacer], rate: float) -> None:
    pacer = make_pacer()
    lane = lane_of(sender=rate)
    pacer.take(lane, 64)
    client, key = pacer._shared.client, pacer._shared.key
    for _ in range(3):
        client.set(key("opened"), 1)
        client.delete(key("sender", "account", "sender"))
        assert pacer.take(lane, 64).count == max(1, int(rate * BURST))


def test_what_was_not_used_goes_back(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    lane = lane_of(account=4, sender=4)
    assert until_granted(pacer, lane, 1).count == 1
    assert pacer.take(lane, 1).count == 0
    pacer.give_back(lane, 1)
    assert pacer.take(lane, 1).count == 1
    pacer.give_back(lane, 0)


def test_settings_give_the_rates_that_the_caller_leaves_open(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer(SIAGA_PACE_SENDER_PER_SECOND="0.5", SIAGA_PACE_COUNTRY_PER_SECOND="0.5")
    assert pacer.take(TURKEY, 10).count == 0
    assert pacer.take(lane_of(sender=0, country=0), 10).count == 10


def test_several_workers_share_one_rate(make_pacer: Callable[..., Pacer]) -> None:
    pacers = [make_pacer() for _ in range(WORKERS)]
    lane, log = lane_of(sender=2000), []
    while len(log) < 60:
        for pacer in pacers:
            asked = time.monotonic()
            grant = pacer.take(lane, 64)
            if grant.count:
                log.append((asked, time.monotonic(), grant.count, 1))
    assert worst_of(log, 2000) <= 2000 * BURST + 1
    assert {pacer._shared.workers for pacer in pacers} == {WORKERS}


def test_a_server_that_forgot_everything_gives_no_second_burst(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    lane = lane_of(sender=100)
    until_granted(pacer, lane, 20)
    client = pacer._shared.client
    client.delete(*client.scan_iter(f"{pacer._shared.key()}*"))
    assert pacer.take(lane, 20).count == 0


def test_a_server_whose_clock_was_set_back_an_hour_stops_nothing(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    lane = lane_of(sender=100)
    until_granted(pacer, lane, 20)
    hour_ahead = str((time.time() + 3600) * 1e6)
    client, key = pacer._shared.client, pacer._shared.key
    client.set(key("sender", "account", "sender"), hour_ahead)
    assert pacer.take(lane, 20).wait_seconds <= COST_MAX / 100
    client.set(key("opened"), f"{(time.time() + 3600) * 1e6:.0f}")
    assert pacer.take(lane, 20).is_shared is False
    assert float(client.get(key("opened"))) / 1e6 - time.time() < 10


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_an_hour_off_gets_no_more_and_no_less(make_pacer: Callable[..., Pacer], hours: int) -> None:
    pacer, lane = make_pacer(), lane_of(sender=1)
    until_granted(pacer, lane, 1)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
        refused = make_pacer().take(lane, 1)
        pacer.shrink(IRAQ, 30.0)
    assert (refused.count, refused.limit) == (0, Limit.SENDER)
    assert refused.wait_seconds <= 1
    assert 20 < make_pacer().take(IRAQ, 1).wait_seconds <= 40


# -- 429 ----------------------------------------------------------------------------------------------------------------------------


def open_again(pacer: Pacer, lane: Lane, *, seconds_ago: float = 0.0) -> None:
    """As if the Retry-After had passed so long ago."""
    key = pacer._shared.key("slow", lane.account, lane.sender, lane.number_country)
    pacer._shared.client.hset(key, "closed_until", f"{(time.time() - seconds_ago) * 1e6:.0f}")


def factor_of(pacer: Pacer, lane: Lane) -> float:
    key = pacer._shared.key("slow", lane.account, lane.sender, lane.number_country)
    return float(pacer._shared.client.hget(key, "factor") or 1)


def test_a_429_shuts_one_country_for_all_workers_and_no_other(make_pacer: Callable[..., Pacer]) -> None:
    one, other = make_pacer(), make_pacer()
    until_granted(one, TURKEY, 64)
    one.shrink(TURKEY, 30.0)
    for pacer in (one, other):
        refused = pacer.take(TURKEY, 64)
        assert (refused.count, refused.limit) == (0, Limit.RETRY_AFTER)
        assert 20 < refused.wait_seconds <= 31
        assert pacer.take(IRAQ, 64).count == 64
    assert other.take(Lane("account", "second", "TR"), 64).count == 64


def test_a_full_sender_is_shut_in_every_country_for_all_workers(make_pacer: Callable[..., Pacer]) -> None:
    one, other = make_pacer(), make_pacer()
    until_granted(one, TURKEY, 64)
    one.shut(TURKEY, 30.0)
    one.shut(IRAQ, 10.0)
    for pacer in (one, other):
        refused = [pacer.take(lane, 64) for lane in (TURKEY, IRAQ)]
        assert [(grant.count, grant.limit) for grant in refused] == [(0, Limit.RETRY_AFTER)] * 2
        assert all(20 < grant.wait_seconds <= 30 for grant in refused)
        assert pacer.take(Lane("account", "second", "TR"), 64).count == 64
    one._shared.client.delete(one._shared.key("shut", "account", "sender"))
    assert other.take(IRAQ, 64).count == 64, "when it is over, at the rate that it had"


def test_many_429s_of_one_moment_halve_once_and_the_next_ones_again(make_pacer: Callable[..., Pacer]) -> None:
    pacers = [make_pacer() for _ in range(WORKERS)]
    lane = lane_of(country=1000)
    for pacer in pacers * 5:
        pacer.shrink(lane, 5.0)
    assert factor_of(pacers[0], lane) == 0.5
    open_again(pacers[0], lane)
    make_pacer().shrink(lane, None)
    assert factor_of(pacers[0], lane) == pytest.approx(0.25, abs=0.01)
    assert 0 < pacers[2].take(lane, 100).wait_seconds <= 2, "without a Retry-After it is shut for a second"


def test_a_slowed_country_grows_back_evenly(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer(SIAGA_PACE_REGAIN_SECONDS="100")
    lane, client = lane_of(country=1000), pacer._shared.client
    client.set(pacer._shared.key("opened"), 1)
    pacer.shrink(lane, 5.0)
    counts = []
    for seconds in (1, 20, 40, 60):
        open_again(pacer, lane, seconds_ago=seconds)
        client.delete(pacer._shared.key("country", "account", "sender", "TR"))
        counts.append(pacer.take(lane, 1000).count)
    assert counts == [pytest.approx(1000 * BURST * share, abs=5) for share in (0.51, 0.70, 0.90, 1.0)]


def test_an_unlimited_country_is_slowed_to_half_of_what_it_did(make_pacer: Callable[..., Pacer]) -> None:
    pacer = make_pacer()
    for _ in range(4):
        assert pacer.take(TURKEY, 100).count == 100
    pacer.shrink(TURKEY, 1.0)
    open_again(pacer, TURKEY, seconds_ago=0.5)
    assert 0 < until_granted(pacer, TURKEY, 1000).count <= 400 * BURST, "at most a burst of the 400 that it did within a second"
