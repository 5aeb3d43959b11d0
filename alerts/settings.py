"""Every setting of every process: one frozen object, built once, passed down.

Read from the environment as `SIAGA_<GROUP>_<FIELD>` (`SIAGA_TWILIO_ACCOUNT_SID`); a secret may
instead be named by a file: `SIAGA_TWILIO_AUTH_TOKEN_FILE=/run/secrets/token`. The defaults of the
timings are the values for production; tests run at 1/60 of them or shorter.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from fastapi import Depends, Request
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from alerts.kit.crypto import Keyring
from alerts.settings_apart import check_apart
from alerts.settings_groups import (
    Calls,
    Chasing,
    Email,
    Exercise,
    Exports,
    Group,
    Roaming,
    Sms2,
    Synthetic,
    Voice,
    WebPush,
    WhatsApp,
    is_loopback_host,
    read_rates,
)

PREFIX = "SIAGA_"
TWILIO_LIVE_URL = "https://api.twilio.com"
FCM_LIVE_URL = "https://fcm.googleapis.com"
PATHS = frozenset({"SIAGA_FCM_CREDENTIALS_FILE", "SIAGA_EXERCISE_FCM_CREDENTIALS_FILE"})
"""Settings that are the path of a file themselves."""
NOT_SETTINGS = frozenset({"SIAGA_TWILIO_OPENAPI", "SIAGA_CARRIER_COMMAND"})
"""Names of ours in the environment that tell a test or the demo something and a process nothing."""


class Mode(StrEnum):
    """`production` refuses the secrets that demo and tests make up for themselves."""

    PRODUCTION = "production"
    DEMO = "demo"
    TEST = "test"


class Database(Group):
    """Postgres 18 or newer, as an SQLAlchemy URL of the `psycopg` driver."""

    url: SecretStr = SecretStr("")
    pool_size: int = Field(8, ge=1, le=100)
    statement_timeout_seconds: float = Field(30, gt=0)


class Redis(Group):
    """Valkey or Redis: wake-up hints only. Every key and channel begins with `prefix`."""

    url: SecretStr = SecretStr("")
    prefix: str = "siaga:"


class Keys(Group):
    """Secret keys, base64 of 32 bytes each. `data` may list versions: `1:<key>,2:<key>`, the highest writes."""

    data: SecretStr = SecretStr("")
    index: SecretStr = SecretStr("")
    link: SecretStr = SecretStr("")
    callback: SecretStr = SecretStr("")


class Twilio(Group):
    """The live SMS account. `base_url` may name the sandbox carrier in demo and tests."""

    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    auth_token_previous: SecretStr = SecretStr("")
    from_: str = Field("", alias="from")
    messaging_service_sid: str = ""
    base_url: str = TWILIO_LIVE_URL
    timeout_seconds: float = Field(15, gt=0)


class Fcm(Group):
    """Firebase Cloud Messaging, HTTP v1. `static_token` replaces the service account at a sandbox."""

    project: str = ""
    credentials_file: str = ""
    static_token: SecretStr = SecretStr("")
    base_url: str = FCM_LIVE_URL
    timeout_seconds: float = Field(10, gt=0)


class Delivery(Group):
    """Pace and patience of the fan-out. Seconds, unless the name says otherwise."""

    batch_size: int = Field(1000, ge=1, le=2000)
    window_size: int = Field(125, ge=1, le=500, description="messages begun together; with the next, what a kill may leave unknown")
    windows_in_flight: int = Field(3, ge=1, le=20, description="windows under way at once in one process")
    concurrency: int = Field(128, ge=1, le=2000)
    lease_seconds: float = Field(60, gt=0)
    sweep_seconds: float = Field(5, gt=0)
    receipts_seconds: float = Field(0.5, gt=0)
    step_seconds: float = Field(180, gt=0, description="who has not answered by then is tried by the next way")
    ring_seconds: float = Field(1, gt=0, description="how often batches that are due are asked for")
    lookup_after_seconds: float = Field(120, gt=0)
    resend_after_seconds: float = Field(300, gt=0)
    retry_seconds: float = Field(15, gt=0)
    rest_seconds: float = Field(60, gt=0, description="how long a sender rests that refuses our account, or a lane whose queue is full")
    watch_seconds: float = Field(15, gt=0, description="how often failures told by receipts are counted and alarmed")
    hold_seconds: float = Field(120, gt=0, description="a first alert waits so long for a second person to stop it")
    clock_seconds: float = Field(1, gt=0, description="how often holds and promised times that are due are looked for")
    wave_seconds: float = Field(60, gt=0, description="how often latecomers are looked for")
    promise_lead_seconds: float = Field(600, gt=0, description="so long before a promised time the duty officer is asked")


class Pace(Group):
    """How fast we may send: segments per second (0: unlimited), shared by all workers. Otherwise seconds.

    `account_rates` and `sender_rates` are `name=rate` pairs, by the names of providers and of senders; the common rates are
    for ways by number that they do not name. A country's own rule goes before `country_per_second`. Without Valkey every
    worker keeps to its share of these rates: one of as many as were last seen, but never fewer than `processes`.
    """

    account_per_second: float = Field(0, ge=0)
    sender_per_second: float = Field(0, ge=0)
    account_rates: str = ""
    sender_rates: str = ""
    country_per_second: float = Field(0, ge=0)
    processes: int = Field(4, ge=1)
    burst_seconds: float = Field(0.25, gt=0, le=1, description="a grant reaches no further: a cancel takes effect within 2 s")
    regain_seconds: float = Field(60, gt=0)
    timeout_seconds: float = Field(0.25, gt=0, le=0.3)
    probe_seconds: float = Field(0.5, gt=0)
    settle_seconds: float = Field(2, gt=0)
    beat_seconds: float = Field(5, gt=0)

    @field_validator("account_rates", "sender_rates")
    @classmethod
    def _can_be_read(cls, pairs: str) -> str:
        """A rate that nobody can read must not become "unlimited"."""
        read_rates(pairs)
        return pairs

    @cached_property
    def accounts(self) -> Mapping[str, float]:
        """The rate of each account that has one of its own, by provider."""
        return read_rates(self.account_rates)

    @cached_property
    def senders(self) -> Mapping[str, float]:
        """The rate of each sender that has one of its own, by its name in the log of windows."""
        return read_rates(self.sender_rates)


class Routing(Group):
    """How windows move between two senders of one channel. Seconds."""

    memory_seconds: float = Field(15, gt=0)
    back_seconds: float = Field(300, gt=0)
    slow_seconds: float = Field(5, gt=0)
    sync_seconds: float = Field(1, gt=0)


class Relay(Group):
    """The outbox relay and the schedule. Seconds."""

    poll_seconds: float = Field(0.2, gt=0)
    rering_seconds: float = Field(5, gt=0)
    batch_size: int = Field(200, ge=1)


class Paging(Group):
    """Messages to staff that repeat until somebody acts. Seconds."""

    repeat_seconds: float = Field(120, gt=0)
    poll_seconds: float = Field(1, gt=0)
    lease_seconds: float = Field(60, gt=0)
    retry_seconds: float = Field(5, gt=0)
    alarm_seconds: float = Field(3600, gt=0, description="an alarm of one kind and sender is told at most this often")


class Callout(Group):
    """Calling the crew when an incident opens. Seconds."""

    deputy_seconds: float = Field(180, gt=0, description="the next deputy is called after this, unless somebody says that they are coming")


class Health(Group):
    """When what waits is a fault, and somebody is called. Seconds."""

    late_seconds: float = Field(60, gt=0, description="work that is due, events, receipts and messages to staff wait so long at most")
    silent_seconds: float = Field(120, gt=0, description="a queue that always has work may be without any news of a worker")
    answer_seconds: float = Field(600, gt=0, description="an event whose task has not answered by then")
    check_seconds: float = Field(60, gt=0, description="how often the promises are looked at")
    idle_seconds: float = Field(300, gt=0, description="a worker whose queue holds work and that begins none ends itself")


class Live(Group):
    """The live screens. Seconds."""

    republish_seconds: float = Field(15, gt=0)
    refresh_seconds: float = Field(1, gt=0, description="a sheet is recomputed at most this often")
    report_due_seconds: float = Field(300, gt=0, description="a mission's first report is due after this")
    digest_seconds: float = Field(3600, gt=0, description="the minister is told at least so often; a third as often where it is not grave")
    reach_seconds: float = Field(3, ge=0, description="so long a message's reach is shown before it is counted anew")


class Web(Group):
    """What the HTTP server may be asked and whom it believes."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    max_body_bytes: int = Field(4_000_000, ge=1)
    hook_body_bytes: int = Field(65_536, ge=1)
    upload_bytes: int = Field(32_000_000, ge=1)
    picture_bytes: int = Field(16_000_000, ge=1)
    trusted_proxies: str = ""
    session_idle_seconds: float = Field(1800, gt=0)
    session_absolute_seconds: float = Field(43200, gt=0)


