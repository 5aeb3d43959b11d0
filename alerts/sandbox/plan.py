"""How the sandbox carrier behaves: pace, receipts, people, and what goes wrong for whom. Plain JSON, fixed by a seed.

Nothing here is random: every decision is a hash of the seed, the address and how often that address was asked for, so
a run with the same seed and the same requests goes the same way, in whatever order they arrive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class Channel(StrEnum):
    """The doors of the carrier."""

    SMS = "sms"
    PUSH = "push"
    WEB_PUSH = "web_push"
    EMAIL = "email"
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    SECOND_SMS = "sms2"


# Whoever reads these answers at the link that they carry.
BY_LINK = frozenset({Channel.PUSH, Channel.WEB_PUSH, Channel.EMAIL})
BY_NUMBER = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE, Channel.SECOND_SMS)


class Fault(StrEnum):
    """What happens to a request. Those that end in `_not_sent` accept nothing; `error`, `hang` and `reset` do accept."""

    NONE = "none"
    THROTTLE = "throttle"
    REFUSE = "refuse"
    ERROR = "error_but_sent"
    HANG = "hang"
    RESET = "reset"
    ERROR_NOT_SENT = "error_not_sent"
    HANG_NOT_SENT = "hang_not_sent"
    RESET_NOT_SENT = "reset_not_sent"


class Receipts(StrEnum):
    """How the receipts of an accepted text come. `early`: the first one is posted before the create call is answered."""

    NORMAL = "normal"
    EARLY = "early"
    LATE = "late"
    DUPLICATE = "duplicate"
    REVERSED = "reversed"
    MISSING = "missing"
    UNDELIVERED = "undelivered"


class PlanPart(BaseModel):
    """A misspelt name in a plan is refused, so that no fault silently fails to happen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(PlanPart):
    """Whom it concerns, and what then happens. All conditions given must hold; for each effect the first rule counts.

    `channel` is one door, or several. `first`: only the first so many requests for an address (0: all of them).
    `share`: that part of the addresses.
    `after_accepted`, `until_accepted`: by how many messages the carrier has accepted so far.
    """

    channel: Channel | tuple[Channel, ...] | None = None
    prefix: str = ""
    suffix: str = ""
    share: Share = 1.0
    first: int = Field(0, ge=0)
    after_accepted: int = Field(0, ge=0)
    until_accepted: int | None = Field(None, ge=0)
    fault: Fault | None = None
    code: str = ""
    retry_after_seconds: float | None = Field(None, ge=0)
    receipts: Receipts | None = None
    reply: str | None = None


class Plan(PlanPart):
    """Everything about one run of the carrier. The defaults are a good day: every message delivered, some people answer.

    `sms_per_second` (each door of texts), `push_per_second`, `calls_per_second`: acceptances wait their turn at that
    pace; 0 is no limit. `replies`, `app_answers`, `keys`: words and their weights. People answer by SMS only from
    `two_way_prefixes`, by WhatsApp from everywhere. `keys` are pressed one after the other: `51` is wrong at first.
    """

    seed: int = 1
    sms_per_second: float = Field(0, ge=0)
    push_per_second: float = Field(0, ge=0)
    calls_per_second: float = Field(0, ge=0)
    latency_seconds: Seconds = 0.0
    retry_after_seconds: Seconds = 1.0
    hang_seconds: Seconds = 600.0
    receipt_seconds: tuple[Seconds, Seconds] = (0.1, 0.8)
    late_seconds: Seconds = 30.0
    callback_tries: int = Field(4, ge=1)
    callback_retry_seconds: Seconds = 1.0
    reply_seconds: tuple[Seconds, Seconds] = (0.5, 4.0)
    reply_share: Share = 0.6
    replies: Mapping[str, float] = {"1": 50, "AMAN": 30, "2": 8, "2 kaki patah": 4, "selamat pagi": 8}
    app_share: Share = 0.6
    app_answers: Mapping[str, float] = {"safe": 93, "need_help": 7}
    key_share: Share = 0.6
    keys: Mapping[str, float] = {"1": 80, "2": 12, "51": 8}
    two_way_prefixes: tuple[str, ...] = ("+60", "+63", "+65", "+852")
    unserved_prefixes: tuple[str, ...] = ("+98", "+963", "+53")
    rules: tuple[Rule, ...] = ()
    has_suffix_rules: bool = True


def _suffix(suffix: str, **effect: object) -> Rule:
    return Rule.model_validate({"suffix": suffix, **effect})


