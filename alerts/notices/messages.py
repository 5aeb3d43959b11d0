"""Writes one message to staff for its channel: the text, the page it points at, and how the carrier reports back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from alerts.channels.ports import EmailMessage, Message, PushMessage, SmsMessage, VoiceMessage, WebPushMessage, WhatsAppMessage
from alerts.channels.rule_book import RuleBook
from alerts.channels.texts import measure
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.i18n import N_, translator
from alerts.kit.ids import callback_token
from alerts.notices.contacts import open_contact
from alerts.notices.crew import rules as crew
from alerts.notices.rules import EXERCISE, EXERCISE_WORD, Channel, attempt_name
from alerts.settings import Settings
from alerts.settings_groups import WhatsApp

log = structlog.get_logger()
HOOKS = "/hooks/notices"
QUESTION = N_("Press 1 if you take this on.")
ONE_SMS = frozenset({"digest"})
"""Kinds of higher slices that are promised in one SMS."""
QUESTIONS = {crew.KIND: crew.QUESTION}


def with_address(body: str, address: str, *, kind: str) -> str:
    """A text with its page's address. Of what is promised in one SMS only where both fit into it: the figures go before the way to more."""
    whole = f"{body} {address}"
    return body if kind in ONE_SMS and measure(whole).segments > 1 else whole


@dataclass(frozen=True)
class Writer:
    """Turns a claimed row into what a sender takes. Addresses are opened here and live only as long as the request.

    `whatsapp`: the approved templates, and those of exercises.
    """

    keyring: Keyring
    public_url: str
    book: RuleBook
    whatsapp: tuple[WhatsApp, WhatsApp] = (WhatsApp(), WhatsApp())

    @classmethod
    def of(cls, settings: Settings, book: RuleBook) -> Writer:
        """With the templates of these settings."""
        return cls(settings.keyring, settings.public_url, book, (settings.whatsapp, settings.exercise_whatsapp))

    def try_write(self, row: Mapping[str, Any]) -> Message | None:
        """The message, or None for a row that cannot be read (a lost key, a damaged field)."""
        try:
            return self._write(row)
        except (UndecipherableError, LookupError, TypeError, ValueError) as error:
            # No trace: it would show the fields that the message was made of.
            log.error("notice.cannot_be_written", notice=str(row["id"]), kind=type(error).__name__)  # noqa: TRY400
            return None

    def _write(self, row: Mapping[str, Any]) -> Message:
        writers = {
            Channel.PUSH: self._push,
            Channel.WEB_PUSH: self._web_push,
            Channel.SMS: self._sms,
            Channel.WHATSAPP: self._by_whatsapp,
            Channel.VOICE: self._voice,
            Channel.EMAIL: self._email,
        }
        return writers[Channel(row["channel"])](row, attempt_name(row["id"], row["attempts"]))

    def _push(self, row: Mapping[str, Any], attempt: str) -> Message:
        data = {"kind": "notice", "notice_id": str(row["id"]), "link": self._link(row)}
        return PushMessage(
            attempt_id=attempt,
            token=self._open(row),
            title=_title(row),
            body=row["body"],
            data=data,
            ttl_seconds=row["seconds_left"],
            is_quiet=row["is_quiet"],
        )

    def _web_push(self, row: Mapping[str, Any], attempt: str) -> Message:
        shown = {"title": _title(row), "body": row["body"], "link": self._link(row), "attempt_id": attempt, "is_quiet": row["is_quiet"]}
        return WebPushMessage(
            attempt_id=attempt,
            endpoint=self._open(row),
            p256dh=self._open(row, "p256dh_enc"),
            auth=self._open(row, "auth_enc"),
            payload=json.dumps(shown, ensure_ascii=False).encode(),
            ttl_seconds=row["seconds_left"],
        )

    def _sms(self, row: Mapping[str, Any], attempt: str) -> Message:
        """With the page's address where the number's country lets an address through, and the kind of message has room for it."""
        may_link = row["path"] and self.book.variant_for(row["number_country"] or "").may_link
        return SmsMessage(
            attempt_id=attempt,
            to_e164=self._open(row),
            text=with_address(row["body"], self._link(row), kind=row["kind"]) if may_link else row["body"],
            status_callback=self._hook("status", attempt),
            validity_seconds=row["seconds_left"],
        )

    def _by_whatsapp(self, row: Mapping[str, Any], attempt: str) -> Message:
        """The text and its page's address as the one variable of a template: WhatsApp lets nobody begin in words of their own."""
        templates = self.whatsapp[row["status"] == EXERCISE].sids
        whole = with_address(row["body"], self._link(row), kind=row["kind"]) if row["path"] else row["body"]
        return WhatsAppMessage(
            attempt_id=attempt,
            to_e164=self._open(row),
            content_sid=templates[row["language"] if row["language"] in templates else "en"]["plain"],
            variables={"1": whole},
            status_callback=self._hook("status", attempt),
            validity_seconds=row["seconds_left"],
        )

    def _voice(self, row: Mapping[str, Any], attempt: str) -> Message:
        return VoiceMessage(
            attempt_id=attempt,
            to_e164=self._open(row),
            text=row["body"],
            language=row["language"],
            answer_url=self._hook("voice", attempt),
            status_callback=self._hook("status", attempt),
            question=translator(row["language"]).gettext(QUESTIONS.get(row["kind"], QUESTION)),
        )

    def _email(self, row: Mapping[str, Any], attempt: str) -> Message:
        return EmailMessage(
            attempt_id=attempt,
            message_id=f"{attempt}@{urlsplit(self.public_url).hostname or 'siaga'}",
            to=self._open(row),
            subject=_title(row),
            body=f"{row['body']}\n\n{self._link(row)}\n",
            language=row["language"],
        )

    def _link(self, row: Mapping[str, Any]) -> str:
        return f"{self.public_url.rstrip('/')}{row['path']}"

    def _hook(self, name: str, attempt: str) -> str:
        """Where the carrier reports: our signed name of the attempt goes out and comes back."""
        return f"{self.public_url.rstrip('/')}{HOOKS}/{name}/{callback_token(self.keyring.callback, attempt)}"

    def _open(self, row: Mapping[str, Any], column: str = "address_enc") -> str:
        contact_id: UUID = row["contact_id"]
        return open_contact(self.keyring, contact_id, row[column], column=column)


def _title(row: Mapping[str, Any]) -> str:
    title = translator(row["language"]).gettext("Siaga needs you")
    return f"{EXERCISE_WORD}: {title}" if row["status"] == EXERCISE else title
