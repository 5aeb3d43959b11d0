"""A provider of texts over HTTP that nobody wrote code for: it is described in the settings (`sms_dialect`)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from alerts.channels.answers import described_answer, parse_retry_after
from alerts.channels.country_rules import number_country
from alerts.channels.ports import Accepted, Rejected, SmsMessage, Transient, Unknown, Verdict
from alerts.channels.sms_dialect import TIMED_OUT, Answers, Dialect, put_at, read_at
from alerts.channels.twilio_account import check_validity
from alerts.channels.wire import Wire, WireAnswer

TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
SECONDS_IN = {"seconds": 1, "minutes": 60}


@dataclass(frozen=True, kw_only=True)
class GenericSmsConfig:
    """One account at a described provider. `secret` is the password, the token or the key, as its description says."""

    dialect: Dialect
    url: str
    from_: str = ""
    user: str = ""
    secret: str = field(repr=False)
    timeout_seconds: float = 10.0
    connections: int = 128


class GenericSms:
    """The SMS port over a described provider. It has no list to look in: what it says comes by answer and receipt."""

    channel = "sms"

    def __init__(self, config: GenericSmsConfig) -> None:
        self.dialect = config.dialect
        self.name = config.dialect.name
        self.sender = config.from_
        self._url = URL(config.url)
        self._wire = Wire(
            {"Content-Type": TYPES[config.dialect.format], "Accept": "application/json", **_credentials(config)},
            connections=config.connections,
            timeout_seconds=config.timeout_seconds,
        )

    def serves(self, number_country: str) -> bool:
        """Whether it delivers to numbers of this country, as far as its description says."""
        return self.dialect.serves(number_country)

    async def send(self, message: SmsMessage) -> Accepted:
        """Hand one text over. Raises Transient, Rejected or Unknown; a country that it does not serve is refused here."""
        check_validity(message.validity_seconds)
        if not self.serves(number_country(message.to_e164) or ""):
            raise Rejected("country_not_served", verdict=Verdict.UNSUPPORTED_COUNTRY)
        hand_over = self._wire.post if self.dialect.method == "POST" else self._wire.put
        return read_answer(await hand_over(self._url, self._body(message)), self.dialect.answers)

    async def close(self) -> None:
        await self._wire.close()

    def _body(self, message: SmsMessage) -> bytes:
        dialect = self.dialect
        unit = SECONDS_IN[dialect.validity_unit]
        values: dict[str, object] = {
            "to": message.to_e164.removeprefix("+") if dialect.number_form == "digits" else message.to_e164,
            "text": message.body,
            "from_": message.from_ or self.sender,
            "callback": message.status_callback,
            "validity": max(1, message.validity_seconds // unit),
            "reference": message.attempt_id,
        }
        document: dict[str, Any] = {}
        for place, value in dialect.constants.items():
            put_at(document, place, value)
        for name, place in dialect.fields.model_dump().items():
            if place and values[name] != "":
                put_at(document, place, values[name])
        if dialect.format == "form":
            return urlencode({name: _as_word(value) for name, value in document.items()}).encode()
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read_answer(answer: WireAnswer, described: Answers) -> Accepted:
    """What an answer means by the description. What it does not explain is unknown: bytes left."""
    status, code = answer.status, read_at(answer.body, described.code)
    if not 200 <= status < 300 and (not 400 <= status < 500 or status == TIMED_OUT):
        raise Unknown(f"http_{status}")
    if code in described.not_now or (status in described.not_now_statuses and code not in described.verdicts):
        raise Transient(code or f"http_{status}", retry_after=parse_retry_after(answer.retry_after))
    verdict = described.verdicts.get(code) or described.statuses.get(status)
    if verdict is not None:
        raise described_answer(verdict).refusal(code or f"http_{status}")
    provider_id = read_at(answer.body, described.id)
    if status in described.accepted and code in described.success and provider_id:
        return Accepted(provider_id, "accepted")
    raise Unknown(code or f"http_{status}")


def _credentials(config: GenericSmsConfig) -> dict[str, str]:
    auth = config.dialect.auth
    if auth.kind == "basic":
        return {"Authorization": "Basic " + base64.b64encode(f"{config.user}:{config.secret}".encode()).decode()}
    return {"Authorization": f"Bearer {config.secret}"} if auth.kind == "bearer" else {auth.header: config.secret}


def _as_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
