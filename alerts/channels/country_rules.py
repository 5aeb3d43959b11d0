"""What a provider may carry to a number, by the country of the *number*: the words of a rule, and the rules that come packaged.

A number from Indonesia that roams in Dubai obeys the rules of Indonesia. What is not known is treated with care: no
request for a reply, no link, a warning; but the message is sent. The rules in force are in `rule_book`: they are the
packaged ones as an administrator has edited them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import phonenumbers

PROVIDER = "twilio"
SMS = "sms"
RULED_CHANNELS = ("sms", "whatsapp", "voice")
"""Ways that go by a number: only these have rules by the number's country."""


class Known(StrEnum):
    """Yes, no, or nobody has told us. `registered_only`: what was registered beforehand passes, all else does not."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    REGISTERED_ONLY = "registered_only"


class SenderKind(StrEnum):
    """What a recipient's network lets stand as the sender.

    `…_only`: it blocks every other sender. `registered_or_suspect`: others may come through, marked as suspicious.
    """

    REGISTERED_ALPHANUMERIC = "registered_alphanumeric"
    REGISTERED_ALPHANUMERIC_ONLY = "registered_alphanumeric_only"
    REGISTERED_OR_SUSPECT = "registered_or_suspect"
    LONG_CODE_OR_ALPHANUMERIC = "long_code_or_alphanumeric"
    REWRITTEN = "rewritten"
    NONE = "none"
    UNKNOWN = "unknown"


class QuietScope(StrEnum):
    """What a network holds back in its quiet hours. An alert is not promotional."""

    NOTHING = "nothing"
    PROMOTIONAL = "promotional"
    EVERYTHING = "everything"


NUMBER_COUNTRIES = frozenset(region for region in phonenumbers.SUPPORTED_REGIONS if region.isalpha())
"""Every country that a number can belong to."""

RuleKey = tuple[str, str, str]
"""Provider, channel, country of the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryRule:
    """The rules of one provider and channel for numbers of one country (ISO 3166-1 alpha-2).

    `rate_per_second`: segments per second per sender; None: not known, the settings' default holds. `receipts` no: a
    delivery receipt never comes. Quiet hours are local times of `quiet_zone` (IANA), the end excluded, over midnight
    where the end is the earlier one. `sender_id`: the sender registered for this country, used instead of the usual
    one. `price_per_segment` in `currency`; None: not known, never 0. `is_listed` is false for a country that the
    provider's list leaves out. `version` 0: as packaged.
    """

    provider: str
    channel: str
    number_country: str
    outbound: Known = Known.UNKNOWN
    two_way: Known = Known.UNKNOWN
    urls: Known = Known.UNKNOWN
    phone_numbers: Known = Known.UNKNOWN
    sender_kind: SenderKind = SenderKind.UNKNOWN
    sender_id: str = ""
    rate_per_second: float | None = None
    receipts: Known = Known.UNKNOWN
    quiet_scope: QuietScope = QuietScope.NOTHING
    quiet_from: time | None = None
    quiet_until: time | None = None
    quiet_zone: str = ""
    price_per_segment: Decimal | None = None
    currency: str = ""
    note: str = ""
    source: str = ""
    version: int = 0
    is_listed: bool = True

    @property
    def key(self) -> RuleKey:
        """Provider, channel, country."""
        return self.provider, self.channel, self.number_country

    @property
    def is_served(self) -> bool:
        """False only where the provider is known to deliver nothing; unknown is tried."""
        return self.outbound is not Known.NO


@dataclass(frozen=True, slots=True)
class TextVariant:
    """Which parts a text for this country may have, and whether the preview has to warn that the rule is not known."""

    may_ask_reply: bool
    may_link: bool
    may_name_phone: bool
    is_uncertain: bool

    @property
    def key(self) -> str:
        """`plain`, `reply`, `link` or `reply_link`: countries of one key get the same words."""
        parts = [name for name, has in (("reply", self.may_ask_reply), ("link", self.may_link)) if has]
        return "_".join(parts) or "plain"


def variant_for(rule: CountryRule) -> TextVariant:
    """Only a plain yes allows a reply request or a link; a phone number is left out only where it is barred."""
    known = (rule.outbound, rule.two_way, rule.urls, rule.phone_numbers)
    return TextVariant(
        may_ask_reply=rule.two_way is Known.YES,
        may_link=rule.urls is Known.YES,
        may_name_phone=rule.phone_numbers is not Known.NO,
        is_uncertain=Known.UNKNOWN in known,
    )


def unlisted(number_country: str, *, provider: str, channel: str) -> CountryRule:
    """The rule of unknowns, for a country of which nobody has told us anything."""
    return CountryRule(provider=provider, channel=channel, number_country=number_country, is_listed=False)


def number_country(e164: str) -> str | None:
    """The country of a number (`+62…` → `ID`), or None where the prefix belongs to no country."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return region if region and region.isalpha() and region != "ZZ" else None


@cache
def packaged_rules() -> Mapping[RuleKey, CountryRule]:
    """The rules that come with the product (data/country_rules.csv), by key: the carrier's own published guidelines."""
    with files("alerts.channels").joinpath("data/country_rules.csv").open(encoding="utf-8") as file:
        rules = [_rule(row) for row in csv.DictReader(file)]
    return MappingProxyType({rule.key: rule for rule in rules})


def _rule(row: dict[str, str]) -> CountryRule:
    return CountryRule(
        provider=row["provider"],
        channel=row["channel"],
        number_country=row["number_country"],
        outbound=Known(row["outbound"]),
        two_way=Known(row["two_way"]),
        urls=Known(row["urls"]),
        phone_numbers=Known(row["phone_numbers"]),
        sender_kind=SenderKind(row["sender_kind"]),
        receipts=Known(row["receipts"]),
        quiet_scope=QuietScope(row["quiet_scope"]),
        quiet_from=_time(row["quiet_from"]),
        quiet_until=_time(row["quiet_until"]),
        quiet_zone=row["quiet_zone"],
        rate_per_second=float(row["rate_per_second"]) if row["rate_per_second"] else None,
        price_per_segment=Decimal(row["price_per_segment"]) if row["price_per_segment"] else None,
        currency=row["currency"],
        note=row["note"],
        source=row["source"],
    )


def _time(cell: str) -> time | None:
    return time.fromisoformat(cell) if cell else None
