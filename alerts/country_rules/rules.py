"""What makes an edited country rule acceptable, and what counts as a change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import time
from enum import StrEnum
from typing import Any

from alerts.channels.country_rules import CountryRule, Known, QuietScope, SenderKind
from alerts.kit.errors import InvalidError
from alerts.kit.i18n import N_, find_zone
from alerts.places import is_country

KEY_FIELDS = ("provider", "channel", "number_country")
VALUE_FIELDS = tuple(field.name for field in fields(CountryRule) if field.name not in (*KEY_FIELDS, "version", "is_listed"))
"""What an edit can change, in the order of the table."""
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
SENDER_ID = re.compile(r"\+[1-9][0-9]{5,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ._&+-]{1,11}|MG[0-9a-f]{32}")
CURRENCY = re.compile(r"[A-Z]{3}")
SENTENCES = {
    "unknown_country": N_("This is not a country that we know (two capital letters, as ISO 3166 has them)."),
    "provider_name": N_("A provider is named by small letters, digits, _ and -."),
    "sender_id_form": N_("A sender is a number with +, a short code, a name of at most 11 characters, or a messaging service (MG…)."),
    "currency_form": N_("A currency is three capital letters, and stands beside a price."),
    "price_missing": N_("A currency needs a price beside it."),
    "quiet_hours_ends": N_("Quiet hours have a beginning and an end, and the two differ."),
    "quiet_hours_missing": N_("Say from when until when everything is held back."),
    "quiet_zone": N_("Quiet hours go by a clock: name its time zone, such as Asia/Dubai."),
    "source_missing": N_("Say where the rule is written: a rule without a source is a rumour."),
    "no_outlet": N_("No sender is allowed there, so sending cannot be allowed: set one of the two."),
}


class RuledChannel(StrEnum):
    """Ways that go by a number, and so have rules by its country."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    VOICE = "voice"


def check_key(*, provider: str, number_country: str) -> None:
    """The rule's place exists. Raises InvalidError naming the part of the address."""
    if not PROVIDER_NAME.fullmatch(provider):
        raise _refusal("provider_name", "path.provider")
    if not is_country(number_country):
        raise _refusal("unknown_country", "path.number_country")


def check_rule(rule: CountryRule) -> None:
    """The rule makes sense by itself. Raises InvalidError naming the field."""
    if rule.sender_id and not SENDER_ID.fullmatch(rule.sender_id):
        raise _refusal("sender_id_form", "sender_id")
    if rule.outbound is Known.YES and rule.sender_kind is SenderKind.NONE:
        raise _refusal("no_outlet", "sender_kind")
    if rule.price_per_segment is None and rule.currency:
        raise _refusal("price_missing", "price_per_segment")
    if rule.price_per_segment is not None and not CURRENCY.fullmatch(rule.currency):
        raise _refusal("currency_form", "currency")
    _check_quiet_hours(rule)
    if not rule.source.strip():
        raise _refusal("source_missing", "source")


def _check_quiet_hours(rule: CountryRule) -> None:
    if (rule.quiet_from is None) != (rule.quiet_until is None) or (rule.quiet_from is not None and rule.quiet_from == rule.quiet_until):
        raise _refusal("quiet_hours_ends", "quiet_until")
    if rule.quiet_scope is QuietScope.EVERYTHING and rule.quiet_from is None:
        raise _refusal("quiet_hours_missing", "quiet_from")
    is_clock_needed = rule.quiet_from is not None or bool(rule.quiet_zone)
    if is_clock_needed and find_zone(rule.quiet_zone) is None:
        raise _refusal("quiet_zone", "quiet_zone")


def values_of(rule: CountryRule) -> dict[str, Any]:
    """What an edit could change, by name."""
    return {name: getattr(rule, name) for name in VALUE_FIELDS}


def differences(before: CountryRule, after: CountryRule) -> list[str]:
    """Names of the fields that differ."""
    old, new = values_of(before), values_of(after)
    return [name for name in VALUE_FIELDS if old[name] != new[name]]


def clock_time(text: str | None) -> time | None:
    """`21:00` as a time of day; None for nothing."""
    return time.fromisoformat(text) if text else None


def _refusal(code: str, field: str) -> InvalidError:
    return InvalidError(code, SENTENCES[code], field=field)


def both_sides(before: CountryRule, after: CountryRule) -> Mapping[str, tuple[str, str]]:
    """What an edit changed, as text before and after, for the history."""
    return {name: (_shown(getattr(before, name)), _shown(getattr(after, name))) for name in differences(before, after)}


def _shown(value: object) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)
