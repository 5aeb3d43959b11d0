"""Two languages, Indonesian first: gettext catalogues read straight from their .po files, and local formats.

A newcomer needs no compile step: `alerts/locale/<lang>/LC_MESSAGES/siaga.po` is parsed once per process.
The message id is the English sentence, so code stays readable; both languages have an entry for every id.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LANGUAGES = ("id", "en")
DEFAULT_LANGUAGE = "id"
DOMAIN = "siaga"
LOCALE_FOLDER = Path(__file__).resolve().parent.parent / "locale"
JAKARTA = ZoneInfo("Asia/Jakarta")
# What people in Indonesia call their zones; every other zone is shown as an offset from UTC.
ZONE_NAMES = {"Asia/Jakarta": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT", "UTC": "UTC"}


@dataclass(frozen=True)
class Translator:
    """Sentences, numbers and times of one language."""

    lang: str
    _catalogue: gettext.NullTranslations

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.lang)

    def gettext(self, message: str, /, **values: object) -> str:
        """The sentence in this language; `%(name)s` places are filled from `values`."""
        text = self._catalogue.gettext(message)
        return text % values if values else text

    def ngettext(self, singular: str, plural: str, number: int, /, **values: object) -> str:
        """The form that fits `number`; `%(num)s` is the number in the locale."""
        text = self._catalogue.ngettext(singular, plural, number)
        return text % {"num": self.number(number), **values}

    def number(self, value: float | Decimal) -> str:
        """1447 → `1.447` (id) or `1,447` (en)."""
        return str(format_decimal(value, locale=self.lang))

    def percent(self, value: float) -> str:
        """0.953 → `95%`."""
        return str(format_percent(value, locale=self.lang))

    def time(self, at: datetime, zone: ZoneInfo = JAKARTA) -> str:
        """`6 Feb 2023 08.17 WIB`: day, minute and zone; never a time without its zone."""
        local = at.astimezone(zone)
        pattern = "d MMM y HH.mm" if self.lang == "id" else "d MMM y HH:mm"
        return f"{format_datetime(local, pattern, locale=self.lang)} {zone_name(local, zone)}"

    def age(self, seconds: float) -> str:
        """How long ago, in the largest unit that says something: `3 min`, `2 h`, `5 days`."""
        minutes = max(0, int(seconds // 60))
        if minutes < 1:
            return self.gettext("under a minute")
        if minutes < 60:
            return self.ngettext("%(num)s minute", "%(num)s minutes", minutes)
        if minutes < 48 * 60:
            return self.ngettext("%(num)s hour", "%(num)s hours", minutes // 60)
        return self.ngettext("%(num)s day", "%(num)s days", minutes // (24 * 60))


@cache
def translator(lang: str) -> Translator:
    """The translator of `id` or `en`; an unknown language gets the first of them."""
    lang = lang if lang in LANGUAGES else DEFAULT_LANGUAGE
    return Translator(lang, _load(lang))


def catalogue_path(lang: str) -> Path:
    return LOCALE_FOLDER / lang / "LC_MESSAGES" / f"{DOMAIN}.po"


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Marks a sentence for the catalogues where it is written; it is translated where it is shown."""
    return message


def both(message: str, /, **values: object) -> dict[str, str]:
    """The sentence in every language, as the wire carries it: `{"id": …, "en": …}`."""
    return {lang: translator(lang).gettext(message, **values) for lang in LANGUAGES}


def choose_language(chosen: str | None, account: str | None, accepted: str | None) -> str:
    """The cookie's language, else the account's, else the browser's, else Indonesian."""
    for wanted in (chosen, account):
        if wanted in LANGUAGES:
            return str(wanted)
    return negotiate_locale(_accepted(accepted or ""), LANGUAGES, sep="-") or DEFAULT_LANGUAGE


def find_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of an IANA name, or None for no name or an unknown one."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_name(local: datetime, zone: ZoneInfo) -> str:
    """`WIB` for Jakarta, `UTC+3` for a zone without a name that everybody knows."""
    if zone.key in ZONE_NAMES:
        return ZONE_NAMES[zone.key]
    offset = local.utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset is not None else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _load(lang: str) -> gettext.NullTranslations:
    with catalogue_path(lang).open("rb") as file:
        catalogue = read_po(file)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _accepted(header: str) -> Iterable[str]:
    """Language tags of an Accept-Language header in the order given; weights are written in order in practice."""
    for part in header[:200].split(","):
        tag = part.split(";")[0].strip()
        yield tag
        yield tag.split("-")[0]
