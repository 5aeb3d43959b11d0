"""From people counted by channel, country and language to what the forecast reckons with, and its wire form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from alerts.broadcasts.forecast import Forecast, Load, is_late, merged
from alerts.broadcasts.preview_schemas import Amount, BottleneckView, CostView, ForecastView
from alerts.broadcasts.rules import LANGUAGES, Channel, Variant
from alerts.broadcasts.schemas import TextView
from alerts.channels.country_rules import RULED_CHANNELS
from alerts.channels.rule_book import Outlet, RuleBook

Segments = Mapping[tuple[str, str], int]
"""Segments of a text by language and variant; empty: one each."""


def segments_of(texts: Iterable[TextView]) -> Segments:
    """The sizes of a message's texts, as the forecast asks for them."""
    return {(text.language, text.variant.value): text.segments for text in texts}


def loads_of(book: RuleBook, outlets: Sequence[Outlet], rows: Iterable[Mapping[str, Any]], segments: Segments) -> list[Load]:
    """Rows (channel, number_country, language, people, and handed_over once it is sent) as loads; who has no way is left out."""
    return merged(_load(book, outlets, row, segments) for row in rows if row["channel"] != Channel.NONE)


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


def _load(book: RuleBook, outlets: Sequence[Outlet], row: Mapping[str, Any], segments: Segments) -> Load:
    channel = Channel(row["channel"])
    country = (row["number_country"] or "") if channel in RULED_CHANNELS else ""
    outlet = _outlet(book, outlets, channel, country)
    rule = book.rules_for(country, provider=outlet.provider, channel=channel)
    return Load(
        channel=channel.value,
        account=outlet.provider,
        sender=outlet.name,
        number_country=country,
        people=row["people"],
        handed_over=row.get("handed_over", 0),
        segments=_segments(book, outlet, row, segments) if channel is Channel.SMS else 1,
        country_per_second=rule.rate_per_second,
        price=rule.price_per_segment,
        currency=rule.currency,
    )


def _outlet(book: RuleBook, outlets: Sequence[Outlet], channel: Channel, country: str) -> Outlet:
    """The first that may send there; what has no sender goes by the channel's own name."""
    ours = [each for each in outlets if each.channel == channel]
    return next(iter([*book.usable(country, ours, channel), *ours]), Outlet(name=channel.value, channel=channel.value))


def _segments(book: RuleBook, outlet: Outlet, row: Mapping[str, Any], segments: Segments) -> int:
    language = row["language"] if row["language"] in LANGUAGES else "en"
    variant = Variant(book.variant_for(row["number_country"] or "", provider=outlet.provider).key)
    return segments.get((language, variant.value), 1)
