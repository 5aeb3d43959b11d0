"""Wire forms of the preview: who would get it, who would not and what is offered instead, and how long it takes."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from alerts.broadcasts.forecast import Limit
from alerts.broadcasts.rules import Channel, Variant
from alerts.kit.http import View


class NotReached(StrEnum):
    """Why a way does not reach people: their own state, or a rule of the number's country."""

    NO_ADDRESS = "no_address"
    NO_PROVIDER = "no_provider"
    OPTED_OUT = "opted_out"
    SENDER_UNREGISTERED = "sender_unregistered"
    QUIET_HOURS = "quiet_hours"


class Offer(StrEnum):
    """What can be done for people whom a message does not reach, the quickest first."""

    PUSH = "push"
    WEB_PUSH = "web_push"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    VOICE = "voice"
    ANOTHER_PROVIDER = "another_provider"
    ROAMING_BROADCAST = "roaming_broadcast"
    COMMUNITY_NODES = "community_nodes"
    CALL_LIST = "call_list"
    FORWARDABLE_TEXT = "forwardable_text"


class CountryWarning(View):
    """What a network's rules have against these texts or their sender, in both languages. A blocking one forbids submitting."""

    id: str
    en: str
    is_blocking: bool


class CountryPreview(View):
    """What the rules of a number's country do to a text message there."""

    number_country: str
    people: int
    variant: Variant
    is_served: bool
    warnings: list[CountryWarning]


class UnreachedView(View):
    """People whom a channel does not reach, why, and what is offered instead.

    A group may stand under several channels: each says why it does not reach them. `channel` null: no channel of any kind.
    """

    number_country: str | None
    channel: Channel | None
    people: int
    reason: NotReached
    offered_instead: list[Offer]


class BarredView(View):
    """Numbers that a channel does not reach, and why. Their people are reached otherwise: `reached_by` counts them by their first way."""

    number_country: str
    channel: Channel
    people: int
    reason: NotReached
    reached_by: dict[Channel, int]


class BottleneckView(View):
    """What decides when the last person is handed over. `per_second`: segments per second; `segments` wait on it."""

    limit: Limit
    sender: str
    number_country: str
    per_second: float
    segments: int


class Amount(View):
    """Money in one currency (ISO 4217)."""

    currency: str
    amount: Decimal


class CostView(View):
    """What the whole message costs. With `is_known` false the prices of `unpriced_segments` are not known: the sum is more."""

    is_known: bool
    amounts: list[Amount]
    unpriced_segments: int


class ForecastView(View):
    """Whole seconds from now until 50, 95 and 100 % of `people` have been handed over by their first way (0: they are).

    `segments`: SMS segments in all. `bottleneck` null: nothing waits. `measured_per_second`: segments per second handed
    over in the last minute; null before sending. `is_late`: less than 95 % are handed over before the message expires,
    in `validity_seconds` from now. `rate_not_known`: senders that people wait on and whose pace nobody has told us: the times
    are then the best that can be. Plain numbers among them usually send `usual_per_second`; with that it takes `usual_seconds_100`.
    """

    people: int
    handed_over: int
    segments: int
    seconds_50: int
    seconds_95: int
    seconds_100: int
    bottleneck: BottleneckView | None
    cost: CostView
    measured_per_second: float | None = None
    validity_seconds: int | None = Field(None, description="seconds left; null where no message is meant")
    is_late: bool = False
    rate_not_known: list[str] = Field(default_factory=list)
    usual_per_second: float | None = None
    usual_seconds_100: int | None = None


class AudienceView(View):
    """Who is there now, by channel and by the rules of their number's country."""

    people: int
    by_channel: dict[str, int]
    unreachable: dict[str, int]
    sharing_address: int = Field(description="people whose every address is another's of these: they get it there")
    sharing_ways: int = Field(description="people of whom a later way is left out, because the address is another's of these")
    by_class: dict[str, int]
    by_language: dict[str, int]
    countries: list[CountryPreview]
    unreached: list[UnreachedView]
    barred_numbers: list[BarredView]
    forecast: ForecastView = Field(description="without texts one segment per person is assumed")
