"""Words and pure decisions of the register: classes, phone numbers, whose place counts as there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from alerts.kit.errors import InvalidError
from alerts.kit.p256 import decode_base64url, load_point
from alerts.kit.text import visible

PHONE_TEXT_MAX = 40
EMAIL_MAX = 254
AUTH_BYTES = 16
PHONE_CHARACTERS = re.compile(r"\+?[\d\s().\-/]+")
# A name that the library would only hand back, and a domain: nearly all addresses of a file.
USUAL_EMAIL = re.compile(r"(?=[^@]{1,64}@)([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([A-Za-z0-9.-]+)")
# A device that has not been seen for this long is not counted on.
DEVICE_LIVE_DAYS = 60
# "Today" differs over the globe by a day either way; a stay counts on the generous side.
STAY_TOLERANCE = timedelta(days=1)


class CitizenClass(StrEnum):
    """How a person is abroad. Contingents are counted by the army and never texted from this register.

    `synthetic`: made up by us to try a sender; lives nowhere (country ZZ), and no count, list or answer holds it.
    """

    RESIDENT = "resident"
    TRAVELLER = "traveller"
    CONTINGENT = "contingent"
    SEAFARER = "seafarer"
    SYNTHETIC = "synthetic"


class DevicePlatform(StrEnum):
    """The push service of a device."""

    FCM = "fcm"


@dataclass(frozen=True, slots=True)
class LinkUsed:
    """The personal link by which a browser or an app came: the audience member's number, and the link's generation."""

    member_id: int
    generation: int


class OptSource(StrEnum):
    """How we learned that somebody wants no messages, or wants them again."""

    INBOUND = "inbound"
    CARRIER = "carrier"
    IMPORT = "import"
    STAFF = "staff"
    APP = "app"


class ImportState(StrEnum):
    """A run that is not done is seen by its own transaction only."""

    RUNNING = "running"
    DONE = "done"


class RowOutcome(StrEnum):
    """What became of a row; in a dry run, what would become of it."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why somebody is in an audience; the surest first."""

    ON_LIST = "on_list"
    IN_SHAPE = "in_shape"
    IN_PROVINCE = "in_province"
    PROVINCE_TOWN_IN_SHAPE = "province_town_in_shape"
    IN_COUNTRY = "in_country"


# Seafarers belong to a vessel and are found by lists; contingents by nobody here.
FOUND_BY_AREA = (CitizenClass.RESIDENT, CitizenClass.TRAVELLER)
NEVER_TEXTED = (CitizenClass.CONTINGENT, CitizenClass.SYNTHETIC)
NOWHERE = "ZZ"
"""Where made-up citizens are: no country has this code."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A usable number in E.164 and the country it belongs to (ISO 3166-1; `001` for a global one)."""

    e164: str
    country: str


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser's subscription as it gives it: where to post, its keys in base64url, and which of our two keys it is for."""

    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    is_exercise: bool = False


def parse_browser(endpoint: str, p256dh: str, auth: str, *, is_exercise: bool = False) -> Browser:
    """A subscription whose keys are keys. Raises InvalidError naming the one that is none; the endpoint is judged elsewhere."""
    try:
        load_point(p256dh)
    except ValueError:
        raise InvalidError("key_malformed", "this is no public key of a browser", field="keys.p256dh") from None
    try:
        is_secret = len(decode_base64url(auth)) == AUTH_BYTES
    except ValueError:
        is_secret = False
    if not is_secret:
        raise InvalidError("key_malformed", "this is no secret of a browser", field="keys.auth")
    return Browser(endpoint, p256dh.rstrip("="), auth.rstrip("="), is_exercise)


def parse_phone(written: str, *, default_region: str | None = None, field: str = "phone") -> PhoneNumber:
    """One E.164 number from what a person wrote; full-width and Arabic digits, spaces, dashes and brackets are fine.

    A number without `+` is read in `default_region` (ISO 3166-1). Raises InvalidError (422) naming `field`.
    """
    text = _plain(written)
    if not text or "\x00" in written or len(text) > PHONE_TEXT_MAX or not PHONE_CHARACTERS.fullmatch(text):
        raise InvalidError("phone_malformed", "a phone number is digits, with a + and the country code in front", field=field)
    if not text.startswith("+") and default_region is None:
        raise InvalidError("phone_without_country", "write the number with + and its country code", field=field)
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        raise InvalidError("phone_malformed", "this is not a phone number", field=field) from None
    country = phonenumbers.region_code_for_number(number)
    if country is None or not phonenumbers.is_valid_number_for_region(number, country):
        raise InvalidError("phone_invalid", "no country gives out such a number", field=field)
    return PhoneNumber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), country)


def _plain(written: str) -> str:
    """Without what cannot be seen, and with plain digits for full-width ones; most of a large file needs neither."""
    if written.isascii() and written.isprintable():
        return written.strip()
    return unicodedata.normalize("NFKC", visible(written)).strip()


def find_phone(written: str, regions: Iterable[str]) -> PhoneNumber | None:
    """`parse_phone` for a number that may be national: read in each region, and taken if exactly one number comes out."""
    found = set()
    is_international = written.lstrip().startswith(("+", "\uff0b"))
    for region in [None] if is_international else dict.fromkeys(regions):
        try:
            found.add(parse_phone(written, default_region=region))
        except InvalidError:
            continue
    return found.pop() if len(found) == 1 else None


def parse_email(written: str, *, field: str = "email") -> str:
    """One address as it is written to: plain letters, the domain in lower case and as the network names it.

    Whether somebody reads there is not asked. Raises InvalidError (422) naming `field`; an address in letters that
    most mail servers do not take is refused too.
    """
    text = "" if "\x00" in written else _plain(written)
    if not text or len(text) > EMAIL_MAX:
        raise InvalidError("email_malformed", "an e-mail address is a name, an @ and a domain", field=field)
    usual = USUAL_EMAIL.fullmatch(text)
    domain = _mail_domain(usual[2]) if usual else None
    address = f"{usual[1]}@{domain}" if usual and domain else _checked_email(text)
    if address is None:
        raise InvalidError("email_malformed", "this is not an e-mail address that can be written to", field=field)
    return address


def _checked_email(text: str) -> str | None:
    """The address as the library writes it, or None; a tenth of a millisecond."""
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True)
    except EmailNotValidError:
        return None
    return found.ascii_email or found.normalized


@lru_cache(maxsize=4096)
def _mail_domain(domain: str) -> str | None:
    """The domain as the library writes it, or None. A large file names the same few."""
    found = _checked_email(f"a@{domain}")
    return found.partition("@")[2] if found else None


def fold_email(address: str) -> str:
    """An address as it is found again: servers that tell capital letters apart are not met."""
    return address.casefold()


def fold_name(name: str) -> str:
    """A name as it is searched for: without case, marks, punctuation and surplus spaces."""
    apart = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(c for c in apart if not unicodedata.combining(c)).replace("ı", "i")
    return " ".join(re.findall(r"[^\W_]+", bare))


def mask_name(name: str) -> str:
    """Enough to recognise a row by, not a person: `B••• S•••`."""
    return " ".join(f"{word[0]}•••" for word in name.split()[:4])


def mask_phone(e164: str) -> str:
    """The first three characters and the last three digits."""
    return f"{e164[:3]}•••{e164[-3:]}"


def csv_safe(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
