"""The home operators' roaming broadcast: a text and a country go out, counts of phones come back, never persons.

The operator texts every phone of its own that roams in the country. No number is known to us, before or after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from yarl import URL

from alerts.channels.answers import parse_retry_after
from alerts.channels.ports import Rejected, Transient, Unknown, Verdict
from alerts.channels.sms_dialect import put_at, read_at
from alerts.channels.wire import Wire, WireAnswer

ASKED = ("reference", "country", "language", "text", "validity")
ANSWERED = ("ref", "as_of", "found", "delivered")
NOT_NOW = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoamingMessage:
    """One text for one country's visitors. `reference` is our own name of it: the same one again is the same broadcast."""

    reference: str
    country: str
    language: str
    text: str = field(repr=False)
    validity_seconds: int


@dataclass(frozen=True, slots=True)
class RoamingCounts:
    """Phones, not persons, as the operator counted them at `as_of`. `phones_delivered` None: it does not say."""

    as_of: datetime
    phones_found: int
    phones_delivered: int | None
    is_final: bool


class RoamingOperator(Protocol):
    """A home operator. Each method is exactly one request, and raises exactly Transient, Rejected or Unknown."""

    name: str

    async def ask(self, message: RoamingMessage) -> str:
        """Hand the text over; the operator's own reference."""
        ...

    async def find(self, reference: str) -> str | None:
        """The operator's reference of what we asked under ours, or None: it knows of none (which proves nothing)."""
        ...

    async def read_counts(self, operator_ref: str) -> RoamingCounts:
        """What it has counted by now."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RoamingConfig:
    """One operator's HTTP interface, described by the settings. `fields`, `answers`: our words → places in its JSON."""

    name: str
    url: str
    token: str = field(repr=False)
    fields: Mapping[str, str]
    answers: Mapping[str, str]
    timeout_seconds: float = 15.0


class RoamingHttp:
    """The port over plain JSON: POST asks, GET `…?reference=` finds, GET `…/<id>` counts."""

    def __init__(self, config: RoamingConfig) -> None:
        self.name = config.name
        self._config, self._url = config, URL(config.url)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Authorization": f"Bearer {config.token}"}
        self._wire = Wire(headers, connections=2, timeout_seconds=config.timeout_seconds)

    async def ask(self, message: RoamingMessage) -> str:
        values: dict[str, object] = {"reference": message.reference, "country": message.country, "language": message.language}
        values |= {"text": message.text, "validity": message.validity_seconds}
        document: dict[str, Any] = {}
        for name, place in self._config.fields.items():
            put_at(document, place, values[name])
        headers = {"Idempotency-Key": message.reference}
        answer = await self._wire.post(self._url, json.dumps(document, ensure_ascii=False).encode(), headers=headers)
        return self._read_ref(answer)

    async def find(self, reference: str) -> str | None:
        answer = await self._wire.get(self._url.with_query(reference=reference))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Transient(f"http_{answer.status}")
        return read_at(answer.body, self._config.answers["ref"]) or None

    async def read_counts(self, operator_ref: str) -> RoamingCounts:
        answer = await self._wire.get(self._url / quote(operator_ref, safe=""))
        if answer.status != 200:
            raise Transient(f"http_{answer.status}")
        try:
            return self._read_counts(answer.body)
        except ValueError:
            raise Transient("counts_unreadable") from None

    async def close(self) -> None:
        await self._wire.close()

    def _read_ref(self, answer: WireAnswer) -> str:
        """Yes only with a reference; what is neither yes nor a plain no may have gone out."""
        ref = read_at(answer.body, self._config.answers["ref"])
        if 200 <= answer.status < 300 and ref:
            return ref
        if answer.status in NOT_NOW - {408}:
            raise Transient(f"http_{answer.status}", retry_after=parse_retry_after(answer.retry_after))
        if 400 <= answer.status < 500 and answer.status != 408:
            raise Rejected(f"http_{answer.status}", verdict=Verdict.OTHER)
        raise Unknown(f"http_{answer.status}")

    def _read_counts(self, body: Mapping[str, Any]) -> RoamingCounts:
        """Raises ValueError for figures that are none: a wrong count is worse than none."""
        places = self._config.answers
        found, delivered = read_at(body, places["found"]), read_at(body, places.get("delivered", ""))
        as_of = datetime.fromisoformat(read_at(body, places["as_of"]))
        if as_of.tzinfo is None or int(found) < 0 or int(delivered or 0) < 0:
            raise ValueError("counts")
        final = body.get(places.get("final", ""), False)
        return RoamingCounts(as_of, int(found), int(delivered) if delivered else None, final is True)


def read_places(described: str, known: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, str]:
    """`ours=theirs,…` of the settings as a mapping. Raises ValueError naming what is unknown or missing."""
    pairs = (part.partition("=") for part in described.split(",") if part.strip())
    places = {name.strip(): place.strip() for name, _, place in pairs}
    wrong = [name for name, place in places.items() if name not in known or not place]
    missing = [name for name in needed if name not in places]
    if wrong or missing:
        raise ValueError(f"roaming: unknown {wrong}, missing {missing}; each part is ours=theirs with ours one of {list(known)}")
    return places
