"""Which senders the settings configure, as the country rules see them: no connection, no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from alerts.channels.country_rules import PROVIDER, RULED_CHANNELS, SMS
from alerts.channels.rule_book import PROVIDER_OF_SENDER, Outlet
from alerts.channels.sms_dialect import read_dialect
from alerts.settings import Pace, Settings
from alerts.settings_groups import Sms2

OUR_NAMES = frozenset({PROVIDER, "fcm", "web_push", "whatsapp", "email", "voice"})
"""Senders that have the same name everywhere; a second provider's is in its description."""
EXERCISE_SENDER = "exercise:"
"""What the names of the exercises' senders begin with wherever one is written down: no name stands for both."""


def sent_by(name: str, *, is_exercise: bool) -> str:
    """A sender's name in the log of windows, in alarms and in paces."""
    return f"{EXERCISE_SENDER}{name}" if is_exercise else name


def account_of(sender: str) -> str:
    """The account of a sender of the log: texts, WhatsApp and calls of one provider share it, and an exercise's is another."""
    is_exercise, name = sender.startswith(EXERCISE_SENDER), sender.removeprefix(EXERCISE_SENDER)
    return sent_by(PROVIDER_OF_SENDER.get(name, name), is_exercise=is_exercise)


def other_accounts() -> Mapping[str, str]:
    """Senders that go by an account which is not named after them."""
    names = [sent_by(name, is_exercise=is_exercise) for name in PROVIDER_OF_SENDER for is_exercise in (False, True)]
    return {name: account_of(name) for name in names if account_of(name) != name}


def senders_of(account: str) -> list[str]:
    """The senders that go by an account, configured or not: the one that is named after it first."""
    return [account, *(name for name, other in other_accounts().items() if other == account)]


@dataclass(frozen=True, slots=True)
class SenderSets:
    """Every way out that is configured: the live set, and that of exercises. A message goes by the set of its own status."""

    live: tuple[Outlet, ...]
    exercise: tuple[Outlet, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> SenderSets:
        """Both sets, as the settings have them."""
        return cls(_live(settings), _exercise(settings))

    def outlets(self, *, is_exercise: bool) -> tuple[Outlet, ...]:
        """The ways out of one status, per channel in order of preference."""
        return self.exercise if is_exercise else self.live


class WayRates(NamedTuple):
    """Segments per second of an account, of a sender on it, and to one country whose rule names none; 0: unlimited."""

    account: float
    sender: float
    country: float


def rates_of(pace: Pace, outlet: Outlet, *, is_exercise: bool = False) -> WayRates:
    """What the settings say of a way out: the rate under its own name, else the common one, which is for ways by number alone.

    A push service or a mail server has nothing of a long code's limits. An exercise's sender may have a rate of its own.
    """
    by_number = outlet.channel in RULED_CHANNELS
    return WayRates(
        _named(pace.accounts, outlet.provider, is_exercise, pace.account_per_second if by_number else 0.0),
        _named(pace.senders, outlet.name, is_exercise, pace.sender_per_second if by_number else 0.0),
        pace.country_per_second if by_number else 0.0,
    )


def _named(rates: Mapping[str, float], name: str, is_exercise: bool, otherwise: float) -> float:  # noqa: FBT001
    return rates.get(sent_by(name, is_exercise=is_exercise), rates.get(name, otherwise))


def unknown_rates(settings: Settings) -> list[tuple[str, str]]:
    """(setting, name) of every rate under a name that nothing has: it holds nobody back, and what was meant goes at the common rate."""
    outlets = [*_live(settings), *_exercise(settings)]
    known = {
        "SIAGA_PACE_ACCOUNT_RATES": (settings.pace.accounts, {each.provider for each in outlets} | OUR_NAMES - set(PROVIDER_OF_SENDER)),
        "SIAGA_PACE_SENDER_RATES": (settings.pace.senders, {each.name for each in outlets} | OUR_NAMES),
    }
    return [(at, name) for at, (given, names) in known.items() for name in given if name.removeprefix(EXERCISE_SENDER) not in names]


def outlets_by_sender(settings: Settings, *, is_exercise: bool) -> dict[str, Outlet]:
    """The same ways by the names that they have in the log of windows."""
    return {sent_by(outlet.name, is_exercise=is_exercise): outlet for outlet in configured_outlets(settings, is_exercise=is_exercise)}


def configured_outlets(settings: Settings, *, is_exercise: bool = False) -> tuple[Outlet, ...]:
    """Every way out of the live set, or of the exercises' set, per channel in order of preference."""
    return _exercise(settings) if is_exercise else _live(settings)


def _live(settings: Settings) -> tuple[Outlet, ...]:
    twilio = settings.twilio
    names = {
        PROVIDER: (SMS, twilio.account_sid, twilio.from_ or twilio.messaging_service_sid),
        "fcm": ("push", settings.fcm.project, ""),
        "web_push": ("web_push", settings.web_push.private_key.get_secret_value(), ""),
        "whatsapp": ("whatsapp", settings.whatsapp.from_, settings.whatsapp.from_),
        "email": ("email", settings.email.host, settings.email.from_),
        "voice": ("voice", settings.voice.from_, settings.voice.from_),
    }
    return (*_those_configured(names, settings.sms2), *_second_provider(settings.sms2))


def _exercise(settings: Settings) -> tuple[Outlet, ...]:
    exercise = settings.exercise
    names = {
        PROVIDER: (SMS, exercise.twilio_account_sid, exercise.twilio_from),
        "fcm": ("push", exercise.fcm_project, ""),
        "web_push": ("web_push", settings.exercise_web_push.private_key.get_secret_value(), ""),
        "whatsapp": ("whatsapp", settings.exercise_whatsapp.from_, settings.exercise_whatsapp.from_),
        "email": ("email", settings.exercise_email.host, settings.exercise_email.from_),
        "voice": ("voice", settings.exercise_voice.from_, settings.exercise_voice.from_),
    }
    ours = (*_those_configured(names, settings.exercise_sms2), *_second_provider(settings.exercise_sms2))
    return tuple(replace(outlet, is_exercise=True) for outlet in ours)


def _those_configured(names: dict[str, tuple[str, str, str]], second: Sms2) -> list[Outlet]:
    """Of texts the second provider, where there is one, has its share of the whole."""
    left = 1 - second.share if second.url else 1.0
    return [
        Outlet(name=name, channel=channel, shown_as=shown, share=left if channel == SMS else 1.0)
        for name, (channel, account, shown) in names.items()
        if account
    ]


def _second_provider(group: Sms2) -> list[Outlet]:
    if not group.url:
        return []
    dialect = read_dialect(group.description)
    return [Outlet(name=dialect.name, channel=SMS, shown_as=group.from_, countries=dialect.countries, share=group.share)]
