from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.country_rules import CountryRule, Known
from alerts.channels.ports import ReportedState, SmsMessage, Verdict, WhatsAppReply
from alerts.checkins.cases.actions import move_case
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.cases.rules import CaseState
from alerts.checkins.cases.schemas import CaseMove
from alerts.country_rules.actions import load_packaged_rules
from alerts.inbox.models import InboundMessage
from alerts.inbox.replies.actions import ask_reply, note_receipt
from alerts.inbox.replies.models import CitizenReply
from alerts.inbox.replies.rules import ALLOWED, Caller, ReplyState, may_reply, states_before
from alerts.inbox.replies.sending import attempt_of, commit_intents, parse_attempt, record, send_replies
from alerts.inbox.rules import WayIn
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.kit.ids import callback_token
from alerts.settings import Settings
from tests.factories.checkins import Person, make_citizen, make_member
from tests.factories.incidents import HATAY, make_incident
from tests.factories.staff import make_actor
from tests.inbox.conftest import PUBLIC_URL, signature

TextUs = Callable[..., Response]
Understand = Callable[[], list[InboundMessage]]


@dataclass
class Told:
    state: str = "accepted"
    code: str | None = None
    provider_id: str | None = "SM1"
    raw_status: str | None = None
    retry_after: float | None = None
    verdict: Verdict | None = None


@dataclass
class Carrier:
    """The port to the carriers: keeps what it is given, and answers as it is told."""

    answer: Told = field(default_factory=Told)
    sent: list[tuple[str, str, SmsMessage | WhatsAppReply]] = field(default_factory=list)

    def send(self, status: str, channel: str, message: SmsMessage | WhatsAppReply) -> Told:
        self.sent.append((status, channel, message))
        return self.answer


@pytest.fixture
def incident(session: Session) -> Incident:
    load_packaged_rules(session)
    incident = make_incident(session, areas=[HATAY])
    session.commit()
    return incident


@pytest.fixture
def person(session: Session, keyring: Keyring, incident: Incident) -> Person:
    """With a Malaysian number: texts go both ways there."""
    person = make_citizen(session, keyring)
    make_member(session, incident, person)
    session.commit()
    return person


@pytest.fixture
def asked(session: Session) -> Callable[[], list[CitizenReply]]:
    """Run the task for the one case; gives all replies."""

    def run() -> list[CitizenReply]:
        for case in session.query(HelpCase):
            ask_reply(session, case.id)
        session.commit()
        session.expire_all()
        return list(session.query(CitizenReply).order_by(CitizenReply.id))

    return run


def test_a_call_by_text_is_answered_with_what_is_true(
    session: Session, text_us: TextUs, understand: Understand, person: Person, asked: Callable[[], list[CitizenReply]], keyring: Keyring
) -> None:
    text_us(person.e164, "2")
    understand()
    (reply,) = asked()
    assert "KBRI Ankara" in reply.body
    assert "bantuan untuk Anda" not in reply.body
    assert len(reply.body) <= 160
    case = session.query(HelpCase).one()
    actor = make_actor(session, "mission_staff")
    move_case(session, actor=actor, keyring=keyring, case_id=case.id, command=CaseMove(to=CaseState.BEING_HELPED))
    first, second = asked()
    assert "bantuan untuk Anda" in second.body
    assert len(asked()) == 2, "one per state, however often the hint comes"
    published = session.execute(text("SELECT payload FROM outbox_event WHERE name = 'reply.asked' ORDER BY id")).scalars().all()
    assert [each["reply_id"] for each in published] == [str(first.id), str(second.id)]


def test_calling_again_and_again_is_answered_once_per_state(
    text_us: TextUs, understand: Understand, person: Person, asked: Callable[[], list[CitizenReply]]
) -> None:
    for _ in range(4):
        text_us(person.e164, "tolong")
        understand()
        assert len(asked()) == 1


@pytest.mark.parametrize("body", ["1", "tolong kami di atap", "selamat pagi", "STOP"])
def test_nothing_but_a_call_is_answered(
    text_us: TextUs, understand: Understand, person: Person, asked: Callable[[], list[CitizenReply]], body: str
) -> None:
    text_us(person.e164, body)
    understand()
    assert asked() == []


