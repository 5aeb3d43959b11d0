"""What a call says, as TwiML: the text of a message, the question, and what was understood of a keypress."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from twilio.twiml.voice_response import VoiceResponse

from alerts.channels.texts import EXERCISE_WORD
from alerts.kit.i18n import DEFAULT_LANGUAGE
from alerts.kit.text import visible

VOICES: Mapping[str, str] = {"id": "id-ID", "en": "en-GB"}
TIMES_READ = 2
WAIT_SECONDS = 10
BARRED_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Heard(StrEnum):
    """What a keypress was taken for."""

    SAFE = "safe"
    SAFE_HELP_STAYS = "safe_help_stays"
    NEED_HELP = "need_help"
    UNCLEAR = "unclear"
    NOTHING = "nothing"


# Spoken, so in both languages here and not in the catalogue of what stands on pages.
QUESTION: Mapping[str, str] = {
    "id": "Tekan 1 jika Anda selamat. Tekan 2 jika Anda butuh bantuan.",
    "en": "Press 1 if you are safe. Press 2 if you need help.",
}
REPLIES: Mapping[Heard, Mapping[str, str]] = {
    Heard.SAFE: {
        "id": "Tercatat: Anda menyatakan selamat. Terima kasih.",
        "en": "Recorded: you say that you are safe. Thank you.",
    },
    Heard.SAFE_HELP_STAYS: {
        "id": "Tercatat: Anda menyatakan selamat. Permintaan bantuan Anda tetap terbuka sampai petugas menghubungi Anda.",
        "en": "Recorded: you say that you are safe. Your call for help stays open until our staff have reached you.",
    },
    Heard.NEED_HELP: {
        "id": "Tercatat: Anda butuh bantuan.",
        "en": "Recorded: you need help.",
    },
    Heard.UNCLEAR: {"id": "Jawaban Anda belum kami pahami.", "en": "We have not understood your answer."},
    Heard.NOTHING: {
        "id": "Kami belum menerima jawaban Anda. Panggilan ini berakhir.",
        "en": "We have not received your answer. This call ends here.",
    },
}


def ask_twiml(text: str, *, language: str, answer_url: str, question: str = "") -> str:
    """The text and the question, read twice; a key ends the reading. Without a key the address is asked as well."""
    return _asking(f"{_sentence(text)} {question or _in(QUESTION, language)}", language=language, answer_url=answer_url)


def say_twiml(words: str, *, language: str) -> str:
    """These words; then the call ends."""
    response = VoiceResponse()
    response.say(_sentence(words), language=_in(VOICES, language))
    response.hangup()
    return str(response)


def reply_twiml(heard: Heard, *, language: str, is_exercise: bool = False, more: str = "") -> str:
    """What was understood, and `more` in the same language; then the call ends. A word of an exercise begins with that."""
    response = VoiceResponse()
    words = f"{_in(REPLIES[heard], language)} {_sentence(more)}" if more else _in(REPLIES[heard], language)
    response.say(_marked(words, is_exercise=is_exercise), language=_in(VOICES, language))
    response.hangup()
    return str(response)


def ask_again_twiml(*, language: str, answer_url: str, is_exercise: bool = False) -> str:
    """That the answer was not understood, and the question once more."""
    text = f"{_in(REPLIES[Heard.UNCLEAR], language)} {_in(QUESTION, language)}"
    return _asking(_marked(text, is_exercise=is_exercise), language=language, answer_url=answer_url)


def _asking(words: str, *, language: str, answer_url: str) -> str:
    response = VoiceResponse()
    gather = response.gather(num_digits=1, action=answer_url, method="POST", timeout=WAIT_SECONDS, action_on_empty_result=True)
    gather.say(words, language=_in(VOICES, language), loop=TIMES_READ)
    return str(response)


def _in(words: Mapping[str, str], language: str) -> str:
    return words.get(language, words[DEFAULT_LANGUAGE])


def _marked(words: str, *, is_exercise: bool) -> str:
    return f"{EXERCISE_WORD}. {words}" if is_exercise else words


def _sentence(text: str) -> str:
    """The text as it can be spoken and stand in XML, ended like a sentence, so that the question is heard apart."""
    plain = " ".join(BARRED_IN_XML.sub("", visible(text)).split())
    return plain if plain.endswith((".", "!", "?", "…")) else f"{plain}."
