"""The country rules in force, as one frozen book: a look-up per message touches no database.

Whoever has a session loads it (`alerts.country_rules.queries.load_book`), once per request or batch. Where there is
none (a carrier's adapter) the newest book that this process has loaded is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from alerts.channels.country_rules import (
    NUMBER_COUNTRIES,
    PROVIDER,
    RULED_CHANNELS,
    SMS,
    CountryRule,
    Known,
    QuietScope,
    RuleKey,
    SenderKind,
    TextVariant,
    packaged_rules,
    unlisted,
    variant_for,
)
from alerts.channels.text_checks import TextFault, TextProblem, text_problems
from alerts.channels.texts import find_phone_numbers, find_urls

PROVIDER_OF_SENDER: Mapping[str, str] = MappingProxyType({"whatsapp": PROVIDER, "voice": PROVIDER})
"""Senders that are named after their channel, and the provider whose rules they obey."""
NO_RECEIPTS = frozenset({"push", "web_push", "email"})
"""Ways that never say that a message reached anybody, whatever the country: a push service or a mail server took it, and no more."""

FOR_GOOD = frozenset({TextFault.UNSERVED, TextFault.SENDER_UNREGISTERED})
"""Bars that no clock lifts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One way out that is configured: the name of its sender, its channel, and the number or name that it shows.

    `countries`: where its provider delivers, as its description says; empty: everywhere. `share`: its part of what its
    channel sends while all is well, beside the shares of the others. `is_exercise`: of the exercises' set.
    """

    name: str
    channel: str
    shown_as: str = ""
    countries: frozenset[str] = frozenset()
    share: float = 1.0
    is_exercise: bool = False

    @property
    def provider(self) -> str:
        """Whose rules it obeys."""
        return PROVIDER_OF_SENDER.get(self.name, self.name)

    @property
    def is_number(self) -> bool:
        """Whether it shows a plain number, which a network that wants registered names blocks."""
        return self.shown_as.removeprefix("+").isdigit()


def channels_of(outlets: Iterable[Outlet]) -> frozenset[str]:
    """The channels that these outlets serve."""
    return frozenset(each.channel for each in outlets)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Every rule in force, by provider, channel and the number's country. `stamp` changes with any rule."""

    rules: Mapping[RuleKey, CountryRule] = field(repr=False)
    stamp: str

    @classmethod
    def packaged(cls) -> RuleBook:
        """The rules as they come with the product."""
        return cls(packaged_rules(), "packaged")

    @classmethod
    def of(cls, rules: Iterable[CountryRule], stamp: str) -> RuleBook:
        """A book of these rules."""
        return cls(MappingProxyType({rule.key: rule for rule in rules}), stamp)

    def rules_for(self, number_country: str, *, provider: str = PROVIDER, channel: str = SMS) -> CountryRule:
        """The rule for numbers of a country; one of unknowns for a country that the list leaves out."""
        found = self.rules.get((PROVIDER_OF_SENDER.get(provider, provider), channel, number_country))
        return found or unlisted(number_country, provider=provider, channel=channel)

    def variant_for(self, number_country: str, *, provider: str = PROVIDER, channel: str = SMS) -> TextVariant:
        """Which parts a text for numbers of a country may have."""
        return variant_for(self.rules_for(number_country, provider=provider, channel=channel))

    def is_served(self, number_country: str, *, provider: str = PROVIDER, channel: str = SMS) -> bool:
        """False only where the provider is known to deliver nothing to numbers of that country."""
        return self.rules_for(number_country, provider=provider, channel=channel).is_served

    def list_rules(self, *, provider: str | None = None, channel: str | None = None) -> list[CountryRule]:
        """Every listed rule, by country, provider and channel."""
        chosen = (rule for rule in self.rules.values() if provider in (None, rule.provider) and channel in (None, rule.channel))
        return sorted(chosen, key=lambda rule: (rule.number_country, rule.provider, rule.channel))

    def sender_for(self, number_country: str, outlet: Outlet) -> str:
        """The number or name to show: the one registered for the country, else the usual one."""
        return self.rules_for(number_country, provider=outlet.provider, channel=outlet.channel).sender_id or outlet.shown_as

    def rate_for(self, number_country: str, outlet: Outlet) -> float | None:
        """Segments per second of this sender to numbers of the country; None: not known."""
        return self.rules_for(number_country, provider=outlet.provider, channel=outlet.channel).rate_per_second

    def bar(self, number_country: str, outlet: Outlet, *, now: datetime | None = None) -> TextFault | None:
        """Why nothing may go to numbers of the country by this outlet now; None: it may."""
        if outlet.channel not in RULED_CHANNELS:
            return None
        rule = self.rules_for(number_country, provider=outlet.provider, channel=outlet.channel)
        if not rule.is_served or (outlet.countries and number_country not in outlet.countries):
            return TextFault.UNSERVED
        if not rule.sender_id and (rule.outbound is Known.REGISTERED_ONLY or (_is_name_wanted(rule) and outlet.is_number)):
            return TextFault.SENDER_UNREGISTERED
        if rule.quiet_scope is QuietScope.EVERYTHING and is_quiet_now(rule, now or datetime.now(UTC)):
            return TextFault.QUIET_HOURS
        return None

    def opens_in(self, number_country: str, outlets: Iterable[Outlet], channel: str, *, now: datetime | None = None) -> float | None:
        """Seconds until the first outlet of a channel may send to numbers of the country; None: no clock opens any.

        Quiet hours in which the network holds back everything spare no alert, however severe: what it would hold back goes by
        another way meanwhile. Those for promotional messages are none of ours.
        """
        at = now or datetime.now(UTC)
        bars = {each: self.bar(number_country, each, now=at) for each in outlets if each.channel == channel}
        rules = [
            self.rules_for(number_country, provider=each.provider, channel=channel) for each, bar in bars.items() if bar not in FOR_GOOD
        ]
        return min((seconds_of_quiet(rule, at) for rule in rules), default=None)

    def usable(self, number_country: str, outlets: Iterable[Outlet], channel: str, *, now: datetime | None = None) -> list[Outlet]:
        """The outlets of a channel by which a message may go to numbers of the country now, in their order."""
        return [each for each in outlets if each.channel == channel and self.bar(number_country, each, now=now) is None]

    def unserved(self, outlets: Sequence[Outlet], channel: str) -> list[str]:
        """Countries to whose numbers no outlet of this channel may ever send: quiet hours end, these do not."""
        countries = sorted(NUMBER_COUNTRIES | {country for _, ruled, country in self.rules if ruled == channel})
        ours = [each for each in outlets if each.channel == channel]
        return [country for country in countries if ours and all(self.bar(country, each) in FOR_GOOD for each in ours)]

    def unserved_ways(self, outlets: Sequence[Outlet]) -> list[tuple[str, str]]:
        """(channel, number's country) that a frozen list leaves out, because none of these outlets ever sends there.

        An outlet of whose provider no rule is written serves what its description says: what is not known is tried.
        """
        return [(channel, country) for channel in RULED_CHANNELS for country in self.unserved(outlets, channel)]

    def never_receipted(self) -> list[tuple[str, str]]:
        """(channel, number's country) where no provider of the book gives receipts; `*` stands for every country."""
        none: set[tuple[str, str]] = set()
        some: set[tuple[str, str]] = set()
        for rule in self.rules.values():
            (none if rule.receipts is Known.NO else some).add((rule.channel, rule.number_country))
        return sorted({(channel, "*") for channel in NO_RECEIPTS} | (none - some))

    def check_text(
        self, text: str, number_countries: Iterable[str], *, outlets: Sequence[Outlet] = (), now: datetime | None = None
    ) -> list[TextProblem]:
        """Problems of a text message for the number countries of an audience, in their order; blocking ones first per country.

        A country that several outlets serve is checked by the rules of each: it is not known beforehand which one sends.
        """
        found = find_urls(text), find_phone_numbers(text)
        ours = [each for each in outlets or (USUAL,) if each.channel == SMS]
        problems: dict[TextProblem, None] = {}
        for country in dict.fromkeys(number_countries):
            usable = self.usable(country, ours, SMS, now=now)
            told = [p for each in usable for p in self._problems(country, each, *found)]
            told = told or ([] if usable else [self._kept_out(country, each, now) for each in ours[:1]])
            problems |= dict.fromkeys(sorted(told, key=lambda problem: not problem.is_blocking))
        return list(problems)

    def barred_by_words(self, texts: Iterable[str], outlets: Sequence[Outlet]) -> list[str]:
        """Countries to whose numbers one of these texts may not go by SMS: some outlet that serves them would be blocked for its words.

        Hours in which a network is quiet are no fault of the words: they end.
        """
        ours = [each for each in outlets if each.channel == SMS]
        found = [(find_urls(text), find_phone_numbers(text)) for text in texts]
        countries = sorted({country for _, channel, country in self.rules if channel == SMS})
        return [
            country
            for country in countries
            if any(
                problem.is_blocking
                for each in ours
                if self.bar(country, each) not in FOR_GOOD
                for urls, phones in found
                for problem in text_problems(self.rules_for(country, provider=each.provider), urls, phones)
            )
        ]

    def _problems(self, country: str, outlet: Outlet, urls: Sequence[str], phones: Sequence[str]) -> list[TextProblem]:
        rule = self.rules_for(country, provider=outlet.provider)
        return [*text_problems(rule, urls, phones), *_warnings(rule, outlet)]

    def _kept_out(self, country: str, outlet: Outlet, now: datetime | None) -> TextProblem:
        rule = self.rules_for(country, provider=outlet.provider, channel=outlet.channel)
        fault = self.bar(country, outlet, now=now) or TextFault.UNSERVED
        return TextProblem(fault, country, hours_of(rule) if fault is TextFault.QUIET_HOURS else "")


