"""Whether a message says that it is an exercise, in everything of it that a person reads or hears."""

from __future__ import annotations

import json

from alerts.channels.ports import (
    EmailMessage,
    Message,
    PushMessage,
    SmsMessage,
    VoiceMessage,
    WebPushMessage,
    WhatsAppMessage,
    WhatsAppReply,
)
from alerts.channels.texts import is_marked_exercise


def is_marked(message: Message) -> bool:
    """Whether every text of it begins with LATIHAN. A template's words are its own: what we fill in first has to."""
    return all(map(is_marked_exercise, _read(message)))


def _read(message: Message) -> tuple[str, ...]:
    match message:
        case SmsMessage() | VoiceMessage() | WhatsAppReply():
            return (message.text,)
        case PushMessage():
            return message.title, message.body
        case WebPushMessage():
            shown = json.loads(message.payload)
            return shown["title"], shown["body"]
        case WhatsAppMessage():
            return (message.variables["1"],)
        case EmailMessage():
            return message.subject, message.body