def test_who_is_never_answered(
    session: Session,
    text_us: TextUs,
    understand: Understand,
    incident: Incident,
    person: Person,
    asked: Callable[[], list[CitizenReply]],
    keyring: Keyring,
) -> None:
    text_us("+60999999999", "2")
    understand()
    assert asked() == [], "a stranger"
    incident.is_quiet = True
    session.commit()
    text_us(person.e164, "2")
    understand()
    assert asked() == [], "a phone that sounds betrays"
    incident.is_quiet = False
    session.execute(text("UPDATE citizen SET opted_out_at = now() WHERE id = :id"), {"id": person.id})
    session.commit()
    assert asked() == [], "whoever wants no messages gets none"


def test_a_call_by_whatsapp_is_answered_by_whatsapp_within_its_day(
    session: Session, settings: Settings, savepoint_sessions: Sessions, text_us: TextUs, understand: Understand, person: Person,
    asked: Callable[[], list[CitizenReply]], keyring: Keyring,
) -> None:  # fmt: skip
    text_us(f"whatsapp:{person.e164}", "2")
    understand()
    (reply,) = asked()
    assert "KBRI Ankara" in reply.body
    carrier = Carrier()
    send_replies(settings, savepoint_sessions, carrier)
    ((_, channel, message),) = carrier.sent
    assert (channel, type(message), message.to_e164, message.text) == ("whatsapp", WhatsAppReply, person.e164, reply.body)
    session.execute(text("UPDATE inbound_message SET received_at = received_at - interval '23 hours 1 minute'"))
    command = CaseMove(to=CaseState.BEING_HELPED)
    move_case(session, actor=make_actor(session, "mission_staff"), keyring=keyring, case_id=reply.case_id, command=command)
    assert len(asked()) == 1, "free words are for a day; what they would say then, a person says"


def rule(two_way: Known, outbound: Known) -> CountryRule:
    return CountryRule(provider="twilio", channel="sms", number_country="XX", two_way=two_way, outbound=outbound)


FLAGS = {name: st.booleans() for name in ("is_known", "is_opted_out", "is_quiet")}
CALLERS = st.builds(Caller, st.sampled_from(WayIn), st.sampled_from(CaseState), st.floats(0, 200_000), **FLAGS)


@given(CALLERS, st.sampled_from(Known), st.sampled_from(Known))
def test_a_reply_needs_everything_to_be_right(caller: Caller, two_way: Known, outbound: Known) -> None:
    if may_reply(caller, rule(two_way, outbound)):
        assert (caller.is_known, caller.is_opted_out, caller.is_quiet) == (True, False, False)
        if caller.way is WayIn.WHATSAPP:
            assert (outbound is Known.NO, caller.wrote_seconds_ago <= 23 * 3600) == (False, True)
        else:
            assert (caller.way, two_way, outbound) == (WayIn.SMS, Known.YES, Known.YES)
        assert caller.told not in (CaseState.RESOLVED, CaseState.REFERRED)


def test_states_only_climb() -> None:
    for before, after in itertools.product(ReplyState, ReplyState):
        assert (before.value in states_before(after)) == (after in ALLOWED[before])
    assert ReplyState.QUEUED not in ALLOWED[ReplyState.UNKNOWN]
    assert ReplyState.SENDING not in ALLOWED[ReplyState.UNKNOWN]


def test_names_of_attempts_come_back() -> None:
    from uuid import uuid4

    row = uuid4()
    assert parse_attempt(attempt_of(row, 3)) == (row, 3)
    for other in ("6401-1", "notice-x-1", "reply-x-1", "reply-", "", f"reply-{row}-x"):
        assert parse_attempt(other) is None


@pytest.fixture
def reply(
    session: Session, text_us: TextUs, understand: Understand, person: Person, asked: Callable[[], list[CitizenReply]]
) -> CitizenReply:
    text_us(person.e164, "2")
    understand()
    return asked()[0]


def state_of(session: Session) -> tuple[str, int, str | None]:
    row = session.execute(text("SELECT state, attempts, error_code FROM citizen_reply")).one()
    return row.state, row.attempts, row.error_code


