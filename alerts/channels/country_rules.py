"""What a provider may carry to a number, by the country of the *number*: facts in data/sms_rules.csv, read once.

A number from Indonesia that roams in Dubai obeys the rules of Indonesia. What is not known is treated with care: no
request for a reply, no link, a warning; but the message is sent.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

import phonenumbers

from alerts.channels.texts import find_phone_numbers, find_urls

PROVIDER = "twilio"


class Known(StrEnum):
    """Yes, no, or nobody has told us. `registered_only`: what was registered beforehand passes, all else does not."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    REGISTERED_ONLY = "registered_only"


class SenderKind(StrEnum):
    """What a recipient's network lets stand as the sender."""

    REGISTERED_ALPHANUMERIC = "registered_alphanumeric"
    REGISTERED_ALPHANUMERIC_ONLY = "registered_alphanumeric_only"
    LONG_CODE_OR_ALPHANUMERIC = "long_code_or_alphanumeric"
    REWRITTEN = "rewritten"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsRule:
    """The rules of one provider for numbers of one country (ISO 3166-1 alpha-2). `is_listed` is false for the default."""

    provider: str
    number_country: str
    outbound: Known
    two_way: Known
    urls: Known
    phone_numbers: Known
    sender: SenderKind
    note: str = ""
    quiet_hours: str = ""
    is_listed: bool = True

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


class TextFault(StrEnum):
    """What is wrong with a text for a country."""

    URL_BARRED = "url_barred"
    URL_NEEDS_REGISTRATION = "url_needs_registration"
    URL_UNKNOWN = "url_unknown"
    PHONE_BARRED = "phone_barred"
    UNSERVED = "unserved"
    RULES_UNKNOWN = "rules_unknown"


# In both languages here: the reasons belong to the facts beside them, and channels may not ask for a country's name.
FAULT_WORDS: Mapping[TextFault, Mapping[str, str]] = {
    TextFault.URL_BARRED: {
        "id": "SMS ke nomor {country} tidak boleh memuat tautan: {found}",
        "en": "SMS to {country} numbers may not contain a link: {found}",
    },
    TextFault.URL_NEEDS_REGISTRATION: {
        "id": "SMS ke nomor {country} hanya boleh memuat tautan yang terdaftar: {found}",
        "en": "SMS to {country} numbers may only contain a registered link: {found}",
    },
    TextFault.URL_UNKNOWN: {
        "id": "Belum diketahui apakah tautan sampai ke nomor {country}: {found}",
        "en": "Whether links reach {country} numbers is not known: {found}",
    },
    TextFault.PHONE_BARRED: {
        "id": "SMS ke nomor {country} tidak boleh memuat nomor telepon: {found}",
        "en": "SMS to {country} numbers may not contain a phone number: {found}",
    },
    TextFault.UNSERVED: {
        "id": "Tidak ada penyedia yang menjangkau nomor {country} melalui SMS",
        "en": "No provider reaches {country} numbers by SMS",
    },
    TextFault.RULES_UNKNOWN: {
        "id": "Aturan untuk nomor {country} belum diketahui; pesan dikirim tanpa tautan dan tanpa permintaan balasan",
        "en": "The rules for {country} numbers are not known; the message goes without a link or a request to reply",
    },
}
BLOCKING = frozenset({TextFault.URL_BARRED, TextFault.URL_NEEDS_REGISTRATION, TextFault.PHONE_BARRED})


@dataclass(frozen=True, slots=True)
class TextProblem:
    """One fault of a text for the numbers of one country. `found` is the part of the text at fault, if any."""

    fault: TextFault
    number_country: str
    found: str = ""

    @property
    def is_blocking(self) -> bool:
        """A blocking problem keeps the broadcast from being submitted; the rest are warnings of the preview."""
        return self.fault in BLOCKING

    def words(self, country: Mapping[str, str]) -> dict[str, str]:
        """The reason in each language (`id`, `en`); `country` gives the country's name in each."""
        return {lang: sentence.format(country=country[lang], found=self.found) for lang, sentence in FAULT_WORDS[self.fault].items()}