class Settings(Group):
    """All of it. Build with `Settings.from_environment()`."""

    mode: Mode = Mode.PRODUCTION
    public_url: str = "http://127.0.0.1:8000"
    home_country: str = Field("ID", pattern="^[A-Z]{2}$")
    database: Database = Database()
    redis: Redis = Redis()
    keys: Keys = Keys()
    twilio: Twilio = Twilio()
    fcm: Fcm = Fcm()
    web_push: WebPush = WebPush()
    email: Email = Email()
    whatsapp: WhatsApp = WhatsApp()
    voice: Voice = Voice()
    sms2: Sms2 = Sms2()
    exercise: Exercise = Exercise()
    exercise_web_push: WebPush = WebPush()
    exercise_email: Email = Email()
    exercise_whatsapp: WhatsApp = WhatsApp()
    exercise_voice: Voice = Voice()
    exercise_sms2: Sms2 = Sms2()
    delivery: Delivery = Delivery()
    pace: Pace = Pace()
    routing: Routing = Routing()
    synthetic: Synthetic = Synthetic()
    calls: Calls = Calls()
    chasing: Chasing = Chasing()
    exports: Exports = Exports()
    roaming: Roaming = Roaming()
    relay: Relay = Relay()
    paging: Paging = Paging()
    callout: Callout = Callout()
    live: Live = Live()
    health: Health = Health()
    web: Web = Web()

    @model_validator(mode="after")
    def _exercise_is_disjoint(self) -> Self:
        """The exercise senders may share nothing with the live ones that could reach a citizen."""
        check_apart(self)
        return self

    @model_validator(mode="after")
    def _ways_have_accounts(self) -> Self:
        """WhatsApp and calls go by the Twilio account of their own set."""
        live = (self.twilio.account_sid, self.whatsapp.from_, self.voice.from_)
        exercise = (self.exercise.twilio_account_sid, self.exercise_whatsapp.from_, self.exercise_voice.from_)
        if any((whatsapp or voice) and not account for account, whatsapp, voice in (live, exercise)):
            raise ValueError("WhatsApp and calls need the Twilio account that they go by")
        return self

    @model_validator(mode="after")
    def _carriers_stay_on_this_machine(self) -> Self:
        """Demo and tests talk to carriers on loopback only, whatever the environment says."""
        if self.mode is Mode.PRODUCTION:
            return self
        urls = [self.twilio.base_url, self.fcm.base_url, self.exercise.twilio_base_url, self.exercise.fcm_base_url]
        urls += [self.sms2.url, self.exercise_sms2.url, self.roaming.url]
        for url in urls:
            if url not in ("", TWILIO_LIVE_URL, FCM_LIVE_URL) and not is_loopback(url):
                raise ValueError(f"in mode {self.mode} a carrier must be on loopback, not {urlsplit(url).hostname}")
        for mail in (self.email, self.exercise_email):
            if mail.host and not is_loopback_host(mail.host):
                raise ValueError(f"in mode {self.mode} a mail server must be on loopback, not {mail.host}")
        return self

    @property
    def channels(self) -> frozenset[str]:
        """Ways to citizens that have a sender; whoever could only be reached by another is counted as not reachable."""
        configured = {
            "push": self.fcm.project,
            "web_push": self.web_push.private_key.get_secret_value(),
            "sms": self.twilio.account_sid or self.sms2.url,
            "whatsapp": self.whatsapp.from_,
            "email": self.email.host,
            "voice": self.voice.from_,
        }
        return frozenset(name for name, account in configured.items() if account)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys, decoded. Raises ValueError naming the setting that is missing or malformed."""
        decoded = {}
        for name in ("index", "link", "callback"):
            decoded[name] = _decode_key(getattr(self.keys, name).get_secret_value(), f"SIAGA_KEYS_{name.upper()}")
        return Keyring(data=_decode_versions(self.keys.data.get_secret_value()), **decoded)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `SIAGA_*` (and `SIAGA_*_FILE`). Raises SystemExit with one readable line per fault."""
        env = dict(os.environ if environment is None else environment)
        try:
            return cls.model_validate(_nest(_with_files(env)))
        except ValidationError as error:
            lines = (f"{PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors())
            raise SystemExit("settings are not usable:\n  " + "\n  ".join(lines)) from None


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _with_files(env: dict[str, str]) -> dict[str, str]:
    for name, path in list(env.items()):
        if name.startswith(PREFIX) and name.endswith("_FILE") and name not in PATHS:
            env[name.removesuffix("_FILE")] = Path(path).read_text(encoding="utf-8").strip()
            del env[name]
    return env


def _nest(env: Mapping[str, str]) -> dict[str, object]:
    """`SIAGA_TWILIO_AUTH_TOKEN` → {"twilio": {"auth_token": …}}; names of no group are left alone."""
    groups = {n for n, f in Settings.model_fields.items() if isinstance(f.annotation, type) and issubclass(f.annotation, Group)}
    nested: dict[str, object] = {}
    for name, value in env.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        key = name.removeprefix(PREFIX).lower()
        # The longest name that fits: `web_push_subject` belongs to `web_push`, not to `web`.
        group = max((each for each in groups if key.startswith(f"{each}_")), key=len, default="")
        if group:
            field = key.removeprefix(f"{group}_")
            inner = nested.setdefault(group, {})
            assert isinstance(inner, dict)
            inner[field] = value
        elif key in Settings.model_fields:
            nested[key] = value
    return nested


def _decode_key(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"{name} is not base64") from None
    if len(key) != 32:
        raise ValueError(f"{name} must be base64 of 32 bytes")
    return key


def _decode_versions(text: str) -> dict[int, bytes]:
    versions = {}
    for number, part in enumerate(text.split(","), start=1):
        head, colon, tail = part.partition(":")
        version, key = (int(head), tail) if colon else (number, part)
        versions[version] = _decode_key(key, "SIAGA_KEYS_DATA")
    return versions


def new_key() -> str:
    """A fresh key in the form the settings take."""
    return base64.b64encode(os.urandom(32)).decode()


def _of_app(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _keyring_of_app(request: Request) -> Keyring:
    return _of_app(request).keyring


SettingsDep = Annotated[Settings, Depends(_of_app)]
KeyringDep = Annotated[Keyring, Depends(_keyring_of_app)]