def test_intent_then_hand_over_then_record(
    session: Session, settings: Settings, savepoint_sessions: Sessions, reply: CitizenReply, person: Person
) -> None:
    carrier = Carrier()
    assert send_replies(settings, savepoint_sessions, carrier) == 1
    ((status, channel, message),) = carrier.sent
    assert (status, channel, message.to_e164, message.body) == ("Actual", "sms", person.e164, reply.body)
    assert message.status_callback.startswith(f"{PUBLIC_URL}/hooks/replies/status/reply-{reply.id}-1.")
    assert state_of(session) == ("accepted", 1, None)
    assert send_replies(settings, savepoint_sessions, carrier) == 0


def test_a_worker_that_dies_leaves_unknown_and_nothing_is_sent_twice(
    session: Session, settings: Settings, savepoint_sessions: Sessions, reply: CitizenReply
) -> None:
    (row,) = commit_intents(session, lease_seconds=60)
    assert commit_intents(session, lease_seconds=60) == []
    session.execute(text("UPDATE citizen_reply SET lease_until = clock_timestamp() - interval '1 second'"))
    session.commit()
    carrier = Carrier()
    assert send_replies(settings, savepoint_sessions, carrier) == 0
    assert carrier.sent == []
    assert state_of(session) == ("unknown", 1, "lease_expired")
    record(session, row, Told(), retry_seconds=5)
    assert state_of(session)[0] == "unknown", "whoever slept past the lease writes nothing"
    assert note_receipt(session, reply_id=reply.id, number=1, reported=ReportedState.DELIVERED, provider_id="SM1")
    assert state_of(session)[0] == "delivered"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Told("queued", "429", None, retry_after=7), "queued"),
        (Told("unknown", "timeout", None), "unknown"),
        (Told("failed", "21211", None, verdict=Verdict.BAD_NUMBER), "failed"),
        (Told("queued", "21408", None, verdict=Verdict.NO_PERMISSION), "failed"),
        (Told("opted_out", "21610", None, verdict=Verdict.OPTED_OUT), "failed"),
    ],
)
def test_what_the_carrier_says(
    session: Session, settings: Settings, savepoint_sessions: Sessions, reply: CitizenReply, answer: Told, state: str
) -> None:
    send_replies(settings, savepoint_sessions, Carrier(answer))
    assert state_of(session) == (state, 1, answer.code)
    assert send_replies(settings, savepoint_sessions, Carrier(answer)) == 0, "later, or never"


def test_what_is_not_true_any_more_does_not_leave(
    session: Session, settings: Settings, savepoint_sessions: Sessions, reply: CitizenReply, keyring: Keyring
) -> None:
    command = CaseMove(to=CaseState.ACKNOWLEDGED)
    move_case(session, actor=make_actor(session, "mission_staff"), keyring=keyring, case_id=reply.case_id, command=command)
    session.commit()
    carrier = Carrier()
    assert send_replies(settings, savepoint_sessions, carrier) == 0
    assert state_of(session)[0] == "cancelled"


def test_receipts_are_signed_and_late_ones_change_nothing(
    client: TestClient, session: Session, settings: Settings, savepoint_sessions: Sessions, reply: CitizenReply, keyring: Keyring
) -> None:
    send_replies(settings, savepoint_sessions, Carrier())
    path = f"/hooks/replies/status/{callback_token(keyring.callback, attempt_of(reply.id, 1))}"

    def report(status: str, at: str = path) -> int:
        form = {"MessageSid": "SM1", "MessageStatus": status}
        return client.post(at, data=form, headers=signature(form, url=PUBLIC_URL + at)).status_code

    assert [report(status) for status in ("delivered", "sent", "delivered", "neu")] == [204] * 4
    assert state_of(session)[0] == "delivered"
    assert report("delivered", path[:-1] + ("0" if path[-1] != "0" else "1")) == 403
    assert client.post(path, data={"MessageStatus": "failed"}).status_code == 403
    other = f"/hooks/replies/status/{callback_token(keyring.callback, attempt_of(reply.id, 9))}"
    assert report("delivered", other) == 404
    assert isinstance(reply.created_at, datetime)
