"""The senders beside texts by Twilio, and a message for each: what tests ask of all of them alike."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from alerts.channels.generic_sms import GenericSms, GenericSmsConfig
from alerts.channels.ports import Accepted, Sender, SmsMessage, VoiceMessage, WhatsAppMessage
from alerts.channels.sms_dialect import Dialect, read_dialect
from alerts.channels.twilio_voice import TwilioVoice
from alerts.channels.twilio_whatsapp import TwilioWhatsApp
from alerts.embedded.scratch import CHECKOUT
from tests.channels.peer import BODY, TO, config
from tests.sandbox.world import closing

TEMPLATE = "HX" + "a1" * 16
SECRET, RECEIPT_SECRET = "second-secret", "second-receipt-secret"
DOCUMENT = CHECKOUT / "docs" / "sms-provider.md"
LINK = "https://siaga.test/i/7.mac"


def described(**changes: Any) -> Dialect:
    """The description that the documents show, which is the sandbox's second carrier."""
    [block] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return read_dialect(json.dumps(json.loads(block) | changes))


def whatsapp_message(attempt: str = "6401-1", to: str = TO, **changes: Any) -> WhatsAppMessage:
    fields = {"variables": {"1": BODY, "2": LINK}, "status_callback": f"https://siaga.test/s/{attempt}.x", "validity_seconds": 600}
    return WhatsAppMessage(attempt_id=attempt, to_e164=to, content_sid=TEMPLATE, **(fields | changes))


def voice_message(attempt: str = "6402-1", to: str = TO, **changes: Any) -> VoiceMessage:
    fields = {"text": BODY, "language": "id"}
    urls = {"answer_url": f"https://siaga.test/v/{attempt}.x", "status_callback": f"https://siaga.test/c/{attempt}.x"}
    return VoiceMessage(attempt_id=attempt, to_e164=to, **(fields | urls | changes))


def second_message(attempt: str = "6403-1", to: str = TO, **changes: Any) -> SmsMessage:
    fields = {"text": BODY, "status_callback": f"https://siaga.test/t/{attempt}.x", "validity_seconds": 600}
    return SmsMessage(attempt_id=attempt, to_e164=to, **(fields | changes))


def whatsapp(url: str, **changes: Any) -> TwilioWhatsApp:
    return TwilioWhatsApp(config(url, **changes))


def voice(url: str, **changes: Any) -> TwilioVoice:
    return TwilioVoice(config(url, **changes))


def second(url: str, *, dialect: Dialect | None = None, **changes: Any) -> GenericSms:
    fields = {"url": f"{url}/lintas/v2/texts", "from_": "KEMLU", "secret": SECRET, "timeout_seconds": 10.0}
    return GenericSms(GenericSmsConfig(dialect=dialect or described(), **(fields | changes)))


@dataclass(frozen=True)
class Way:
    """A sender, a message for it, and what its provider answers to one that it takes."""

    make: Any
    message: Any
    accepted: dict[str, Any]

    async def send(self, url: str, **changes: Any) -> Accepted:
        port: Sender = self.make(url, **changes)
        async with closing(port):
            return await port.send(self.message())


WAYS = {
    "whatsapp": Way(whatsapp, whatsapp_message, {"sid": "SM" + "0" * 32, "status": "queued"}),
    "voice": Way(voice, voice_message, {"sid": "CA" + "0" * 32, "status": "queued"}),
    "second": Way(second, second_message, {"outcome": "TAKEN", "message": {"id": "L-1"}}),
}