USUAL = Outlet(name=PROVIDER, channel=SMS)


def is_quiet_now(rule: CountryRule, now: datetime) -> bool:
    """Whether it is within the rule's quiet hours, by the clock of its zone."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return False
    clock = now.astimezone(ZoneInfo(rule.quiet_zone or "UTC")).time()
    return is_between(clock, rule.quiet_from, rule.quiet_until)


def seconds_of_quiet(rule: CountryRule, now: datetime) -> float:
    """Until the rule's quiet hours end, by the clock of its zone; 0 outside of them."""
    if rule.quiet_until is None or not is_quiet_now(rule, now):
        return 0.0
    local = now.astimezone(ZoneInfo(rule.quiet_zone or "UTC"))
    end = datetime.combine(local.date(), rule.quiet_until, local.tzinfo)
    if end <= local:
        end = datetime.combine(local.date() + timedelta(days=1), rule.quiet_until, local.tzinfo)
    return (end.astimezone(UTC) - now).total_seconds()


def is_between(clock: time, begin: time, end: time) -> bool:
    """Whether a clock time lies in [begin, end), which may go over midnight."""
    return begin <= clock < end if begin <= end else clock >= begin or clock < end


def hours_of(rule: CountryRule) -> str:
    """`21:00–07:00 Asia/Dubai`, or empty."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return ""
    return f"{rule.quiet_from:%H:%M}–{rule.quiet_until:%H:%M} {rule.quiet_zone}".strip()


def _is_name_wanted(rule: CountryRule) -> bool:
    """Whether the networks are known to block every sender that is not a registered name."""
    return rule.sender_kind is SenderKind.REGISTERED_ALPHANUMERIC_ONLY


def _warnings(rule: CountryRule, outlet: Outlet) -> Iterable[TextProblem]:
    if rule.sender_kind is SenderKind.REGISTERED_OR_SUSPECT and not rule.sender_id and outlet.is_number:
        yield TextProblem(TextFault.SENDER_DOUBTFUL, rule.number_country, outlet.shown_as)
    if rule.quiet_scope is QuietScope.PROMOTIONAL:
        yield TextProblem(TextFault.QUIET_PROMOTIONAL, rule.number_country, hours_of(rule))


_loaded: list[RuleBook] = []


def remember_book(book: RuleBook) -> RuleBook:
    """Keep it as the newest book of this process."""
    _loaded[:] = [book]
    return book


def current_book() -> RuleBook:
    """The newest book that this process has loaded; the packaged rules before that."""
    return _loaded[0] if _loaded else RuleBook.packaged()
