"""Windows go to the sender that does better, come back slowly, and stay where all are bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deliveries.choosing import WEIGHT_MIN, Notes, Standing, moved, next_turn, parts_of, quality
from alerts.deliveries.routing import KNOWN, Candidate, Router
from alerts.deliveries.shared import Shared
from alerts.settings import Routing, Settings
from tests.support.servers import Servers

RULES = Routing().model_dump(exclude={"sync_seconds"})
WELL, FAILING, SLOW = (1.0, 0.3), (0.0, 15.0), (1.0, 30.0)
WINDOWS_PER_SECOND = 4
WINDOW = 64


class Crisis:
    """Two senders, a fan-out that sends a few windows a second, and each window noted: what the router does, on a clock of our own."""

    def __init__(self) -> None:
        self.standings = {"first": Standing(), "second": Standing()}
        self.credits: dict[str, float] = {}

    def run(self, seconds: int, **does: tuple[float, float]) -> dict[str, float]:
        """So many seconds in which senders answer a share of messages well, in so much time; who had which share of the last ten."""
        turns: list[str] = []
        for _ in range(seconds):
            news: dict[str, Notes] = {}
            for _ in range(WINDOWS_PER_SECOND):
                parts = parts_of({"first": 0.5, "second": 0.5}, {name: each.weight for name, each in self.standings.items()})
                name, self.credits = next_turn(parts, self.credits)
                good, latency = does[name]
                seen = Notes(ok=WINDOW * good, unknown=WINDOW * (1 - good), seconds=WINDOW * latency)
                news[name] = news.get(name, Notes()) + seen
                turns.append(name)
            self.standings = moved(self.standings, news, elapsed=1.0, **RULES)
        last = Counter(turns[-10 * WINDOWS_PER_SECOND :])
        return {name: last[name] / min(len(turns), 10 * WINDOWS_PER_SECOND) for name in self.standings}


@pytest.mark.parametrize("trouble", [FAILING, SLOW, (0.3, 1.0)])
def test_a_sender_in_trouble_has_lost_its_windows_within_a_minute(trouble: tuple[float, float]) -> None:
    crisis = Crisis()
    assert crisis.run(60, first=WELL, second=WELL)["first"] == pytest.approx(0.5, abs=0.05)
    assert crisis.run(60, first=trouble, second=WELL)["first"] <= 0.10


def test_it_comes_back_slowly() -> None:
    crisis = Crisis()
    crisis.run(120, first=FAILING, second=WELL)
    shares = [crisis.run(30, first=WELL, second=WELL)["first"] for _ in range(14)]
    assert shares[0] <= 0.2
    assert shares[-1] == pytest.approx(0.5, abs=0.05)
    assert all(later >= earlier - 0.05 for earlier, later in pairwise(shares))


def test_nothing_moves_while_all_are_bad_and_the_first_to_recover_gets_the_windows() -> None:
    crisis = Crisis()
    crisis.run(30, first=(0.8, 0.3), second=WELL)
    before = {name: each.weight for name, each in crisis.standings.items()}
    crisis.run(5, first=FAILING, second=FAILING)
    during = {name: each.weight for name, each in crisis.standings.items()}
    crisis.run(300, first=FAILING, second=FAILING)
    assert {name: each.weight for name, each in crisis.standings.items()} == during
    assert during["second"] == before["second"]
    assert crisis.run(120, first=FAILING, second=WELL)["second"] >= 0.9


def test_one_bad_window_after_a_long_lull_does_not_take_everything_away() -> None:
    after = moved({"first": Standing(), "second": Standing()}, {"first": Notes(unknown=64, seconds=900)}, elapsed=3600, **RULES)
    assert after["first"].weight > 0.4


NOTES = st.builds(Notes, *[st.floats(0, 1000)] * 3, st.floats(0, 1e5))
STANDING = st.builds(Standing, NOTES, st.floats(WEIGHT_MIN, 1))


@given(
    standings=st.dictionaries(st.sampled_from("abc"), STANDING, min_size=1),
    news=st.dictionaries(st.sampled_from("abc"), NOTES),
    elapsed=st.floats(-10, 1e6),
)
def test_weights_stay_within_bounds_and_the_best_never_falls(
    standings: Mapping[str, Standing], news: Mapping[str, Notes], elapsed: float
) -> None:
    after = moved(standings, news, elapsed=elapsed, **RULES)
    assert after.keys() == standings.keys()
    assert all(WEIGHT_MIN <= each.weight <= 1 for each in after.values())
    qualities = {name: quality(each.recent, slow_seconds=RULES["slow_seconds"]) for name, each in after.items()}
    assert all(value is None or 0 <= value <= 1 for value in qualities.values())
    if all(value is not None and value < 0.9 for value in qualities.values()):
        assert {name: each.weight for name, each in after.items()} == {name: each.weight for name, each in standings.items()}
    for name, value in qualities.items():
        if value is None or value >= 0.9:
            assert after[name].weight >= standings[name].weight, "whoever is well loses nothing"


@given(weights=st.dictionaries(st.sampled_from("abc"), st.floats(WEIGHT_MIN, 1), min_size=1))
def test_turns_are_in_proportion_to_the_weights(weights: Mapping[str, float]) -> None:
    credit: dict[str, float] = {}
    turns: Counter[str] = Counter()
    for _ in range(200):
        name, credit = next_turn(weights, credit)
        turns[name] += 1
    for name, weight in weights.items():
        assert abs(turns[name] - 200 * weight / sum(weights.values())) <= len(weights)


@given(
    shares=st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), min_size=1),
    weights=st.fixed_dictionaries(dict.fromkeys("abc", st.floats(WEIGHT_MIN, 1))),
)
def test_parts_are_the_shares_and_what_a_weak_one_loses_goes_to_the_best(shares: dict[str, float], weights: dict[str, float]) -> None:
    parts = parts_of(shares, {name: weights[name] for name in shares})
    assert sum(parts.values()) == pytest.approx(1)
    assert all(part >= 0 for part in parts.values())
    total = sum(shares.values())
    if total > 0.01:
        best = max(weights[name] for name in shares)
        assert all(parts[name] >= shares[name] / total - 1e-9 for name in shares if weights[name] == best)
        assert all(parts[name] <= shares[name] / total + 1e-9 for name in shares if weights[name] < best)


def test_a_new_provider_is_small_and_takes_over_whole() -> None:
    assert parts_of({"old": 0.9, "new": 0.1}, {"old": 1.0, "new": 1.0}) == {"old": pytest.approx(0.9), "new": pytest.approx(0.1)}
    assert parts_of({"old": 0.9, "new": 0.1}, {"old": WEIGHT_MIN, "new": 1.0})["new"] > 0.95
    assert parts_of({"old": 1.0, "new": 0.0}, {"old": 1.0, "new": 1.0}) == {"old": 1.0, "new": 0.0}
    assert parts_of({"old": 1.0, "new": 0.0}, {"old": WEIGHT_MIN, "new": 1.0})["new"] > 0.9, "a standby too"


# -- with a true Valkey ----------------------------------------------------------------------------------------------------------------

CANDIDATES = (
    Candidate("twilio", "sms"),
    Candidate("local", "sms", serves=lambda country: country != "TR"),
    Candidate("fcm", "push"),
)


@pytest.fixture
def make_router(make_settings: Callable[..., Settings], servers: Servers) -> Iterator[Callable[..., Router]]:
    """Routers of several worker processes, as far as Valkey can tell; they share their answers at every call."""
    prefix, links = f"{servers.redis_prefix}routing-{uuid4().hex}:", []

    def make(**more: str) -> Router:
        quick = {"SIAGA_REDIS_PREFIX": prefix, "SIAGA_ROUTING_SYNC_SECONDS": "0.000001", "SIAGA_ROUTING_MEMORY_SECONDS": "0.01"}
        settings = make_settings("", **(quick | more))
        links.append(Shared(settings))
        return Router(settings, links[-1], CANDIDATES)

    yield make
    for link in links:
        link.close()


def ailing(router: Router, sender: str) -> float:
    """Note a bad window, and read the weight that came of it."""
    router.note(sender, ok=0, surely_not_sent=32, unknown=32, latency_seconds=15.0)
    return router.parts()[sender]


def test_only_senders_that_serve_the_country_are_chosen(make_router: Callable[..., Router]) -> None:
    router = make_router()
    assert {router.choose("sms", "TR") for _ in range(10)} == {"twilio"}
    assert Counter(router.choose("sms", "IQ") for _ in range(10)) == {"twilio": 5, "local": 5}
    assert router.choose("push", "") == "fcm"
    assert router.choose("voice", "IQ") is None


def test_one_worker_learns_from_anothers_answers(make_router: Callable[..., Router]) -> None:
    one, other = make_router(), make_router()
    for _ in range(10_000):
        if ailing(one, "twilio") < 0.1:
            break
    assert Counter(other.choose("sms", "IQ") for _ in range(30))["local"] >= 20
    assert other.parts()["twilio"] < 0.15
    assert other.parts()["fcm"] == 1.0, "another channel has no part in it"


def test_answers_that_workers_note_at_once_are_all_counted(make_router: Callable[..., Router]) -> None:
    """Whoever finds that another was quicker keeps its answers for the next time."""
    routers = [make_router(SIAGA_ROUTING_MEMORY_SECONDS="1000000") for _ in range(3)]

    def note_many(router: Router) -> None:
        for _ in range(100):
            router.note("local", ok=1, surely_not_sent=0, unknown=0, latency_seconds=0.1)

    with ThreadPoolExecutor(len(routers)) as threads:
        list(threads.map(note_many, routers))
    for router in routers:  # what was left over, now that nobody hurries
        router.choose("sms", "IQ")
    raw = routers[0]._shared.client.get(routers[0]._shared.key("health", "actual"))
    assert KNOWN.validate_json(raw).senders["local"].recent.ok == pytest.approx(300, abs=0.1)


def test_without_valkey_a_worker_goes_by_its_own_answers(make_router: Callable[..., Router]) -> None:
    router = make_router(SIAGA_REDIS_URL="redis://127.0.0.1:1/0")
    for _ in range(10_000):
        if ailing(router, "twilio") < 0.1:
            break
    assert router._shared.is_lost
    assert Counter(router.choose("sms", "IQ") for _ in range(30))["local"] >= 20


def test_a_value_of_another_version_is_no_obstacle(make_router: Callable[..., Router]) -> None:
    router = make_router()
    router._shared.client.set(router._shared.key("health", "actual"), '{"senders": []}')
    assert router.choose("sms", "IQ") in ("twilio", "local")
    router.note("twilio", ok=64, surely_not_sent=0, unknown=0, latency_seconds=0.1)
    assert router.parts() == {"twilio": 0.5, "local": 0.5, "fcm": 1.0}