SUFFIX_DIGITS = 7
# Seven digits at the end of a number (of a push token, of a mailbox before its @) ask for a fault: long enough not to happen by accident.
SUFFIX_RULES: tuple[Rule, ...] = (
    _suffix("9990429", fault=Fault.THROTTLE, first=1),
    _suffix("9990500", fault=Fault.ERROR, first=1),
    _suffix("9990503", fault=Fault.ERROR_NOT_SENT, first=1),
    _suffix("9990408", fault=Fault.HANG, first=1),
    _suffix("9990407", fault=Fault.HANG_NOT_SENT, first=1),
    _suffix("9990104", fault=Fault.RESET, first=1),
    _suffix("9990103", fault=Fault.RESET_NOT_SENT, first=1),
    _suffix("9990404", fault=Fault.REFUSE, code="UNREGISTERED", channel=Channel.PUSH),
    _suffix("9990410", fault=Fault.REFUSE, code="410", channel=Channel.WEB_PUSH),
    _suffix("9990403", fault=Fault.REFUSE, code="403", channel=Channel.WEB_PUSH),
    _suffix("9990550", fault=Fault.REFUSE, code="550 5.1.1", channel=Channel.EMAIL),
    _suffix("9990554", fault=Fault.REFUSE, code="554 5.7.1", channel=Channel.EMAIL),
    *(
        _suffix(f"999{code[1:]}", fault=Fault.REFUSE, code=code, channel=BY_NUMBER)
        for code in ("21211", "21217", "21408", "21610", "21611", "21614")
    ),
    _suffix("9990001", receipts=Receipts.LATE),
    _suffix("9990002", receipts=Receipts.DUPLICATE),
    _suffix("9990003", receipts=Receipts.REVERSED),
    _suffix("9990004", receipts=Receipts.MISSING),
    _suffix("9990005", receipts=Receipts.UNDELIVERED, code="30003"),
    _suffix("9990006", receipts=Receipts.EARLY),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the plan sees it: its address, the how manieth for that address, and what was accepted before."""

    channel: Channel
    address: str
    nth: int
    accepted_before: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What this request gets. `code` is of the refusal; `receipt_code` of an undelivered receipt; `reply` None: nobody answers."""

    fault: Fault
    code: str
    retry_after_seconds: float
    receipts: Receipts
    receipt_code: str
    reply: str | None


class Planner:
    """Decides by a plan. Pure: the same question has the same answer."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._by_suffix = {rule.suffix: rule for rule in SUFFIX_RULES} if plan.has_suffix_rules else {}
        self._key = str(plan.seed).encode()

    def decide(self, asked: Asked) -> Decision:
        """The decision for one request: rules first, then the prefixes that nobody serves, then the plan's shares."""
        rules = list(self._matching(asked))
        fault_rule = next((r for r in rules if r.fault is not None), None)
        receipts_rule = next((r for r in rules if r.receipts is not None), None)
        fault, code = (fault_rule.fault or Fault.NONE, fault_rule.code) if fault_rule else self._by_prefix(asked)
        wait = fault_rule.retry_after_seconds if fault_rule else None
        return Decision(
            fault=fault,
            code=code,
            retry_after_seconds=self.plan.retry_after_seconds if wait is None else wait,
            receipts=(receipts_rule.receipts if receipts_rule else None) or Receipts.NORMAL,
            receipt_code=receipts_rule.code if receipts_rule else "",
            reply=next((r.reply for r in rules if r.reply is not None), None) or self._reply(asked),
        )

    def between(self, span: tuple[float, float], asked: Asked, purpose: str) -> float:
        """A moment within a span of seconds, fixed for this request and purpose."""
        low, high = span
        return low + (high - low) * self._draw(asked, purpose)

    def _matching(self, asked: Asked) -> Iterator[Rule]:
        for number, rule in enumerate(self.plan.rules):
            if _concerns(rule, asked) and (rule.share >= 1 or self._of_address(asked, f"rule:{number}") < rule.share):
                yield rule
        by_suffix = self._by_suffix.get(asked.address[-SUFFIX_DIGITS:])
        if by_suffix is not None and _concerns(by_suffix, asked):
            yield by_suffix

    def _by_prefix(self, asked: Asked) -> tuple[Fault, str]:
        if asked.channel is Channel.SMS and asked.address.startswith(self.plan.unserved_prefixes):
            return Fault.REFUSE, "21408"
        return Fault.NONE, ""

    def _reply(self, asked: Asked) -> str | None:
        plan = self.plan
        if asked.channel in BY_LINK:
            return self._choose(asked, plan.app_share, plan.app_answers)
        if asked.channel is Channel.VOICE:
            return self._choose(asked, plan.key_share, plan.keys)
        can_reply = asked.channel is Channel.WHATSAPP or (asked.channel is Channel.SMS and asked.address.startswith(plan.two_way_prefixes))
        return self._choose(asked, plan.reply_share, plan.replies) if can_reply else None

    def _choose(self, asked: Asked, share: float, weights: Mapping[str, float]) -> str | None:
        if self._draw(asked, "replies") >= share or not weights:
            return None
        left = self._draw(asked, "words") * sum(weights.values())
        for words, weight in weights.items():
            left -= weight
            if left < 0:
                return words
        return list(weights)[-1]

    def _draw(self, asked: Asked, purpose: str) -> float:
        return self._of_address(asked, f"{purpose}:{asked.nth}")

    def _of_address(self, asked: Asked, purpose: str) -> float:
        digest = blake2b(f"{asked.channel}|{asked.address}|{purpose}".encode(), digest_size=8, key=self._key)
        return int.from_bytes(digest.digest()) / 2**64


def _concerns(rule: Rule, asked: Asked) -> bool:
    return (
        _is_at_door(rule.channel, asked.channel)
        and asked.address.startswith(rule.prefix)
        and asked.address.endswith(rule.suffix)
        and (not rule.first or asked.nth <= rule.first)
        and asked.accepted_before >= rule.after_accepted
        and (rule.until_accepted is None or asked.accepted_before < rule.until_accepted)
    )


def _is_at_door(doors: Channel | tuple[Channel, ...] | None, door: Channel) -> bool:
    return doors is None or door in ((doors,) if isinstance(doors, Channel) else doors)
