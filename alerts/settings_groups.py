"""Groups of settings: ways out, for the live senders and for the exercises' alike, and the calls of those whom none reached."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter, field_validator, model_validator

from alerts.kit.p256 import load_private_key

NUMBER = r"^(\+[1-9][0-9]{6,14})?$"
TEMPLATES = TypeAdapter(dict[str, dict[str, Annotated[str, StringConstraints(pattern=r"^HX[0-9a-fA-F]{32}$")]]])
ANSWERING_CHANNELS = frozenset({"sms", "whatsapp", "voice"})
RATE = re.compile(r"([\w.:-]+)\s*=\s*([0-9]+(?:\.[0-9]+)?)", re.ASCII)
SUBJECT = re.compile(r"mailto:[^\s@]+@[^\s@]+\.[^\s@]+|https://[\w-]+\.[\w.-]+")


class Group(BaseModel):
    """One nested group; unknown names inside a known group are refused, so a typo is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Calls(Group):
    """The call list of those whom no message reached. Seconds."""

    after_seconds: float = Field(900, gt=0, description="silence after the last way, before somebody is to be called")
    lease_seconds: float = Field(900, gt=0, description="how long a caller has a row alone")
    again_seconds: float = Field(900, gt=0, description="after no answer; doubles, up to sixteen times this")


class Chasing(Group):
    """Asking missions for reports that do not come. Seconds; each step counts from the one before."""

    poll_seconds: float = Field(1, gt=0, description="how often clocks that have run out are looked for")
    voice_after_seconds: float = Field(120, gt=0, description="after push and text to the duty phone, until it is called")
    head_after_seconds: float = Field(120, gt=0, description="after the call, until the head of the mission is asked")
    ministry_after_seconds: float = Field(180, gt=0, description="after the head of the mission, until the ministry is told")
    repeat_seconds: float = Field(300, gt=0, description="from then on, with one more duty officer each time")
    acknowledged_seconds: float = Field(900, gt=0, description="how long nobody is asked once somebody has taken it on")
    snooze_max_seconds: float = Field(21_600, gt=0, description="the longest that a clock may be snoozed")
    promise_waits: float = Field(12, ge=1, description="a promised time is waited for at most so many of the severity's waits")
    extreme_seconds: float = Field(1800, gt=0, description="between reports without a promise, by the incident's severity")
    severe_seconds: float = Field(3600, gt=0)
    moderate_seconds: float = Field(10_800, gt=0)
    minor_seconds: float = Field(21_600, gt=0)
    unknown_seconds: float = Field(3600, gt=0)


class Exports(Group):
    """Files of who was reached. Seconds."""

    wait_seconds: float = Field(86_400, gt=0, description="how long a request waits for a second person")
    fetch_seconds: float = Field(900, gt=0, description="how long a granted file can be fetched")


class Roaming(Group):
    """The home operator's roaming broadcast: a plain HTTP interface, described here. Empty `operator`: there is none.

    `fields` and `answers` are `ours=theirs` pairs; theirs is a field's name or a JSON pointer.
    """

    operator: str = Field("", max_length=40)
    url: str = ""
    token: SecretStr = SecretStr("")
    fields: str = "reference=reference,country=country,language=language,text=text,validity=validity_seconds"
    answers: str = "ref=id,as_of=as_of,found=/counts/found,delivered=/counts/delivered,final=final"
    timeout_seconds: float = Field(15, gt=0)
    lease_seconds: float = Field(60, gt=0)
    count_seconds: float = Field(60, gt=0, description="how often counts are asked for")


class SubscriptionKeys(BaseModel):
    """The keys of a browser, base64url."""

    p256dh: str
    auth: str


class Subscription(BaseModel):
    """A browser's own word on where it takes messages."""

    endpoint: str
    keys: SubscriptionKeys


SUBSCRIPTION = TypeAdapter(Subscription)


class WebPush(Group):
    """Web Push under our own key (VAPID): PEM, or base64url of its 32 bytes. Empty: no browser is reached."""

    private_key: SecretStr = SecretStr("")
    subject: str = ""
    hosts: str = ""
    ttl_seconds: int = Field(2_419_200, ge=60, le=2_419_200)
    timeout_seconds: float = Field(10, gt=0)

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value():
            load_private_key(key.get_secret_value())
        return key

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        """Push services want somebody to turn to, and some refuse a signature without."""
        if self.private_key.get_secret_value() and not SUBJECT.fullmatch(self.subject):
            raise ValueError("web push needs a subject: mailto: with an address, or an https address")
        return self

    @property
    def extra_hosts(self) -> frozenset[str]:
        """Push services besides the known ones: host names, a leading dot for all below that name."""
        return frozenset(host.strip().lower() for host in self.hosts.split(",") if host.strip())


