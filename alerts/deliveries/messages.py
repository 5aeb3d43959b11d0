"""Writes the message of one attempt: the approved text of the person's language and country, and their own link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast, BroadcastText
from alerts.broadcasts.rules import LANGUAGES, Channel, Variant
from alerts.channels.country_rules import rules_for, variant_for
from alerts.channels.ports import Message, Priority, PushMessage, SmsMessage
from alerts.citizens.queries import open_e164, open_token
from alerts.deliveries.rules import attempt_name
from alerts.incidents.models import Incident
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.ids import callback_token, member_token
from alerts.settings import Settings

log = structlog.get_logger()
QUIET_TITLE = MappingProxyType({"id": "Pemberitahuan", "en": "Notice"})
"""In a quiet incident a lit screen tells nobody near it what the message is about."""


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

    `validity_seconds` is what is left of the approved period: no copy may outlive it on a carrier's queue.
    """

    settings: Settings
    keyring: Keyring
    public_url: str
    incident_id: UUID
    title: str
    is_quiet: bool
    validity_seconds: int
    texts: Mapping[tuple[str, str], str]
    variants: dict[str, Variant]

    @classmethod
    def load(cls, session: Session, settings: Settings, broadcast_id: UUID) -> Messages:
        """Read the frozen texts, once per batch."""
        broadcast = session.get_one(Broadcast, broadcast_id)
        incident = session.get_one(Incident, broadcast.incident_id)
        rows = session.scalars(select(BroadcastText).where(BroadcastText.broadcast_id == broadcast_id))
        ends = (broadcast.approved_at or db_now(session)) + timedelta(seconds=broadcast.validity_seconds)
        return cls(
            settings=settings,
            keyring=settings.keyring,
            public_url=settings.public_url.rstrip("/"),
            incident_id=incident.id,
            title=incident.title,
            is_quiet=incident.is_quiet,
            validity_seconds=max(1, int((ends - db_now(session)).total_seconds())),
            texts={(row.language, row.variant.value): row.body for row in rows},
            variants={},
        )

    def try_write(self, row: Row, channel: Channel) -> Message | None:
        """The message, or None for a row that cannot be read (a lost key, a damaged field): its neighbours go on."""
        try:
            return WRITERS[channel](self, row)
        except (UndecipherableError, LookupError, TypeError, ValueError) as error:
            # No trace: it would show the fields that the message was made of.
            log.error("message.cannot_be_written", attempt=row.attempt, kind=type(error).__name__)  # noqa: TRY400
            return None

    def sms(self, row: Row) -> SmsMessage:
        """A text with the person's own link, where the number's country lets links through."""
        attempt = row.attempt
        return SmsMessage(
            attempt_id=attempt,
            to_e164=open_e164(self.keyring, row.address_id, row.sealed[0]),
            text=self.text(row.language, self.variant(row.number_country)),
            link=self.link(row),
            status_callback=self.callback(attempt),
            validity_seconds=self.validity_seconds,
        )

    def push(self, row: Row) -> PushMessage:
        """A notification; sound and wake-up only where nobody near may hear it."""
        return PushMessage(
            attempt_id=row.attempt,
            token=open_token(self.keyring, row.address_id, row.sealed[0]),
            title=self.heading(row.language),
            body=self.text(row.language, Variant.PLAIN),
            data={"link": self.link(row), "incident_id": str(self.incident_id)},
            ttl_seconds=self.validity_seconds,
            priority=Priority.NORMAL if self.is_quiet else Priority.HIGH,
            is_quiet=self.is_quiet,
        )

    def heading(self, language: str) -> str:
        """What a lit screen shows first."""
        return QUIET_TITLE[language if language in LANGUAGES else "en"] if self.is_quiet else self.title

    def link(self, row: Row) -> str:
        """The person's own page."""
        return f"{self.public_url}/i/{member_token(self.keyring.link, number=row.member_id, generation=row.link_generation)}"

    def text(self, language: str, variant: Variant) -> str:
        """In the person's language if we wrote it in that one, otherwise in English."""
        known = language if language in LANGUAGES else "en"
        return self.texts[known, variant.value]

    def variant(self, number_country: str | None) -> Variant:
        """Which tail the number's country permits."""
        country = number_country or ""
        if country not in self.variants:
            self.variants[country] = Variant(variant_for(rules_for(country)).key)
        return self.variants[country]

    def callback(self, attempt: str) -> str:
        """Where the carrier reports on this attempt: our signed name goes out and comes back."""
        return f"{self.public_url}/hooks/twilio/status/{callback_token(self.keyring.callback, attempt)}"


WRITERS: Mapping[Channel, Callable[[Messages, Row], Message]] = MappingProxyType({Channel.SMS: Messages.sms, Channel.PUSH: Messages.push})
