"""Wire forms of country rules."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, computed_field, field_serializer

from alerts.channels.country_rules import Known, QuietScope, SenderKind
from alerts.country_rules.rules import RuledChannel, clock_time
from alerts.kit.http import View, Wire

PRICE_STEP = Decimal("0.000001")
Plain = Literal[Known.YES, Known.NO, Known.UNKNOWN]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Price = Annotated[Decimal, Field(ge=0, le=1000, max_digits=10, decimal_places=6)]
Rate = Annotated[float, Field(gt=0, le=100_000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
EXAMPLE: dict[str, JsonValue] = {
    "outbound": "yes",
    "two_way": "no",
    "urls": "no",
    "phone_numbers": "no",
    "sender_kind": "registered_alphanumeric_only",
    "sender_id": "KEMLU RI",
    "rate_per_second": 10,
    "quiet_scope": "promotional",
    "quiet_from": "21:00",
    "quiet_until": "07:00",
    "quiet_zone": "Asia/Dubai",
    "source": "https://www.twilio.com/en-us/guidelines/ae/sms",
}


class CountryRulePut(Wire):
    """A whole rule; what is left out is not known. `source` says where it is written, and is required."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    outbound: Known = Field(Known.UNKNOWN, description="`no`: nothing is delivered; `registered_only`: only with a `sender_id`")
    two_way: Plain = Field(Known.UNKNOWN, description="whether replies can arrive; only `yes` asks for one")
    urls: Known = Field(Known.UNKNOWN, description="links in a text; only `yes` puts one in")
    phone_numbers: Known = Field(Known.UNKNOWN, description="phone numbers in a text; `no` refuses such a text")
    sender_kind: SenderKind = SenderKind.UNKNOWN
    sender_id: Line = Field("", description="the sender registered for this country: shown instead of the usual one")
    rate_per_second: Rate | None = Field(None, description="segments per second per sender; null: the settings' default")
    receipts: Plain = Field(Known.UNKNOWN, description="`no`: a delivery receipt never comes, so none is waited for")
    quiet_scope: QuietScope = Field(QuietScope.NOTHING, description="what the network holds back in its quiet hours")
    quiet_from: Clock | None = Field(None, description="local time, HH:MM")
    quiet_until: Clock | None = Field(None, description="local time, HH:MM, excluded; earlier than `quiet_from`: over midnight")
    quiet_zone: Line = Field("", description="IANA time zone of the quiet hours", examples=["Asia/Dubai"])
    price_per_segment: Price | None = Field(None, description="in `currency`; null: not known, never 0")
    currency: Line = Field("", description="ISO 4217", examples=["USD"])
    note: Paragraph = ""
    source: Paragraph

    def values(self) -> dict[str, Any]:
        """The fields as the rule has them."""
        hours = {name: clock_time(getattr(self, name)) for name in ("quiet_from", "quiet_until")}
        price = self.price_per_segment
        return self.model_dump() | hours | {"price_per_segment": None if price is None else price.quantize(PRICE_STEP)}


class RuleVersionView(View):
    """One version of a rule. `edited_by` null: as packaged with the product."""

    provider: str
    channel: RuledChannel
    number_country: str
    version: int = Field(description="0: nobody wrote a rule for this country; everything is unknown")
    outbound: Known
    two_way: Known
    urls: Known
    phone_numbers: Known
    sender_kind: SenderKind
    sender_id: str
    rate_per_second: float | None
    receipts: Known
    quiet_scope: QuietScope
    quiet_from: time | None
    quiet_until: time | None
    quiet_zone: str
    price_per_segment: Decimal | None
    currency: str
    note: str
    source: str
    edited_by: UUID | None = None
    edited_at: datetime | None = None

    @computed_field(description="country, provider and channel, as the list goes on after it")  # type: ignore[prop-decorator]
    @property
    def code(self) -> str:
        return f"{self.number_country}.{self.provider}.{self.channel}"

    @field_serializer("quiet_from", "quiet_until")
    def _clock(self, at: time | None) -> str | None:
        return f"{at:%H:%M}" if at else None


class CountryRuleView(RuleVersionView):
    """The rule in force, and how it came to be: `history` newest first, at most 200 versions."""

    country_name: dict[str, str]
    history: list[RuleVersionView]
    etag: str


class CountryRuleList(View):
    """Rules in force by country, provider and channel. `next_cursor` is null on the last page."""

    items: list[RuleVersionView]
    next_cursor: str | None
