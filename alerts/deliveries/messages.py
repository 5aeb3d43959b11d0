"""Writes the message of one attempt: the approved text of the person's language and country, and their own link."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast, BroadcastText
from alerts.broadcasts.queries import LINK_SAMPLE, link_of, public_code
from alerts.broadcasts.rules import LANGUAGES, Channel, Variant, mark, without_code
from alerts.channels.country_rules import Known
from alerts.channels.ports import (
    LINK_PLACE,
    EmailMessage,
    Message,
    Priority,
    PushMessage,
    SmsMessage,
    VoiceMessage,
    WebPushMessage,
    WhatsAppMessage,
)
from alerts.channels.rule_book import Outlet, RuleBook
from alerts.channels.rule_book_outlets import outlets_by_sender
from alerts.channels.texts import measure
from alerts.citizens.queries import open_e164, open_email, open_subscription, open_token
from alerts.country_rules.queries import load_book
from alerts.deliveries.buckets import Lane
from alerts.deliveries.lanes import lane_of
from alerts.deliveries.rules import attempt_name
from alerts.incidents.models import Incident
from alerts.incidents.rules import Manners, Status, manners_of
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.ids import callback_token, member_token
from alerts.settings import Pace, Settings
from alerts.settings_groups import WhatsApp

log = structlog.get_logger()


class Row(NamedTuple):
    """What writing one message takes. `sealed`: the address's encrypted fields, in the order of its channel's reading."""

    delivery_id: int
    number: int
    member_id: int
    citizen_id: UUID
    address_id: UUID
    language: str
    number_country: str | None
    link_generation: int
    is_after_promise: bool
    sealed: Sequence[bytes]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Row:
        """From a row of a query that names its columns as the fields here."""
        return cls._make(row[name] for name in cls._fields)

    @property
    def attempt(self) -> str:
        """The attempt's name outside."""
        return attempt_name(self.delivery_id, self.number)


