"""What each answer of a provider means, as data. Codes are the providers' own; reading them is in the adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from alerts.channels.ports import USUAL_STEPS, Rejected, ReportedState, Step, Verdict

LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the table: the verdict, the step that follows, and the provider's meaning in a few words.

    `alarm_above`: the share of a broadcast's receipts above which somebody must look. How long a step waits (a resend, a
    sender's rest) is a setting.
    """

    verdict: Verdict
    step: Step
    meaning: str
    alarm_above: float | None = None

    def refusal(self, code: str) -> Rejected:
        """The error of a request that was refused so."""
        return Rejected(code, verdict=self.verdict, step=self.step)


ANYTHING_ELSE = Answer(Verdict.OTHER, Step.FAIL_AND_ALARM, "not in the table: counted and alarmed")

EXPIRED = Answer(Verdict.OTHER, Step.EXPIRE, "by our own clock: its time was over before it could leave")

ALARM_SHARE = 0.01

# Codes of a refused request (2xxxx) and of a receipt (3xxxx). 429 and 20429 are not here: they are "not now", not "no".
TWILIO_ANSWERS: Mapping[str, Answer] = {
    "21211": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "not a valid number"),
    "21614": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "not a mobile number"),
    "21217": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "the number does not look valid"),
    "21610": Answer(Verdict.OPTED_OUT, Step.RECORD_OPT_OUT, "the person has opted out"),
    "21408": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "sending to this region is switched off"),
    "21611": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "this sender's queue is full"),
    "20003": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the credentials are refused"),
    "30001": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "the queue overflowed"),
    "30002": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the account is suspended"),
    "30003": Answer(Verdict.OTHER, Step.RESEND_ONCE_LATER, "the handset is off or out of reach"),
    "30004": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "blocked", alarm_above=ALARM_SHARE),
    "30005": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "unknown handset"),
    "30006": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "a landline, or a carrier that cannot be reached"),
    "30007": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "filtered by a carrier", alarm_above=ALARM_SHARE),
    "30036": Answer(Verdict.OTHER, Step.EXPIRE, "the validity period ended first"),
}

# WhatsApp's own codes. A number that WhatsApp does not know may be a good one for a text or a call: it is not stopped.
WHATSAPP_ANSWERS: Mapping[str, Answer] = {
    "63001": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "WhatsApp refuses the credentials"),
    "63003": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "WhatsApp does not know the number"),
    "63005": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the content is not accepted", alarm_above=ALARM_SHARE),
    "63007": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the sender is not one of WhatsApp's"),
    "63010": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "an error inside the channel"),
    "63012": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "an error at WhatsApp"),
    "63013": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "against the channel's policy", alarm_above=ALARM_SHARE),
    "63014": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the person has blocked this sender"),
    "63016": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "no template, and outside the time for free text"),
    "63018": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "the sender's rate is exceeded"),
    "63020": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the business account is not accepted"),
    "63021": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the content is not valid", alarm_above=ALARM_SHARE),
    "63024": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "not a valid recipient for WhatsApp"),
    "63027": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "there is no such template in this language", alarm_above=ALARM_SHARE),
    "63028": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "not as many values as the template has places", alarm_above=ALARM_SHARE),
    "63030": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "a value of a kind that is not supported", alarm_above=ALARM_SHARE),
    "63032": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "WhatsApp does not carry this to this person"),
}

# Codes of a refused call. Geographic permissions of calls are a switch of their own.
VOICE_ANSWERS: Mapping[str, Answer] = {
    "10001": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the account is not active"),
    "10004": Answer(Verdict.SENDER_BACKOFF, Step.BACK_OFF_SENDER, "as many calls are under way as are allowed"),
    "13224": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the number cannot be called"),
    "13227": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "calling this region is switched off"),
    "21203": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "calls abroad are switched off"),
    "21210": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "calls may not come from this number"),
    "21212": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the number that calls come from is not valid"),
    "21214": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the number cannot be reached by a call"),
    "21215": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "calling this region is switched off"),
    "21216": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "calls to this number are not allowed"),
    "32205": Answer(Verdict.NO_PERMISSION, Step.PAGE_AND_KEEP_QUEUED, "calling this region is switched off"),
}
_ALL_OF_TWILIO = {**TWILIO_ANSWERS, **WHATSAPP_ANSWERS, **VOICE_ANSWERS}

