"""The preview: who would get a message by what, whom it would not reach, why, and what is offered instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from alerts.broadcasts.audience import Counted
from alerts.broadcasts.forecast import OWN_PER_SECOND, Rates
from alerts.broadcasts.forecasting import Roads, Segments, forecast_view
from alerts.broadcasts.preview_schemas import (
    AudienceView,
    BarredView,
    CountryPreview,
    CountryWarning,
    NotReached,
    Offer,
    UnreachedView,
)
from alerts.broadcasts.rules import Channel, Unreachable, Variant
from alerts.channels.country_rules import RULED_CHANNELS
from alerts.channels.rule_book import Outlet, RuleBook, channels_of
from alerts.channels.rule_book_outlets import WayRates, configured_outlets, rates_of
from alerts.channels.text_checks import TextFault
from alerts.country_rules.queries import load_book
from alerts.places.names import place_name
from alerts.settings import Settings

Rows = Iterable[Mapping[str, Any]]
REASON_OF: Mapping[TextFault, NotReached] = {
    TextFault.UNSERVED: NotReached.NO_PROVIDER,
    TextFault.SENDER_UNREGISTERED: NotReached.SENDER_UNREGISTERED,
    TextFault.QUIET_HOURS: NotReached.QUIET_HOURS,
}


@dataclass(frozen=True)
class Ground:
    """What a preview stands on: the rules in force, the senders that are configured, their rates, and whose +62 it is."""

    book: RuleBook
    outlets: tuple[Outlet, ...]
    rates: Rates
    home_country: str
    by_name: Mapping[str, WayRates] = field(default_factory=dict)

    @property
    def roads(self) -> Roads:
        """As the forecast asks for it."""
        return Roads(self.book, self.outlets, self.rates, self.by_name)

    @property
    def channels(self) -> frozenset[str]:
        """Ways that have a sender."""
        return channels_of(self.outlets)


@dataclass(frozen=True)
class Asked:
    """What is to be sent: by which channels, in which words and with how many segments each, valid for how long (seconds)."""

    channels: frozenset[str]
    texts: Mapping[str, str]
    segments: Segments
    validity_seconds: int | None = None


def ground_of(session: Session, settings: Settings, *, is_exercise: bool = False) -> Ground:
    """Read once per request."""
    pace = settings.pace
    rates = Rates(
        account_per_second=pace.account_per_second,
        sender_per_second=pace.sender_per_second,
        country_per_second=pace.country_per_second,
        own_per_second=OWN_PER_SECOND,
    )
    outlets = configured_outlets(settings, is_exercise=is_exercise)
    by_name = {outlet.name: rates_of(pace, outlet, is_exercise=is_exercise) for outlet in outlets}
    return Ground(load_book(session), outlets, rates, settings.home_country, by_name)


def present_audience(ground: Ground, counted: Counted, asked: Asked) -> AudienceView:
    """The preview's figures from the people as they were counted."""
    rows = counted.rows
    shared = sum(row["people"] for row in rows if row["is_shared"])
    reached = [row for row in rows if not row["is_shared"]]
    return AudienceView(
        people=sum(row["people"] for row in rows),
        by_channel=_sum(reached, "channel"),
        unreachable={k: n for k, n in _sum(reached, "unreachable").items() if k},
        sharing_address=shared,
        sharing_ways=counted.sharing_ways,
        by_class=_sum(rows, "class"),
        by_language=_sum(rows, "language"),
        countries=[preview_country(ground, country, people, asked.texts) for country, people in _by_country(counted).items()],
        unreached=list_unreached(ground, reached, asked.channels),
        barred_numbers=list_barred(ground, counted.barred),
        forecast=forecast_view(ground.roads, reached, asked.segments, validity_seconds=asked.validity_seconds),
    )


def preview_country(ground: Ground, country: str, people: int, texts: Mapping[str, str]) -> CountryPreview:
    """The rules of one country as they apply to these texts."""
    book, names = ground.book, {language: place_name(country, language) for language in ("id", "en")}
    usable = book.usable(country, ground.outlets, Channel.SMS)
    problems = [problem for body in texts.values() or ("",) for problem in book.check_text(body, [country], outlets=ground.outlets)]
    seen = {(p.fault, p.found): CountryWarning(**p.words(names), is_blocking=p.is_blocking) for p in problems}
    rule = book.variant_for(country, provider=usable[0].provider) if usable else book.variant_for(country)
    return CountryPreview(
        number_country=country, people=people, variant=Variant(rule.key), is_served=bool(usable), warnings=list(seen.values())
    )


