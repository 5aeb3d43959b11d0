"""Writes the message of one attempt: the approved text of the person's language and country, and their own link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast, BroadcastText
from alerts.broadcasts.rules import LANGUAGES, LINK_PLACE, Channel, Variant
from alerts.channels.country_rules import rules_for, variant_for
from alerts.channels.ports import PushMessage, SmsMessage
from alerts.citizens.queries import open_e164, open_token
from alerts.deliveries.carriers import Message
from alerts.incidents.models import Incident
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.ids import callback_token, member_token
from alerts.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class Messages:
    """The texts of one broadcast as approved, ready for each person of its list.

    `validity_seconds` is what is left of the approved period: no copy may outlive it on a carrier's queue.
    """

    keyring: Keyring
    public_url: str
    incident_id: UUID
    title: str
    validity_seconds: int
    texts: Mapping[tuple[str, str], str]

    @classmethod
    def load(cls, session: Session, settings: Settings, broadcast_id: UUID) -> Messages:
        """Read the frozen texts, once per batch."""
        broadcast = session.get_one(Broadcast, broadcast_id)
        incident = session.get_one(Incident, broadcast.incident_id)
        rows = session.scalars(select(BroadcastText).where(BroadcastText.broadcast_id == broadcast_id))
        texts = {(row.language, row.variant.value): row.body for row in rows}
        url = settings.public_url.rstrip("/")
        ends = (broadcast.approved_at or db_now(session)) + timedelta(seconds=broadcast.validity_seconds)
        left = int((ends - db_now(session)).total_seconds())
        return cls(settings.keyring, url, incident.id, incident.title, max(1, left), texts)

    def try_write(self, row: Mapping[str, Any], *, attempt_id: UUID, channel: Channel) -> Message | None:
        """The message, or None for a row that cannot be read (a lost key, a damaged field): its neighbours go on."""
        try:
            return self.write(row, attempt_id=attempt_id, channel=channel)
        except (UndecipherableError, LookupError, TypeError, ValueError) as error:
            # No trace: it would show the fields that the message was made of.
            log.error("message.cannot_be_written", attempt=str(attempt_id), kind=type(error).__name__)  # noqa: TRY400
            return None

    def write(self, row: Mapping[str, Any], *, attempt_id: UUID, channel: Channel) -> Message:
        """The message for one person. Addresses are opened here and live only as long as the request."""
        token = member_token(self.keyring.link, number=row["member_id"], generation=row["link_generation"])
        link = f"{self.public_url}/i/{token}"
        if channel is Channel.PUSH:
            return PushMessage(
                attempt_id=str(attempt_id),
                token=open_token(self.keyring, row["device_id"], row["token_enc"]),
                title=self.title,
                body=self.text(row["language"], Variant.PLAIN),
                data={"link": link, "incident_id": str(self.incident_id)},
                ttl_seconds=self.validity_seconds,
            )
        variant = Variant(variant_for(rules_for(row["number_country"] or "")).key)
        return SmsMessage(
            attempt_id=str(attempt_id),
            to_e164=open_e164(self.keyring, row["phone_id"], row["e164_enc"]),
            body=self.text(row["language"], variant).replace(LINK_PLACE, link),
            status_callback=self.callback_url(attempt_id),
            validity_seconds=self.validity_seconds,
        )

    def text(self, language: str, variant: Variant) -> str:
        """In the person's language if we wrote it in that one, otherwise in English."""
        known = language if language in LANGUAGES else "en"
        return self.texts[known, variant.value]

    def callback_url(self, attempt_id: UUID) -> str:
        """Where the carrier reports on this attempt: our signed id goes out and comes back."""
        return f"{self.public_url}/hooks/twilio/status/{callback_token(self.keyring.callback, attempt_id)}"