# A switch that somebody left off, or a region that nobody serves: the country's rule tells which.
REGION_CODES = frozenset({"21408", "21215", "13227", "32205"})
UNSERVED_REGION = Answer(Verdict.UNSUPPORTED_COUNTRY, Step.FAIL_ON_CHANNEL, "no sender of this provider reaches the region")

NOT_NOW_CODES = frozenset({"20429", "429"})

# FCM's errorCode, or the RPC status where it gives none. INVALID_ARGUMENT is decided by the field it names.
FCM_ANSWERS: Mapping[str, Answer] = {
    "UNREGISTERED": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the app is gone from the device"),
    "NOT_FOUND": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the token names nothing"),
    "SENDER_ID_MISMATCH": Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the token belongs to another sender"),
    "INVALID_ARGUMENT": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "a field of the request is not accepted"),
    "UNAUTHENTICATED": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the credentials are refused"),
    "PERMISSION_DENIED": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "the account may not send for this project"),
    "THIRD_PARTY_AUTH_ERROR": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the certificate for this platform is refused"),
}

# What a push service of browsers says by HTTP status (RFC 8030, 8291, 8292). 429 is "not now"; 5xx may have been taken.
WEB_PUSH_ANSWERS: Mapping[int, Answer] = {
    400: Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "a field of the request is not accepted"),
    401: Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "our signature is refused"),
    403: Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "our signature is refused"),
    404: Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the subscription is gone"),
    410: Answer(Verdict.DEAD_TOKEN, Step.PRUNE_TOKEN, "the subscription is gone"),
    413: Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the message is too large"),
}
# Words by which services explain a 400 or 403. A subscription made for another key is a fault of that one alone; what
# names our signature concerns everybody.
OTHER_KEY_WORDS = ("not correspond to the credentials", "vapidpkhashmismatch")
SIGNATURE_WORDS = ("vapid", "jwt", "authorization", "authentication", "crypto-key", "p256ecdsa")
OTHER_KEY = Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the subscription was made for another key than ours")

# A mail server's 5xx. Its enhanced code (RFC 3463) decides where there is one: the longest start that fits; else the plain
# code says what was refused, at RCPT the address, at DATA the content.
SMTP_ENHANCED_ANSWERS: Mapping[str, Answer] = {
    "5.1.": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "there is no such address"),
    "5.1.8": Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "our own address is refused"),
    "5.2.": Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "the mailbox takes nothing now"),
    "5.2.1": Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "the mailbox is switched off"),
    "5.3.4": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the message is too large"),
    "5.6.": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the content is not accepted"),
    "5.7.": Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "refused by the receiver's policy"),
}
SMTP_ADDRESS_ANSWERS: Mapping[int, Answer] = {
    code: Answer(Verdict.BAD_NUMBER, Step.STOP_NUMBER, "the address is refused") for code in (550, 551, 553)
}
SMTP_CONTENT = Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "the content is not accepted")
SMTP_SENDER = Answer(Verdict.STOP_ALL, Step.STOP_ALL_AND_PAGE, "our account or address is refused")
SMTP_ACCOUNT_CODES = frozenset({530, 534, 535, 538})

# Twilio's word → how far the message got. A word that is not here is stored raw, counted and alarmed.
TWILIO_STATES: Mapping[str, ReportedState] = {
    "accepted": ReportedState.ACCEPTED,
    "scheduled": ReportedState.ACCEPTED,
    "queued": ReportedState.ACCEPTED,
    "sending": ReportedState.ACCEPTED,
    "sent": ReportedState.SENT,
    "delivered": ReportedState.DELIVERED,
    "read": ReportedState.DELIVERED,
    "partially_delivered": ReportedState.DELIVERED,
    "undelivered": ReportedState.UNDELIVERED,
    "failed": ReportedState.FAILED,
    "canceled": ReportedState.FAILED,
}


