"""Whether a text may go to the numbers of a country, and the reason in both languages where it may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alerts.channels.country_rules import CountryRule, Known


class TextFault(StrEnum):
    """What is wrong with a text, or with sending any text, for a country."""

    URL_BARRED = "url_barred"
    URL_NEEDS_REGISTRATION = "url_needs_registration"
    URL_UNKNOWN = "url_unknown"
    PHONE_BARRED = "phone_barred"
    UNSERVED = "unserved"
    SENDER_UNREGISTERED = "sender_unregistered"
    SENDER_DOUBTFUL = "sender_doubtful"
    QUIET_HOURS = "quiet_hours"
    QUIET_PROMOTIONAL = "quiet_promotional"
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
    TextFault.SENDER_UNREGISTERED: {
        "id": "SMS ke nomor {country} hanya dari pengirim terdaftar, dan kita belum punya: tidak dikirim ke sana",
        "en": "SMS to {country} numbers pass only from a registered sender, and we have none: nothing is sent there",
    },
    TextFault.SENDER_DOUBTFUL: {
        "id": "Jaringan nomor {country} menandai pengirim tak terdaftar sebagai mencurigakan, atau memblokirnya; pengirim kita: {found}",
        "en": "Networks of {country} numbers mark senders that are not registered as suspicious, or block them; ours is {found}",
    },
    TextFault.QUIET_HOURS: {
        "id": "Jaringan nomor {country} menahan semua pesan pada jam tenang {found}: tidak dikirim ke sana sekarang",
        "en": "Networks of {country} numbers hold every message in their quiet hours {found}: nothing is sent there now",
    },
    TextFault.QUIET_PROMOTIONAL: {
        "id": "Jaringan nomor {country} menahan pesan promosi pada {found}; peringatan bukan promosi",
        "en": "Networks of {country} numbers hold promotional messages at {found}; an alert is not one",
    },
    TextFault.RULES_UNKNOWN: {
        "id": "Aturan untuk nomor {country} belum diketahui; pesan dikirim tanpa tautan dan tanpa permintaan balasan",
        "en": "The rules for {country} numbers are not known; the message goes without a link or a request to reply",
    },
}
BLOCKING = frozenset(
    {
        TextFault.URL_BARRED,
        TextFault.URL_NEEDS_REGISTRATION,
        TextFault.PHONE_BARRED,
        TextFault.QUIET_HOURS,
    }
)
"""Keeps a message from being submitted while a text would go there. A country that nobody serves, or where only registered
senders pass and ours is none, is no fault of a message: its people are counted as not reachable by that way, and told so in the
preview; the others do not wait for them."""


@dataclass(frozen=True, slots=True)
class TextProblem:
    """One fault of a text for the numbers of one country. `found` is the part of the text or rule at fault, if any."""

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


def text_problems(rule: CountryRule, urls: Sequence[str], phones: Sequence[str]) -> Iterator[TextProblem]:
    """What the rule has against these links and phone numbers in a text; blocking ones first."""
    country = rule.number_country
    fault = _URL_FAULTS.get(rule.urls)
    found = [TextProblem(fault, country, url) for url in urls] if fault is not None else []
    if rule.phone_numbers is Known.NO:
        found += [TextProblem(TextFault.PHONE_BARRED, country, phone) for phone in phones]
    if rule.outbound is Known.UNKNOWN:
        found.append(TextProblem(TextFault.RULES_UNKNOWN, country))
    yield from sorted(found, key=lambda problem: not problem.is_blocking)


_URL_FAULTS = {
    Known.NO: TextFault.URL_BARRED,
    Known.REGISTERED_ONLY: TextFault.URL_NEEDS_REGISTRATION,
    Known.UNKNOWN: TextFault.URL_UNKNOWN,
}
