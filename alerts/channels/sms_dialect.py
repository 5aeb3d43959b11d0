"""How a provider of texts speaks, as data: one JSON description in the settings, read strictly.

What the description does not name is never taken for success: an answer that it does not explain is *unknown*, a word
in a receipt that it does not list moves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from alerts.channels.answers import CODES, DIALECTS, Codes, Dialects, described_answer
from alerts.channels.ports import ReportedState, Verdict
from alerts.settings import Settings

TAKEN_NAMES = frozenset({*DIALECTS, "fcm", "web_push", "whatsapp", "email", "voice", "none", "sms"})
SURELY_NO = range(400, 500)
TIMED_OUT = 408
DESCRIPTION = "SIAGA_SMS2_DESCRIPTION"


class Part(BaseModel):
    """A misspelt name in a description is refused, so that nothing is silently left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class RequestFields(Part):
    """Where each thing stands in the request: a field's name, or a JSON pointer (`/content/text`). Empty: it is not sent."""

    to: str = Field(min_length=1)
    text: str = Field(min_length=1)
    from_: str = Field("", alias="from")
    callback: str = ""
    validity: str = ""
    reference: str = ""


class Auth(Part):
    """How a request shows who we are: `basic` (user and secret), `bearer` (secret), or the secret in a named header."""

    kind: Literal["basic", "bearer", "header"]
    header: str = Field("", pattern=r"^[A-Za-z0-9-]*$")

    @model_validator(mode="after")
    def _names_its_header(self) -> Self:
        if (self.kind == "header") != bool(self.header):
            raise ValueError("kind `header` needs the header's name, and no other kind takes one")
        return self


class Answers(Part):
    """How answers read. `id`, `code`: field or pointer. A code of `success` (or none at all, if `success` holds the empty
    word) with an accepted status and an id is an acceptance. `not_now` by code, `not_now_statuses` by HTTP status:
    surely not sent, try later. `verdicts` by code, `statuses` by HTTP status: refusals. Of statuses only 4xx can say
    that nothing was sent: 5xx proves nothing.
    """

    id: str = Field(min_length=1)
    code: str = ""
    accepted: frozenset[int] = frozenset({200, 201, 202})
    success: frozenset[str] = frozenset({""})
    not_now: frozenset[str] = frozenset()
    not_now_statuses: frozenset[int] = frozenset({429})
    verdicts: Mapping[str, Verdict] = {}
    statuses: Mapping[int, Verdict] = {}

    @model_validator(mode="after")
    def _claims_no_more_than_http_allows(self) -> Self:
        if any(not 200 <= status < 300 for status in self.accepted):
            raise ValueError("only a status from 200 to 299 can be an acceptance")
        if any(status not in SURELY_NO or status == TIMED_OUT for status in {*self.statuses, *self.not_now_statuses}):
            raise ValueError("only a status from 400 to 499, without 408, surely means that nothing was sent")
        if self.success & set(self.verdicts) or self.not_now & (self.success | set(self.verdicts)):
            raise ValueError("one code cannot mean two things")
        if "" in {*self.not_now, *self.verdicts}:
            raise ValueError("no code is no refusal: an answer that cannot be read says nothing")
        return self


class Receipts(Part):
    """How receipts come: `hmac` (SHA-256 over the raw body, in a header) or `path` (our own signed address alone)."""

    format: Literal["form", "json"] = "json"
    status: str = Field(min_length=1)
    id: str = ""
    code: str = ""
    states: Mapping[str, ReportedState]
    auth: Literal["hmac", "path"]
    header: str = Field("", pattern=r"^[A-Za-z0-9-]*$")
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""

    @model_validator(mode="after")
    def _names_its_header(self) -> Self:
        if (self.auth == "hmac") != bool(self.header):
            raise ValueError("`hmac` needs the header's name, and `path` takes none")
        return self


class Dialect(Part):
    """One provider. `name` stands in reports and in the receipts' address. `countries`: those it serves; empty: all.

    `constants` are fields that every request has. `number_form`: `e164` (+62…) or `digits` (62…).
    `rate_per_second`: what it takes, in messages; 0: not said.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,29}$")
    method: Literal["POST", "PUT"] = "POST"
    format: Literal["form", "json"] = "json"
    fields: RequestFields
    constants: Mapping[str, str | int | bool] = {}
    number_form: Literal["e164", "digits"] = "e164"
    validity_unit: Literal["seconds", "minutes"] = "seconds"
    auth: Auth
    answers: Answers
    receipts: Receipts | None = None
    countries: frozenset[str] = frozenset()
    rate_per_second: float = Field(0, ge=0)

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in TAKEN_NAMES:
            raise ValueError("another sender has this name")
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [*self.constants, *filter(None, self.fields.model_dump().values())]
        if not _have_room(names):
            raise ValueError("two things cannot stand in one field")
        if self.format == "form" and any(name.startswith("/") for name in names):
            raise ValueError("a form has names, not pointers")
        if self.receipts is not None and not self.fields.callback:
            raise ValueError("receipts need a field that tells the provider where they go")
        return self

    def serves(self, number_country: str) -> bool:
        """Whether it delivers to numbers of this country, as far as its description says."""
        return not self.countries or number_country in self.countries


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt of a described provider, as it says it. `is_exercise`: None where nothing shows which account it is of."""

    raw_status: str
    provider_id: str | None
    error_code: str | None
    is_exercise: bool | None = None
    places: tuple[str, str] = ("", "")
    """Where its description has the state and the id: what a refusal names."""


