"""Calls by Twilio's Calls API: a voice reads the text twice and takes 1 (safe) or 2 (need help) by keypress."""

from __future__ import annotations

from datetime import datetime

from alerts.channels.ports import Accepted, FoundMessage, Rejected, Verdict, VoiceMessage
from alerts.channels.twilio_account import TwilioAccount, TwilioConfig
from alerts.channels.voice_words import ask_twiml

LONGEST_TWIML = 4000
RING_SECONDS = 45
# The first proves that the call exists although our answer was lost; the last says how it ended.
EVENTS = ("initiated", "answered", "completed")


class TwilioVoice:
    """The voice port over Twilio. Its sender is a number (`from_`) that the account may call from."""

    name = "voice"
    channel = "voice"

    def __init__(self, config: TwilioConfig) -> None:
        if not config.from_:
            raise ValueError("a call needs a number that it comes from")
        self._account = TwilioAccount(config, resource="Calls", channel=self.channel)
        self.sender = config.from_

    async def send(self, message: VoiceMessage) -> Accepted:
        """Have one call made. Raises Transient, Rejected or Unknown."""
        return await self._account.create(self._fields(message), to_e164=message.to_e164)

    async def find_sent(self, message: VoiceMessage, *, created_after: datetime) -> tuple[FoundMessage, ...]:
        """`find_by_to` for a call of this sender."""
        return await self.find_by_to(message.to_e164, from_=self.sender, created_after=created_after)

    async def find_by_to(self, to_e164: str, *, from_: str, created_after: datetime) -> tuple[FoundMessage, ...]:
        """Calls from this sender to this number, newest first, created at or after the moment given.

        A list of calls shows no text: a caller leaves out the ids that it knows to be other attempts. Raises Transient
        when the list cannot be read now. Finding none proves nothing.
        """
        rows = await self._account.list_to(to_e164, created_after=created_after)
        return tuple(row.found() for row in rows if row.fields.get("from") == (from_ or self.sender))

    async def close(self) -> None:
        await self._account.close()

    def _fields(self, message: VoiceMessage) -> list[tuple[str, str]]:
        twiml = ask_twiml(message.text, language=message.language, answer_url=message.answer_url, question=message.question)
        if len(twiml) > LONGEST_TWIML:
            raise Rejected("text_too_long", verdict=Verdict.CONTENT)
        return [
            ("To", message.to_e164),
            ("From", self.sender),
            ("Twiml", twiml),
            ("StatusCallback", message.status_callback),
            *(("StatusCallbackEvent", event) for event in EVENTS),
            ("Timeout", str(RING_SECONDS)),
        ]
