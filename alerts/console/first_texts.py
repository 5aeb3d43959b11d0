"""First texts by kind of event: the call to action first, short enough for one segment, in plain words.

A proposal in the form, to be read and changed by the person who writes the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alerts.incidents.rules import Kind

_GENERAL = {
    "id": "Tetap di tempat aman dan ikuti petunjuk setempat. Tunggu kabar berikutnya dari perwakilan RI.",
    "en": "Stay in a safe place and follow local orders. Wait for the next notice of the Indonesian mission.",
}

FIRST_TEXTS: Mapping[Kind, Mapping[str, str]] = MappingProxyType(
    {
        Kind.EARTHQUAKE: {
            "id": "Gempa kuat. Jauhi gedung retak, waspadai gempa susulan, ikuti petunjuk setempat.",
            "en": "Strong earthquake. Keep away from cracked buildings, expect aftershocks, follow local orders.",
        },
        Kind.TSUNAMI: {
            "id": "Tsunami. Segera ke tempat tinggi, jauhi pantai dan sungai sampai ada kabar aman.",
            "en": "Tsunami. Go to high ground now, keep off the shore and rivers until it is declared safe.",
        },
        Kind.VOLCANO: {
            "id": "Erupsi gunung api. Tutup hidung dan mulut, jauhi lembah, ikuti petunjuk setempat.",
            "en": "Volcano erupting. Cover nose and mouth, keep out of valleys, follow local orders.",
        },
        Kind.STORM: {
            "id": "Badai. Tetap di dalam bangunan kokoh, jauhi jendela, siapkan air dan lampu.",
            "en": "Storm. Stay in a solid building away from windows, keep water and a light ready.",
        },
        Kind.FLOOD: {
            "id": "Banjir. Naik ke tempat tinggi, jangan menyeberangi arus, ikuti petunjuk setempat.",
            "en": "Flood. Go to higher ground, do not cross moving water, follow local orders.",
        },
        Kind.WILDFIRE: {
            "id": "Kebakaran hutan. Siap mengungsi, tutup jendela, ikuti petunjuk setempat.",
            "en": "Wildfire. Be ready to leave, shut the windows, follow local orders.",
        },
        Kind.EPIDEMIC: {
            "id": "Wabah penyakit. Hindari kerumunan, ikuti petunjuk kesehatan setempat.",
            "en": "Outbreak of disease. Avoid crowds, follow the local health advice.",
        },
        Kind.CONFLICT: {
            "id": "Berlindung di dalam, jauhi jendela dan sasaran militer. Jangan bepergian dulu.",
            "en": "Take shelter indoors, away from windows and military sites. Do not travel for now.",
        },
        Kind.ATTACK: {
            "id": "Tetap di tempat yang aman, hening, jangan menyebarkan lokasi. Ikuti petunjuk setempat.",
            "en": "Stay where it is safe, keep quiet, do not share locations. Follow local orders.",
        },
        Kind.UNREST: {
            "id": "Kerusuhan. Jauhi kerumunan, tetap di dalam, bawa dokumen bila ada.",
            "en": "Unrest. Keep away from crowds, stay indoors, have your papers at hand if you hold any.",
        },
    }
)


def first_texts(kind: Kind) -> Mapping[str, str]:
    """The proposal for a kind of event, in `id` and `en`."""
    return FIRST_TEXTS.get(kind, _GENERAL)


def first_alert_texts(kind: Kind) -> dict[str, str]:
    """The proposal for a first alert: the same call to action, then where and when it holds."""
    texts = first_texts(kind)
    return {"id": f"{texts['id']} {{place}}, {{time}}.", "en": f"{texts['en']} {{place}}, {{time}}."}


REMINDER = MappingProxyType(
    {
        "id": "Kami belum menerima kabar Anda. Apakah Anda aman?",
        "en": "We have not heard from you. Are you safe?",
    }
)
"""A first text for those who have not answered."""
