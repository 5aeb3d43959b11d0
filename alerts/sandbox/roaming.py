"""A home operator's roaming desk: takes a text for a country, and counts phones that do not exist."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

PATH = "/roaming/v1/broadcasts"
ONE = re.compile(re.escape(PATH) + r"/([0-9a-f]{16})")
COUNTRY = re.compile(r"[A-Z]{2}")
PHONES_MOST = 40_000
LOOKS_UNTIL_FINAL = 3


@dataclass
class Broadcast:
    """One text that was taken. Each look at it finds more phones delivered, until the last."""

    id: str
    reference: str
    country: str
    text: str
    looks: int = 0

    def counts(self) -> dict[str, object]:
        self.looks = min(LOOKS_UNTIL_FINAL, self.looks + 1)
        found = int.from_bytes(hashlib.sha256(self.country.encode()).digest()[:4]) % PHONES_MOST
        delivered = found * self.looks // LOOKS_UNTIL_FINAL
        now = datetime.now(UTC).isoformat()
        return {"id": self.id, "as_of": now, "counts": {"found": found, "delivered": delivered}, "final": self.looks == LOOKS_UNTIL_FINAL}


@dataclass
class RoamingDesk:
    """What was taken, by our reference: the same one again is the same broadcast."""

    taken: dict[str, Broadcast] = field(default_factory=dict)

    def ask(self, body: bytes) -> tuple[int, dict[str, object]]:
        try:
            asked = json.loads(body)
            reference, country, text = asked["reference"], asked["country"], asked["text"]
        except (ValueError, KeyError, TypeError):
            return 400, {"error": "bad_request"}
        if not (isinstance(country, str) and COUNTRY.fullmatch(country) and isinstance(text, str) and text):
            return 422, {"error": "bad_field"}
        name = hashlib.sha256(str(reference).encode()).hexdigest()[:16]
        broadcast = self.taken.setdefault(str(reference), Broadcast(name, str(reference), country, text))
        return 202, {"id": broadcast.id}

    def find(self, reference: str) -> tuple[int, dict[str, object]]:
        broadcast = self.taken.get(reference)
        return (200, {"id": broadcast.id}) if broadcast else (404, {"error": "not_found"})

    def read(self, name: str) -> tuple[int, dict[str, object]]:
        broadcast = next((each for each in self.taken.values() if each.id == name), None)
        return (200, broadcast.counts()) if broadcast else (404, {"error": "not_found"})