@dataclass(frozen=True)
class Messages:
    """The texts of one broadcast as approved, ready for each person of its list.

    `ends_at` (monotonic) is where the approved period ends: no copy may outlive it on a carrier's queue. `manners` are the
    incident's at this moment: it may have become quiet since the list was frozen. `later_texts` are for waves
    that come when the promised time is past.
    """

    keyring: Keyring
    public_url: str
    incident_id: UUID
    title: str
    manners: Manners
    ends_at: float
    texts: Mapping[tuple[str, str], str]
    book: RuleBook
    outlets: Mapping[str, Outlet]
    whatsapp: WhatsApp
    is_exercise: bool = False
    code: str = ""
    later_texts: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    pace: Pace = field(default_factory=Pace)
    _variants: dict[tuple[str, str], Variant] = field(default_factory=dict)
    _segments: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def load(cls, session: Session, settings: Settings, broadcast_id: UUID) -> Messages:
        """Read the frozen texts and the country rules in force, once per batch."""
        broadcast = session.get_one(Broadcast, broadcast_id)
        incident = session.get_one(Incident, broadcast.incident_id)
        rows = session.scalars(select(BroadcastText).where(BroadcastText.broadcast_id == broadcast_id)).all()
        now = db_now(session)
        ends = (broadcast.approved_at or now) + timedelta(seconds=broadcast.validity_seconds)
        is_exercise = broadcast.status is Status.EXERCISE
        return cls(
            keyring=settings.keyring,
            public_url=settings.public_url.rstrip("/"),
            incident_id=incident.id,
            title=incident.title,
            manners=manners_of(is_quiet=incident.is_quiet),
            ends_at=time.monotonic() + (ends - now).total_seconds(),
            texts={(row.language, row.variant.value): row.body for row in rows},
            book=load_book(session),
            outlets=outlets_by_sender(settings, is_exercise=is_exercise),
            whatsapp=settings.exercise_whatsapp if is_exercise else settings.whatsapp,
            is_exercise=is_exercise,
            code=public_code(broadcast),
            later_texts={(row.language, row.variant.value): row.later_body for row in rows if row.later_body is not None},
            pace=settings.pace,
        )

    def try_write(self, row: Row, channel: Channel, sender: str) -> Message | None:
        """The message by a sender, or None for a row that cannot be read (a lost key, a damaged field): its neighbours go on."""
        try:
            return WRITERS[channel](self, row, sender)
        except (UndecipherableError, LookupError, TypeError, ValueError) as error:
            # No trace: it would show the fields that the message was made of.
            log.error("message.cannot_be_written", attempt=row.attempt, kind=type(error).__name__)  # noqa: TRY400
            return None

    def segments(self, channel: Channel, number_country: str, sender: str) -> int:
        """What one message costs of a pace: the longest language's segments for a text, otherwise one."""
        if channel is not Channel.SMS:
            return 1
        key = (number_country, sender)
        if key not in self._segments:
            texts = (self.text(language, self.variant(*key)) for language in LANGUAGES)
            link = link_of(self.public_url, LINK_SAMPLE, is_exercise=self.is_exercise)
            self._segments[key] = max(measure(text.replace(LINK_PLACE, link)).segments for text in texts)
        return self._segments[key]

    def lane(self, sender: str, number_country: str) -> Lane:
        """Where a message's pace is kept: the sender's numbers of one country, at the rates of settings and rules in force."""
        outlet = self.outlets.get(sender)
        if outlet is None:
            return Lane(sender, sender, number_country)
        return lane_of(self.pace, self.book, outlet, number_country, is_exercise=self.is_exercise)

    @property
    def validity_seconds(self) -> int:
        """What is left of the approved period, at least one."""
        return max(1, int(self.ends_at - time.monotonic()))

    def sms(self, row: Row, sender: str) -> SmsMessage:
        """A text with the person's own link, where the number's country lets links through."""
        attempt, country = row.attempt, row.number_country or ""
        variant = self.variant(country, sender)
        return SmsMessage(
            attempt_id=attempt,
            to_e164=open_e164(self.keyring, row.address_id, row.sealed[0]),
            text=self.text_for(row, variant),
            link=self.link(row) if variant in HAS_LINK else "",
            from_=self.shown_as(country, sender),
            status_callback=self.hook("twilio/status" if (name := self.provider(sender)) == "twilio" else f"sms/{name}/status", attempt),
            validity_seconds=self.validity_seconds,
        )

    def push(self, row: Row, _: str) -> PushMessage:
        """A notification; sound and wake-up only where nobody near may hear it."""
        return PushMessage(
            attempt_id=row.attempt,
            token=open_token(self.keyring, row.address_id, row.sealed[0]),
            title=self.heading(row.language),
            body=self.text_for(row, Variant.PLAIN),
            data={"link": self.link(row), "incident_id": str(self.incident_id)},
            ttl_seconds=self.validity_seconds,
            priority=Priority.HIGH if self.manners.has_sound else Priority.NORMAL,
            is_quiet=not self.manners.has_sound,
        )

    def web_push(self, row: Row, _: str) -> WebPushMessage:
        """The same for a browser, whose service worker shows it."""
        data = {"link": self.link(row), "incident_id": str(self.incident_id), "attempt_id": row.attempt}
        shown = {"title": self.heading(row.language), "body": self.text_for(row, Variant.PLAIN), "data": data}
        endpoint, p256dh, auth = row.sealed
        browser = open_subscription(self.keyring, row.address_id, endpoint_enc=endpoint, p256dh_enc=p256dh, auth_enc=auth)
        return WebPushMessage(
            attempt_id=row.attempt,
            endpoint=browser.endpoint,
            p256dh=browser.p256dh,
            auth=browser.auth,
            payload=json.dumps({**shown, "is_quiet": not self.manners.has_sound}, ensure_ascii=False).encode(),
            ttl_seconds=self.validity_seconds,
            priority=Priority.HIGH if self.manners.has_sound else Priority.NORMAL,
        )

    def by_whatsapp(self, row: Row, _: str) -> WhatsAppMessage:
        """The template of the person's language, with the link in it where there is one with a place for it.

        Links in templates are Meta's to allow, not the networks': only an administrator's plain "no" for WhatsApp leaves one out.
        """
        sids = self.whatsapp.sids[row.language if row.language in self.whatsapp.sids else "en"]
        text = self.text_for(row, Variant.PLAIN)
        rule = self.book.rules_for(row.number_country or "", provider=Channel.WHATSAPP.value, channel=Channel.WHATSAPP.value)
        has_link = Variant.LINK.value in sids and rule.urls is not Known.NO
        return WhatsAppMessage(
            attempt_id=row.attempt,
            to_e164=open_e164(self.keyring, row.address_id, row.sealed[0]),
            content_sid=sids[Variant.LINK.value if has_link else Variant.PLAIN.value],
            variables={"1": text, "2": self.link(row)} if has_link else {"1": text},
            status_callback=self.hook("twilio/status", row.attempt),
            validity_seconds=self.validity_seconds,
        )

    def email(self, row: Row, _: str) -> EmailMessage:
        """Plain text; the first line is the incident, or nothing telling in a quiet one."""
        before, _, code = self.text_for(row, Variant.LINK).partition(LINK_PLACE)
        return EmailMessage(
            attempt_id=row.attempt,
            message_id=f"{row.attempt}.{self.incident_id.hex}@{urlsplit(self.public_url).hostname or 'localhost'}",
            to=open_email(self.keyring, row.address_id, row.sealed[0]),
            subject=self.heading(row.language),
            body="\n\n".join((before.strip(), self.link(row), code.strip())).strip() + "\n",
            language=_known(row.language),
        )

    def voice(self, row: Row, _: str) -> VoiceMessage:
        """A call that reads the text and asks for a key."""
        attempt, language = row.attempt, _known(row.language)
        return VoiceMessage(
            attempt_id=attempt,
            to_e164=open_e164(self.keyring, row.address_id, row.sealed[0]),
            text=without_code(self.text_for(row, Variant.PLAIN), language, code=self.code),
            language=language,
            answer_url=self.hook("twilio/voice", attempt),
            status_callback=self.hook("twilio/call-status", attempt),
        )

    def heading(self, language: str) -> str:
        """What a lit screen shows first. An exercise says so."""
        known = _known(language)
        shown = self.manners.title[known] if self.manners.title else self.title
        return mark(shown) if self.is_exercise else shown

    def link(self, row: Row) -> str:
        """The person's own page; an exercise's has an address of its own."""
        token = member_token(self.keyring.link, number=row.member_id, generation=row.link_generation)
        return link_of(self.public_url, token, is_exercise=self.is_exercise)

    def text(self, language: str, variant: Variant) -> str:
        """In the person's language if we wrote it in that one, otherwise in English."""
        return self.texts[_known(language), variant.value]

    def text_for(self, row: Row, variant: Variant) -> str:
        """The same for one person: who comes after the promised time is not promised it."""
        key = _known(row.language), variant.value
        return self.later_texts.get(key, self.texts[key]) if row.is_after_promise else self.texts[key]

    def variant(self, number_country: str, sender: str) -> Variant:
        """Which tail the number's country permits to this sender."""
        key = (number_country, sender)
        if key not in self._variants:
            self._variants[key] = Variant(self.book.variant_for(number_country, provider=self.provider(sender), channel="sms").key)
        return self._variants[key]

    def provider(self, sender: str) -> str:
        """The provider behind a sender's name, as rules and receipts call it."""
        outlet = self.outlets.get(sender)
        return outlet.name if outlet else sender

    def shown_as(self, number_country: str, sender: str) -> str:
        """The number or name registered for the country, where it is not the usual one."""
        outlet = self.outlets.get(sender)
        own = self.book.sender_for(number_country, outlet) if outlet else ""
        return own if outlet and own != outlet.shown_as else ""

    def hook(self, path: str, attempt: str) -> str:
        """Where the carrier reports on this attempt: our signed name goes out and comes back."""
        return f"{self.public_url}/hooks/{path}/{callback_token(self.keyring.callback, attempt)}"


def _known(language: str) -> str:
    """The person's language if we write it, otherwise English."""
    return language if language in LANGUAGES else "en"


HAS_LINK = frozenset({Variant.LINK, Variant.REPLY_LINK})
WRITERS: Mapping[Channel, Callable[[Messages, Row, str], Message]] = MappingProxyType(
    {
        Channel.SMS: Messages.sms,
        Channel.PUSH: Messages.push,
        Channel.WEB_PUSH: Messages.web_push,
        Channel.WHATSAPP: Messages.by_whatsapp,
        Channel.EMAIL: Messages.email,
        Channel.VOICE: Messages.voice,
    }
)