def rules_for(number_country: str, *, provider: str = PROVIDER) -> SmsRule:
    """The rule for numbers of a country; one of unknowns for a country that the provider's list leaves out."""
    return _table().get((provider, number_country)) or _unlisted(provider, number_country)


def list_rules(*, provider: str = PROVIDER) -> list[SmsRule]:
    """Every listed rule of a provider, by country code."""
    return sorted((r for r in _table().values() if r.provider == provider), key=lambda r: r.number_country)


def variant_for(rule: SmsRule) -> TextVariant:
    """Only a plain yes allows a reply request or a link; a phone number is left out only where it is barred."""
    known = (rule.outbound, rule.two_way, rule.urls, rule.phone_numbers)
    return TextVariant(
        may_ask_reply=rule.two_way is Known.YES,
        may_link=rule.urls is Known.YES,
        may_name_phone=rule.phone_numbers is not Known.NO,
        is_uncertain=Known.UNKNOWN in known,
    )


def number_country(e164: str) -> str | None:
    """The country of a number (`+62…` → `ID`), or None where the prefix belongs to no country."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return region if region and region.isalpha() and region != "ZZ" else None


def is_number_served(e164: str, *, provider: str = PROVIDER) -> bool:
    """False only where the provider is known to deliver nothing to numbers of that country."""
    return rules_for(number_country(e164) or "", provider=provider).is_served


def check_text(text: str, number_countries: Iterable[str], *, provider: str = PROVIDER) -> list[TextProblem]:
    """Problems of a text for the number countries of an audience, in their order; blocking ones first per country."""
    urls, phones = find_urls(text), find_phone_numbers(text)
    problems: list[TextProblem] = []
    for country in dict.fromkeys(number_countries):
        rule = rules_for(country, provider=provider)
        problems += _problems(rule, urls, phones)
    return problems


def _problems(rule: SmsRule, urls: list[str], phones: list[str]) -> list[TextProblem]:
    country = rule.number_country
    if not rule.is_served:
        return [TextProblem(TextFault.UNSERVED, country)]
    problems = []
    fault = _URL_FAULTS.get(rule.urls)
    if fault is not None:
        problems += [TextProblem(fault, country, url) for url in urls]
    if rule.phone_numbers is Known.NO:
        problems += [TextProblem(TextFault.PHONE_BARRED, country, phone) for phone in phones]
    if rule.outbound is Known.UNKNOWN:
        problems.append(TextProblem(TextFault.RULES_UNKNOWN, country))
    return sorted(problems, key=lambda p: not p.is_blocking)


_URL_FAULTS = {
    Known.NO: TextFault.URL_BARRED,
    Known.REGISTERED_ONLY: TextFault.URL_NEEDS_REGISTRATION,
    Known.UNKNOWN: TextFault.URL_UNKNOWN,
}


def _unlisted(provider: str, country: str) -> SmsRule:
    return SmsRule(
        provider=provider,
        number_country=country,
        outbound=Known.UNKNOWN,
        two_way=Known.UNKNOWN,
        urls=Known.UNKNOWN,
        phone_numbers=Known.UNKNOWN,
        sender=SenderKind.UNKNOWN,
        is_listed=False,
    )


@cache
def _table() -> dict[tuple[str, str], SmsRule]:
    with files("alerts.channels").joinpath("data/sms_rules.csv").open(encoding="utf-8") as file:
        rules = [_rule(row) for row in csv.DictReader(file)]
    return {(rule.provider, rule.number_country): rule for rule in rules}


def _rule(row: dict[str, str]) -> SmsRule:
    return SmsRule(
        provider=row["provider"],
        number_country=row["number_country"],
        outbound=Known(row["outbound"]),
        two_way=Known(row["two_way"]),
        urls=Known(row["urls"]),
        phone_numbers=Known(row["phone_numbers"]),
        sender=SenderKind(row["sender"]),
        note=row["note"],
        quiet_hours=row["quiet_hours"],
    )