def list_unreached(ground: Ground, rows: Rows, channels: frozenset[str]) -> list[UnreachedView]:
    """Those whom no way reaches, by the country of their number and the channel that fails, the largest group first."""
    groups: dict[tuple[str, str | None], int] = {}
    for row in rows:
        if row["unreachable"]:
            key = (str(row["unreachable"]), row["number_country"] if row["unreachable"] == Unreachable.NO_PROVIDER else None)
            groups[key] = groups.get(key, 0) + row["people"]
    views = []
    for (why, country), people in sorted(groups.items(), key=lambda item: -item[1]):
        for channel, reason in _ways_that_fail(ground, why, country, channels):
            offers = offers_for(ground, reason, country, channels)
            views.append(UnreachedView(number_country=country, channel=channel, people=people, reason=reason, offered_instead=offers))
    return views


def list_barred(ground: Ground, rows: Rows) -> list[BarredView]:
    """Numbers that a channel does not reach, of people who are reached otherwise, the largest group first."""
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row["reached_by"] != Channel.NONE:
            groups.setdefault((row["channel"], row["number_country"]), {})[row["reached_by"]] = row["people"]
    views = []
    for (channel, country), by in sorted(groups.items(), key=lambda item: -sum(item[1].values())):
        reason = _reason(ground, country, Channel(channel)) or NotReached.NO_PROVIDER
        views.append(
            BarredView(number_country=country, channel=Channel(channel), people=sum(by.values()), reason=reason, reached_by=dict(by))
        )
    return views


def offers_for(ground: Ground, reason: NotReached, country: str | None, channels: frozenset[str]) -> list[Offer]:
    """What can be done instead. Nothing for those who asked not to be written to: that is theirs to decide."""
    if reason is NotReached.OPTED_OUT:
        return []
    others = ground.channels - channels
    ways = [Offer(each) for each in Channel if each in others and country and _may_go(ground, country, each)]
    ways = list(dict.fromkeys(([Offer.PUSH] if Channel.PUSH in ground.channels else []) + ways))
    if reason is NotReached.NO_ADDRESS:
        return [Offer.ROAMING_BROADCAST, Offer.COMMUNITY_NODES, Offer.FORWARDABLE_TEXT]
    roaming = [Offer.ROAMING_BROADCAST] if country == ground.home_country else []
    return [*ways, Offer.ANOTHER_PROVIDER, *roaming, Offer.COMMUNITY_NODES, Offer.CALL_LIST, Offer.FORWARDABLE_TEXT]


def _ways_that_fail(ground: Ground, why: str, country: str | None, channels: frozenset[str]) -> list[tuple[Channel | None, NotReached]]:
    """Each channel asked for that goes by a number, and what bars it; one without a channel where it is not a rule that does."""
    if why != Unreachable.NO_PROVIDER or country is None:
        return [(None, NotReached(why))]
    by_number = [each for each in Channel if each in channels and each in RULED_CHANNELS]
    failing: list[tuple[Channel | None, NotReached]] = [(each, bar) for each in by_number if (bar := _reason(ground, country, each))]
    return failing or [(Channel.SMS, NotReached.NO_PROVIDER)]


def _reason(ground: Ground, country: str, channel: Channel) -> NotReached | None:
    """What keeps every sender of a channel from a country's numbers; None: nothing does."""
    bars = [ground.book.bar(country, outlet) for outlet in ground.outlets if outlet.channel == channel]
    return next(REASON_OF[bar] for bar in bars if bar) if bars and all(bars) else None


def _may_go(ground: Ground, country: str, channel: Channel) -> bool:
    return bool(ground.book.usable(country, ground.outlets, channel))


def _by_country(counted: Counted) -> dict[str, int]:
    """People by a number's country: those who get a text there, be it later, and those whose number no sender of texts serves."""
    sums = _sum(counted.texted, "number_country")
    for country, people in _sum(counted.barred, "number_country", channel=Channel.SMS.value).items():
        sums[country] = sums.get(country, 0) + people
    return {country: people for country, people in sorted(sums.items(), key=lambda item: -item[1]) if country}


def _sum(rows: Rows, key: str, **where: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        if all(row[name] == value for name, value in where.items()):
            sums[row[key]] = sums.get(row[key], 0) + row["people"]
    return sums