# A call's word. Taken up is `sent` until it ends well: whoever hangs up at once has heard nothing.
TWILIO_CALL_STATES: Mapping[str, ReportedState] = {
    "queued": ReportedState.ACCEPTED,
    "initiated": ReportedState.ACCEPTED,
    "ringing": ReportedState.SENT,
    "in-progress": ReportedState.SENT,
    "completed": ReportedState.DELIVERED,
    "busy": ReportedState.UNDELIVERED,
    "no-answer": ReportedState.UNDELIVERED,
    "failed": ReportedState.FAILED,
    "canceled": ReportedState.FAILED,
}

Dialects = Mapping[str, Mapping[str, ReportedState]]
DIALECTS: Dialects = {
    "twilio": TWILIO_STATES,
    "twilio_call": TWILIO_CALL_STATES,
    # By the names of the senders, whose lists a look-up reads.
    "whatsapp": TWILIO_STATES,
    "voice": TWILIO_CALL_STATES,
}
"""The words of each source of receipts. A described provider adds its own: `alerts.channels.sms_dialect.dialects_of`."""


Codes = Mapping[str, Mapping[str, Answer]]
CODES: Codes = dict.fromkeys(("twilio", "twilio_call", "whatsapp", "voice"), _ALL_OF_TWILIO)
"""The codes of each source of receipts, and of each sender whose list a look-up reads."""
DESCRIBED: Mapping[Verdict, Answer] = {
    Verdict.OTHER: Answer(Verdict.OTHER, Step.FAIL_ON_CHANNEL, "described"),
    Verdict.CONTENT: Answer(Verdict.CONTENT, Step.DO_NOT_REPEAT_TEXT, "described", alarm_above=ALARM_SHARE),
}


def is_listed(code: str) -> bool:
    """Whether a code of Twilio's has a row of its own."""
    return code in _ALL_OF_TWILIO


def twilio_answer(code: str, *, is_region_served: bool = True) -> Answer:
    """The row of a Twilio code. A region's code means two things: a switch left off, or a region that nobody serves."""
    if code in REGION_CODES and not is_region_served:
        return UNSERVED_REGION
    return _ALL_OF_TWILIO.get(code, ANYTHING_ELSE)


def described_answer(verdict: Verdict) -> Answer:
    """The row of a code that a provider's description explains. What it calls `other` is listed: nobody is alarmed."""
    return DESCRIBED.get(verdict) or Answer(verdict, USUAL_STEPS[verdict], "described")


def told_answer(source: str, code: str, codes: Codes | None = None) -> Answer:
    """The row of the code in a receipt (or in a list) of a source. `codes` of the settings: `alerts.channels.sms_dialect.codes_of`."""
    return (codes or CODES).get(source, {}).get(code, ANYTHING_ELSE)


def web_push_answer(status: int, explanation: str) -> Answer:
    """The row of a push service's refusal; `explanation` is the body of its answer, in whatever form."""
    words = explanation.lower()
    if status in (400, 403) and any(each in words for each in OTHER_KEY_WORDS):
        return OTHER_KEY
    if status == 400 and any(each in words for each in SIGNATURE_WORDS):
        return WEB_PUSH_ANSWERS[401]
    return WEB_PUSH_ANSWERS.get(status, ANYTHING_ELSE)


def smtp_answer(code: int, enhanced: str, *, is_of_address: bool) -> Answer:
    """The row of a mail server's 5xx to RCPT (`is_of_address`) or DATA; `enhanced` is its RFC 3463 code or empty."""
    if code in SMTP_ACCOUNT_CODES:
        return SMTP_SENDER
    if is_of_address and enhanced.startswith("5.7."):
        return ANYTHING_ELSE  # a policy on who may send to whom: nothing is wrong with the text
    fitting = [start for start in SMTP_ENHANCED_ANSWERS if enhanced.startswith(start)]
    if fitting:
        return SMTP_ENHANCED_ANSWERS[max(fitting, key=len)]
    return SMTP_ADDRESS_ANSWERS.get(code, ANYTHING_ELSE) if is_of_address else SMTP_CONTENT


def reported_state(source: str, raw_status: str, dialects: Dialects = DIALECTS) -> ReportedState | None:
    """How far a source of receipts says the message got, or None for a word (or a source) that we do not know."""
    return dialects.get(source, {}).get(raw_status)


def parse_retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header (a number or a date), between 0 and one hour; None if it says nothing usable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)
