"""From people counted by channel, country and language to what the forecast reckons with, and its wire form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from alerts.broadcasts.forecast import Forecast, Load, Rates, at_usual_rates, forecast, is_late, merged, rate_unknown
from alerts.broadcasts.preview_schemas import Amount, BottleneckView, CostView, ForecastView
from alerts.broadcasts.rules import LANGUAGES, Channel, Variant
from alerts.broadcasts.schemas import TextView
from alerts.channels.country_rules import PROVIDER, RULED_CHANNELS
from alerts.channels.rule_book import Outlet, RuleBook
from alerts.channels.rule_book_outlets import WayRates

LONG_CODE_PER_SECOND, SHORT_CODE_PER_SECOND, SHORT_CODE_DIGITS = 1.0, 100.0, 6
"""What Twilio lets a plain number and a short code send, unless it was agreed otherwise; configured rates go before."""
Segments = Mapping[tuple[str, str], int]
"""Segments of a text by language and variant; empty: one each."""


def segments_of(texts: Iterable[TextView]) -> Segments:
    """The sizes of a message's texts, as the forecast asks for them."""
    return {(text.language, text.variant.value): text.segments for text in texts}


@dataclass(frozen=True)
class Roads:
    """What a forecast reckons with: the rules in force, the senders that are configured, and their rates.

    `by_name`: what the settings say of each sender by its name; who is not in it has the common `rates`.
    """

    book: RuleBook
    outlets: Sequence[Outlet]
    rates: Rates
    by_name: Mapping[str, WayRates] = field(default_factory=dict)


def loads_of(roads: Roads, rows: Iterable[Mapping[str, Any]], segments: Segments) -> list[Load]:
    """Rows (channel, number_country, language, people, and handed_over once it is sent) as loads; who has no way is left out."""
    return merged(load for row in rows if row["channel"] != Channel.NONE for load in _loads(roads, row, segments))


def forecast_view(
    roads: Roads,
    rows: Iterable[Mapping[str, Any]],
    segments: Segments,
    *,
    validity_seconds: float | None = None,
    measured_per_second: float | None = None,
) -> ForecastView:
    """The forecast of rows in its wire form. Where no rate is known it says so, and what is usual for such a sender."""
    loads = loads_of(roads, rows, segments)
    view = present_forecast(
        forecast(loads, roads.rates, measured_per_second=measured_per_second),
        validity_seconds=validity_seconds,
        measured_per_second=measured_per_second,
    )
    unknown = [load for load in loads if rate_unknown(load, roads.rates)]
    if not unknown:
        return view
    view.rate_not_known = sorted({load.sender for load in unknown})
    if any(load.usual_per_second for load in unknown):
        usual = forecast(at_usual_rates(loads, roads.rates), roads.rates, measured_per_second=measured_per_second)
        view.usual_per_second = min(load.usual_per_second for load in unknown if load.usual_per_second)
        view.usual_seconds_100 = ceil(usual.seconds_100)
        view.is_late = view.is_late or is_late(usual, validity_seconds)
    return view


def present_forecast(found: Forecast, *, validity_seconds: float | None = None, measured_per_second: float | None = None) -> ForecastView:
    """The wire form: whole seconds, rounded up."""
    cost = found.cost
    return ForecastView(
        people=found.people,
        handed_over=found.handed_over,
        segments=found.segments,
        seconds_50=ceil(found.seconds_50),
        seconds_95=ceil(found.seconds_95),
        seconds_100=ceil(found.seconds_100),
        bottleneck=BottleneckView.model_validate(found.bottleneck) if found.bottleneck else None,
        cost=CostView(
            is_known=cost.unpriced_segments == 0,
            amounts=[Amount(currency=currency, amount=amount) for currency, amount in cost.amounts.items()],
            unpriced_segments=cost.unpriced_segments,
        ),
        measured_per_second=measured_per_second,
        validity_seconds=None if validity_seconds is None else max(0, int(validity_seconds)),
        is_late=is_late(found, validity_seconds),
    )


def _loads(roads: Roads, row: Mapping[str, Any], segments: Segments) -> Iterable[Load]:
    """One per sender that may take them, by its share: nobody can tell beforehand who gets whom."""
    channel = Channel(row["channel"])
    country = (row["number_country"] or "") if channel in RULED_CHANNELS else ""
    outlets = _outlets(roads, channel, country)
    people, done = (_split(count, [each.share for each in outlets]) for count in (row["people"], row.get("handed_over", 0)))
    for outlet, of_people, of_done in zip(outlets, people, done, strict=True):
        if of_people:
            yield _load(roads, row, outlet, segments, counts=(of_people, min(of_done, of_people)))


def _load(roads: Roads, row: Mapping[str, Any], outlet: Outlet, segments: Segments, *, counts: tuple[int, int]) -> Load:
    channel = Channel(row["channel"])
    country = (row["number_country"] or "") if channel in RULED_CHANNELS else ""
    rule, own = roads.book.rules_for(country, provider=outlet.provider, channel=channel), roads.by_name.get(outlet.name)
    return Load(
        channel=channel.value,
        account=outlet.provider,
        sender=outlet.name,
        number_country=country,
        people=counts[0],
        handed_over=counts[1],
        segments=_segments(roads.book, outlet, row, segments) if channel is Channel.SMS else 1,
        account_per_second=own.account if own else None,
        sender_per_second=own.sender if own else None,
        country_per_second=own.country if own and rule.rate_per_second is None else rule.rate_per_second,
        usual_per_second=usual_rate(outlet),
        price=rule.price_per_segment,
        currency=rule.currency,
    )


def usual_rate(outlet: Outlet) -> float | None:
    """Segments per second that a network usually allows such a number at our first provider; None: it is no plain number."""
    if outlet.channel != Channel.SMS or outlet.provider != PROVIDER or not outlet.is_number:
        return None
    return LONG_CODE_PER_SECOND if len(outlet.shown_as.removeprefix("+")) > SHORT_CODE_DIGITS else SHORT_CODE_PER_SECOND


def _outlets(roads: Roads, channel: Channel, country: str) -> list[Outlet]:
    """Those that may send there, else the first that may not; what has no sender goes by the channel's own name."""
    ours = [each for each in roads.outlets if each.channel == channel]
    usable = roads.book.usable(country, ours, channel)
    return usable or ours[:1] or [Outlet(name=channel.value, channel=channel.value)]


def _split(count: int, shares: Sequence[float]) -> list[int]:
    """A count by shares, whole: the largest rests are rounded up."""
    total = sum(shares)
    exact = [count * share / total if total else count / len(shares) for share in shares]
    parts = [int(each) for each in exact]
    by_rest = sorted(range(len(parts)), key=lambda place: parts[place] - exact[place])
    for place in by_rest[: count - sum(parts)]:
        parts[place] += 1
    return parts


def _segments(book: RuleBook, outlet: Outlet, row: Mapping[str, Any], segments: Segments) -> int:
    language = row["language"] if row["language"] in LANGUAGES else "en"
    variant = Variant(book.variant_for(row["number_country"] or "", provider=outlet.provider).key)
    return segments.get((language, variant.value), 1)