@dataclass(frozen=True, slots=True)
class Described:
    """A described provider as the settings have it: how it speaks, and what its receipts may be signed with."""

    dialect: Dialect
    receipt_secrets: tuple[str, ...]
    exercise_secret: str = ""

    @property
    def tells_apart(self) -> bool:
        """Whether a genuine receipt shows which account it comes from: the two secrets are never the same."""
        return self.dialect.receipts is not None and self.dialect.receipts.auth != "path"


def described_providers(settings: Settings) -> dict[str, Described]:
    """Every described provider by its name, of the live set and of the exercises'.

    Raises ValueError with one readable line per fault, or where one name means two descriptions.
    """
    found: dict[str, Described] = {}
    for group in (settings.sms2, settings.exercise_sms2):
        if not group.url:
            continue
        dialect, secret = read_dialect(group.description), group.receipt_secret.get_secret_value()
        known = found.get(dialect.name)
        if known is not None and known.dialect != dialect:
            raise ValueError(f"{DESCRIPTION}: the live set and the exercises' describe {dialect.name} differently")
        if dialect.receipts is not None and dialect.receipts.auth == "hmac" and not secret:
            raise ValueError(f"{DESCRIPTION}: receipts of {dialect.name} are signed, and SIAGA_SMS2_RECEIPT_SECRET is not set")
        secrets = (*(known.receipt_secrets if known else ()), secret)
        found[dialect.name] = Described(dialect, secrets, secret if group is settings.exercise_sms2 else "")
    return found


@lru_cache(8)
def read_dialect(text: str) -> Dialect:
    """A description from its JSON. Raises ValueError that names the setting and each fault."""
    try:
        return Dialect.model_validate_json(text)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors(include_input=False, include_url=False))
        raise ValueError(f"{DESCRIPTION} is not usable: " + "; ".join(lines)) from None


def dialects_of(settings: Settings) -> Dialects:
    """The words of every source of receipts, the described providers' among them."""
    described = (provider.dialect for provider in described_providers(settings).values())
    return {**DIALECTS, **{dialect.name: dialect.receipts.states for dialect in described if dialect.receipts is not None}}


def codes_of(settings: Settings) -> Codes:
    """What the codes in receipts of every source mean; a described provider's are those of its answers."""
    described = (provider.dialect for provider in described_providers(settings).values())
    return {**CODES, **{each.name: {code: described_answer(why) for code, why in each.answers.verdicts.items()} for each in described}}


def is_genuine(receipts: Receipts, secrets: Iterable[str], *, body: bytes, shown: str | None) -> bool:
    """Whether a receipt shows what the description asks for. Without a secret nothing is genuine by `hmac`."""
    if receipts.auth == "path":
        return True
    given = (shown or "").encode()
    return any(hmac.compare_digest(given, sign(receipts, secret, body).encode()) for secret in secrets if secret)


def sign(receipts: Receipts, secret: str, body: bytes) -> str:
    """What the header of a genuine receipt says."""
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    return receipts.prefix + (digest.hex() if receipts.encoding == "hex" else base64.b64encode(digest).decode())


def read_receipt(receipts: Receipts, body: bytes) -> Receipt | None:
    """The receipt in a body; None where no word for the state can be found."""
    try:
        document = json.loads(body) if receipts.format == "json" else dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (ValueError, RecursionError):
        return None
    status = read_at(document, receipts.status)
    if not status:
        return None
    provider_id, code = read_at(document, receipts.id) or None, read_at(document, receipts.code) or None
    return Receipt(status, provider_id, code, places=(receipts.status, receipts.id or "body"))


def read_at(document: Any, place: str) -> str:
    """The word at a field's name or a JSON pointer; empty where there is none."""
    if not place:
        return ""
    for step in _steps(place):
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, Sequence) and not isinstance(document, str) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return ""
    is_word = isinstance(document, str | int) and not isinstance(document, bool)
    return str(document) if is_word else ""


def put_at(document: dict[str, Any], place: str, value: object) -> None:
    """Set a field by its name or JSON pointer, making what is missing on the way; a decimal step is a place in a list."""
    steps = _steps(place)
    inner: Any = document
    for step, following in pairwise(steps):
        inner = _enter(inner, step, [] if following.isdecimal() else {})
    _set(inner, steps[-1], value)


def _have_room(places: Sequence[str]) -> bool:
    """Whether each of these places can be filled without another being lost."""
    sample: dict[str, Any] = {}
    try:
        for number, place in enumerate(places):
            put_at(sample, place, f"value {number}")
    except (AttributeError, TypeError, ValueError):
        return False
    return all(read_at(sample, place) == f"value {number}" for number, place in enumerate(places))


def _enter(inner: Any, step: str, empty: Any) -> Any:
    if isinstance(inner, list):
        if int(step) >= len(inner):
            inner.append(empty)
        return inner[min(int(step), len(inner) - 1)]
    return inner.setdefault(step, empty)


def _set(inner: Any, step: str, value: object) -> None:
    if isinstance(inner, list):
        inner.append(value)
    else:
        inner[step] = value


def _steps(place: str) -> list[str]:
    if not place.startswith("/"):
        return [place]
    return [step.replace("~1", "/").replace("~0", "~") for step in place[1:].split("/")]