class WhatsApp(Group):
    """WhatsApp at the Twilio account: the number it comes from, and the template of each language and text variant.

    `content_sids` is JSON: `{"id": {"plain": "HX…", "link": "HX…"}, "en": {…}}`; every language has a `plain` one.
    """

    from_: str = Field("", alias="from", pattern=NUMBER)
    content_sids: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.from_) != bool(self.content_sids):
            raise ValueError("WhatsApp needs both a number and the templates that it approved")
        if any("plain" not in variants for variants in self.sids.values()):
            raise ValueError("every language of WhatsApp's templates needs a `plain` one")
        return self

    @cached_property
    def sids(self) -> Mapping[str, Mapping[str, str]]:
        """The template of each language and variant."""
        return TEMPLATES.validate_json(self.content_sids) if self.content_sids else {}

    @property
    def templates(self) -> frozenset[str]:
        """Every template there is."""
        return frozenset(sid for variants in self.sids.values() for sid in variants.values())


class Voice(Group):
    """Calls at the Twilio account: the number they come from. Empty: nobody is called."""

    from_: str = Field("", alias="from", pattern=NUMBER)


class Sms2(Group):
    """A second provider of texts: its account here, how it speaks in `description` (JSON). Without `url`: none."""

    url: str = ""
    description: str = ""
    from_: str = Field("", alias="from")
    user: str = ""
    secret: SecretStr = SecretStr("")
    receipt_secret: SecretStr = SecretStr("")
    timeout_seconds: float = Field(10, gt=0)
    share: float = Field(0.1, ge=0, le=1, description="its part of the texts while both are well; 0: only when the first is not")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.url and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError("the provider's address begins with https: (or http: on this machine)")
        if self.url and not (self.description and self.secret.get_secret_value()):
            raise ValueError("a second provider needs its description and its secret")
        return self


class Synthetic(Group):
    """Our own addresses, to which every live sender is tried by a real message once a period (seconds).

    A number, token or mailbox of ours per channel; a channel without one is not tried. `sms2`: for the second provider
    of texts, where it does not serve the country of `sms`. `web_push` is a browser's
    subscription as its `PushSubscription.toJSON()` gives it. `replies` names the channels whose end answers by itself
    (a phone that replies 1 to every text): there a round trip is over when the answer is back.
    """

    period_seconds: float = Field(3600, gt=0)
    check_seconds: float = Field(60, gt=0)
    sms: str = Field("", pattern=NUMBER)
    sms2: str = Field("", pattern=NUMBER)
    whatsapp: str = Field("", pattern=NUMBER)
    voice: str = Field("", pattern=NUMBER)
    email: str = ""
    push: SecretStr = SecretStr("")
    web_push: SecretStr = SecretStr("")
    replies: str = ""

    @field_validator("web_push")
    @classmethod
    def _is_a_subscription(cls, given: SecretStr) -> SecretStr:
        if given.get_secret_value():
            SUBSCRIPTION.validate_json(given.get_secret_value())
        return given

    @model_validator(mode="after")
    def _answers_by_something(self) -> Self:
        unknown = self.answering - ANSWERING_CHANNELS
        if unknown:
            raise ValueError(f"only {', '.join(sorted(ANSWERING_CHANNELS))} answer by themselves, not {', '.join(sorted(unknown))}")
        return self

    @property
    def answering(self) -> frozenset[str]:
        """Channels whose end answers by itself."""
        return frozenset(name.strip().lower() for name in self.replies.split(",") if name.strip())

    def address_of(self, channel: str) -> str:
        """Our own address of a channel, as written; empty where there is none."""
        value = getattr(self, channel, "")
        return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def read_rates(pairs: str) -> dict[str, float]:
    """`twilio=1,voice=0.5` as rates by name. Raises ValueError that names what cannot be read."""
    rates = {}
    for pair in filter(None, (each.strip() for each in pairs.split(","))):
        found = RATE.fullmatch(pair)
        if found is None:
            raise ValueError(f"a rate is written name=number, not {pair}")
        rates[found[1]] = float(found[2])
    return rates


class Exercise(Group):
    """The senders of exercises: disjoint from the live ones by construction (checked below)."""

    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_auth_token_previous: SecretStr = SecretStr("")
    twilio_from: str = ""
    twilio_base_url: str = ""
    fcm_base_url: str = ""
    fcm_project: str = ""
    fcm_credentials_file: str = ""
    fcm_static_token: SecretStr = SecretStr("")


class MailTls(StrEnum):
    """How the way to the mail server is protected. `none` is for a server on this machine."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class Email(Group):
    """The mail server that takes our messages, and the address they come from. Empty: no mail is sent."""

    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    tls: MailTls = MailTls.STARTTLS
    username: str = ""
    password: SecretStr = SecretStr("")
    from_: str = Field("", alias="from")
    timeout_seconds: float = Field(20, gt=0)
    connections: int = Field(4, ge=1, le=100)
    ca_path: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.host) != bool(self.from_):
            raise ValueError("mail needs both a host and an address that it comes from")
        if self.host and self.tls is MailTls.NONE and not is_loopback_host(self.host):
            raise ValueError("mail without TLS goes to this machine only")
        return self


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine itself, by name or by address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
