"""The table of answers is obeyed, wherever an answer comes from: a request, a receipt, a look-up, a second sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import event, text

from alerts.broadcasts.actions import cancel_broadcast
from alerts.channels.ports import Message, Step
from alerts.deliveries.buckets import Lane
from alerts.deliveries.carriers import Answers, Carriers
from alerts.deliveries.escalation import Patience, escalate
from alerts.deliveries.evidence import apply_all_receipts
from alerts.deliveries.lookups import look_up
from alerts.deliveries.queries import invariants
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.rules import STILL_OWED, Outcome, State
from alerts.deliveries.watching import LATELY, Reported, is_above, watch_failures
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from alerts.settings import Settings
from tests.deliveries.conftest import Carrier, Fanout, alarms, due_again, resting
from tests.factories.staff import make_actor
from tests.support.stages import wait_until

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
LOST_THEN_OPTED_OUT = {
    "receipt_seconds": [0.0, 0.0],
    "callback_tries": 1,
    "rules": [{"suffix": "7700001", "fault": "error_but_sent", "first": 1, "receipts": "undelivered", "code": "21610"}],
}
LOST = {"suffix": "7700001", "fault": "error_not_sent", "first": 1}
OPTED_OUT_THE_SECOND_TIME = {"rules": [LOST, {"suffix": "7700001", "fault": "refuse", "code": "21610"}]}
REFUSED_THE_SECOND_TIME = {"rules": [LOST, {"suffix": "7700001", "fault": "refuse", "code": "20003", "first": 2}]}


@pytest.fixture
def more_settings() -> dict[str, str]:
    return {"SIAGA_DELIVERY_WINDOW_SIZE": "2", "SIAGA_DELIVERY_BATCH_SIZE": "100", "SIAGA_DELIVERY_RETRY_SECONDS": "20"}


def numbers(count: int) -> list[str]:
    return [f"+62812{50_000_000 + number}" for number in range(count)]


def test_what_a_provider_refuses_for_its_own_reasons_counts_against_it() -> None:
    found = {step for step in Step if Outcome(State.FAILED, code="x", step=step).is_senders_fault}
    assert found == {Step.STOP_ALL_AND_PAGE, Step.PAGE_AND_KEEP_QUEUED, Step.FAIL_AND_ALARM}
    assert not Outcome(State.ACCEPTED, provider_id="SM1").is_senders_fault


def taken(message: Fanout, carriers: Carriers) -> list[dict[str, Any]]:
    message.release()
    message.send(carriers)
    return message.attempts()


def told(message: Fanout, carriers: Carriers, attempts: Sequence[Mapping[str, Any]], code: str, word: str = "undelivered") -> None:
    for attempt in attempts:
        message.hear(attempt, word, code=code, provider_id=attempt["provider_id"])
    apply_all_receipts(message.settings, message.sessions, carriers)


def test_a_receipt_of_an_opt_out_reaches_the_register_and_nothing_goes_around_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout(people=[{"phones": ("+6281250000001", "+6281250000002")}])
    told(message, carriers, taken(message, carriers), "21610")
    assert message.rows("SELECT count(*) AS n FROM citizen WHERE opted_out_at IS NOT NULL") == [{"n": 1}]
    assert resting(message) == {}


def test_a_receipt_of_a_suspended_account_closes_the_sender_and_pages_once(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(4))
    first, *others = taken(message, carriers)
    told(message, carriers, [first], "30002", "failed")
    told(message, carriers, others, "30002", "failed")
    assert set(resting(message)) == {"twilio"}
    assert alarms(message) == [{"kind": "stop_all", "sender": "twilio", "count": 1}]


def test_a_refused_account_is_written_down_once_however_many_receipts_tell_of_it(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(6))
    attempts, written = taken(message, carriers), list[str]()

    def note(*about: Any) -> None:
        written.append(about[2])

    event.listen(message.sessions.kw["bind"], "before_cursor_execute", note)
    told(message, carriers, attempts, "30002", "failed")
    event.remove(message.sessions.kw["bind"], "before_cursor_execute", note)
    assert sum("INSERT INTO sender_rest" in statement for statement in written) == 1


def test_a_receipt_of_an_overflown_queue_shuts_that_sender_in_every_country(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(1))
    told(message, carriers, taken(message, carriers), "30001", "failed")
    grants = [carriers.pacer.take(Lane("twilio", "twilio", country), 1) for country in ("ID", "MY")]
    assert [grant.count for grant in grants] == [0, 0]
    assert all(30 < grant.wait_seconds < 65 for grant in grants)
    assert carriers.pacer.take(Lane("twilio", "whatsapp", "MY"), 1).count == 1, "another sender of the account goes on"
    assert resting(message) == {}


@pytest.mark.parametrize("carrier", [LOST_THEN_OPTED_OUT], indirect=True)
def test_a_look_up_is_heeded_like_a_receipt(fanout: Make, carriers: Carriers, carrier: Carrier) -> None:
    message = fanout("+6281277700001")
    message.release()
    message.send(carriers)
    message.grow_old()
    wait_until(lambda: "undelivered" in carrier.log_path.read_text())
    assert look_up(message.settings, message.sessions, carriers) == 1
    assert message.states() == {"undelivered": 1}
    assert message.rows("SELECT count(*) AS n FROM citizen WHERE opted_out_at IS NOT NULL") == [{"n": 1}]


@pytest.mark.parametrize("carrier", [OPTED_OUT_THE_SECOND_TIME], indirect=True)
def test_what_a_second_sending_is_told_of_a_person_is_not_lost(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281277700001", resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    assert message.rows("SELECT number, state, error_code FROM attempt WHERE number = 2") == [
        {"number": 2, "state": "failed", "error_code": "21610"}
    ]
    assert message.states() == {"unknown": 1}, "the first may have arrived"
    assert message.rows("SELECT count(*) AS n FROM citizen WHERE opted_out_at IS NOT NULL") == [{"n": 1}]


@pytest.mark.parametrize("carrier", [REFUSED_THE_SECOND_TIME], indirect=True)
def test_a_second_sending_that_our_account_was_refused_is_still_owed(fanout: Make, carriers: Carriers) -> None:
    message = fanout("+6281277700001", resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    assert resend_unknown(message.settings, message.sessions, carriers) == 0
    assert alarms(message) == [{"kind": "stop_all", "sender": "twilio", "count": 1}]
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "not while the sender is closed"
    message.run("DELETE FROM sender_rest")
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "nor at once: it waits like a first sending"
    message.run("UPDATE attempt SET resolved_at = resolved_at - interval '1 minute'")
    assert resend_unknown(message.settings, message.sessions, carriers) == 1


class CancelsMeanwhile(Carriers):
    """While the first window is with the carrier somebody cancels a message."""

    cancels: Fanout | None = None

    def submit(self, status: Status, name: str, messages: Sequence[Message], *, until: float) -> Answers:
        message, self.cancels = self.cancels, None
        if message is not None:
            with begin(message.sessions) as session:
                actor = make_actor(session, "duty_officer")
                cancel_broadcast(session, actor=actor, broadcast_id=message.broadcast_id, reason="Salah tempat.")
        return super().submit(status, name, messages, until=until)


@pytest.mark.parametrize("carrier", [{"rules": [{"fault": "error_not_sent", "first": 2}]}], indirect=True)
def test_a_cancel_while_another_message_is_sent_again_is_seen(fanout: Make, sending_settings: Settings) -> None:
    one, other = fanout("+6281277700001", resend_unknown="once"), fanout(resend_unknown="once")
    carriers = CancelsMeanwhile(sending_settings)
    try:
        for message in (one, other):
            message.release()
        one.send(carriers)
        one.grow_old()
        look_up(one.settings, one.sessions, carriers)
        carriers.cancels = other
        assert resend_unknown(one.settings, one.sessions, carriers) == 1
    finally:
        carriers.close()
    assert second_sendings(one) == [{"broadcast_id": one.broadcast_id}]


def second_sendings(message: Fanout) -> list[dict[str, Any]]:
    """Of which messages there are any."""
    return message.rows("SELECT d.broadcast_id FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE resend_of > 0")


@pytest.mark.parametrize("carrier", [{"rules": [{"fault": "error_not_sent", "first": 1}]}], indirect=True)
def test_who_is_not_sent_to_again_after_all_uses_up_nobodys_pace(fanout: Make, carriers: Carriers) -> None:
    one, person = fanout("+6281277700001", resend_unknown="once"), {"phones": ("+60123450001",), "country_iso2": "MY"}
    other = fanout(people=[person], areas=[{"kind": "country", "code": "MY"}], resend_unknown="once")
    for message in (one, other):
        message.release()
    one.send(carriers)  # of both
    one.grow_old()
    look_up(one.settings, one.sessions, carriers)
    slow = one.settings.model_copy(update={"pace": one.settings.pace.model_copy(update={"country_per_second": 0.02})})
    paced = CancelsMeanwhile(slow)
    shared, malaysia = paced.pacer._shared, Lane("twilio", "twilio", "MY")
    try:
        shared.client.set(shared.key("opened"), 1)  # long ago: the buckets are full
        paced.cancels = other
        assert resend_unknown(slow, one.sessions, paced) == 1
        assert second_sendings(other) == [{"broadcast_id": one.broadcast_id}]
        assert paced.pacer.take(malaysia, 1).count == 1, "its token is there for somebody else"
    finally:
        paced.close()


@pytest.mark.parametrize("carrier", [{"rules": [{"fault": "error_not_sent", "first": 1}]}], indirect=True)
def test_an_outage_uses_up_nobodys_second_sending_and_asks_few(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(5), resend_unknown="once")
    message.release()
    message.send(carriers)
    message.grow_old()
    look_up(message.settings, message.sessions, carriers)
    unreachable = message.settings.twilio.model_copy(update={"base_url": "http://127.0.0.1:9"})
    cut_off = Carriers(message.settings.model_copy(update={"twilio": unreachable}))
    try:
        asked = [second_tries(message) for _ in range(2) if resend_unknown(message.settings, message.sessions, cut_off) == 0]
    finally:
        cut_off.close()
    assert asked == [2, 4], "one window each time, and of others: who was just tried waits"
    assert message.states() == {"unknown": 5}
    assert resend_unknown(message.settings, message.sessions, carriers) == 1, "the fifth"
    message.run("UPDATE attempt SET resolved_at = resolved_at - interval '1 minute'")
    assert resend_unknown(message.settings, message.sessions, carriers) == 4
    message.run("UPDATE attempt SET resolved_at = resolved_at - interval '1 day'")
    assert resend_unknown(message.settings, message.sessions, carriers) == 0, "once is once"
    with begin(message.sessions) as session:
        assert invariants(session) == []


def second_tries(message: Fanout) -> int:
    """Each of them surely not sent, with the provider's own code beside ours."""
    rows = message.rows("SELECT state, error_code, raw_status FROM attempt WHERE resend_of IS NOT NULL")
    assert {(row["state"], row["error_code"], row["raw_status"].split(":")[0]) for row in rows} == {("failed", STILL_OWED, "no_connection")}
    return len(rows)


def test_filtering_is_seen_over_minutes_however_few_come_at_once(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*numbers(9))
    attempts = taken(message, carriers)
    told(message, carriers, attempts[:3], "30007")
    watch(message)
    assert alarms(message) == [], "three may be chance"
    told(message, carriers, attempts[3:6], "30007")
    watch(message)
    assert alarms(message) == [], "the whole message was counted just now"
    a_minute_passes(message)
    watch(message)
    alarm = {"kind": "content_filtered", "sender": "twilio", "count": 3}
    assert alarms(message) == [alarm], "nobody has to wait for another failure"
    told(message, carriers, attempts[6:], "30007")
    for _ in range(2):
        a_minute_passes(message)
        watch(message)
        assert alarms(message) == [alarm, alarm], "what was counted is not counted again"
    assert message.rows("SELECT label, value FROM vital WHERE name = 'told_failed'") == [{"label": "twilio 30007", "value": 9.0}]


def a_minute_passes(message: Fanout) -> None:
    message.run("UPDATE attempt SET resolved_at = resolved_at - interval '1 minute'")
    message.run("UPDATE vital SET value = value - 60 WHERE name IN ('failures_watched_until', 'failure_shares_until')")


def test_what_failed_lately_is_found_by_its_own_index(fanout: Make) -> None:
    message = fanout(*numbers(1))
    with begin(message.sessions) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(text(f"EXPLAIN {LATELY.text}"), {"since": 0.0, "until": 1.0}).scalars().all()
    assert "ix_attempt_told_failed" in "\n".join(plan)


def test_filtering_is_a_matter_of_shares_of_the_message_or_of_a_country() -> None:
    assert not is_above([Reported("ID", 1000, 10), Reported("MY", 0, 0)], 0.01)
    assert is_above([Reported("ID", 1000, 11)], 0.01)
    assert is_above([Reported("ID", 100_000, 2), Reported("AE", 60, 50)], 0.01), "one country of many"
    assert is_above([Reported(name, 10, 2) for name in ("ID", "MY", "AE")], 0.01), "few in each, and many of all"
    assert not is_above([Reported("AE", 3, 3)], 0.01)


@pytest.mark.parametrize(
    ("code", "kind"), [("30008", "unread_answer"), ("63016", "content_refused"), ("30036", None), ("30005", None), ("63003", None)]
)
def test_a_failure_told_by_receipt_is_counted_and_alarmed_by_its_step(
    fanout: Make, carriers: Carriers, code: str, kind: str | None
) -> None:
    message = fanout(*numbers(1))
    told(message, carriers, taken(message, carriers), code)
    watch(message)
    assert message.states() == {"undelivered": 1}
    assert [alarm["kind"] for alarm in alarms(message)] == ([kind] if kind else [])
    assert message.rows("SELECT label FROM vital WHERE name = 'told_failed'") == [{"label": f"twilio {code}"}]


def watch(message: Fanout) -> None:
    with begin(message.sessions) as session:
        watch_failures(session, lag_seconds=0)


def people_with_devices(*tokens: str) -> list[dict[str, Any]]:
    """The first half has a phone too."""
    return [
        {"device": token, "phones": (f"+62812{50_000_000 + number}",) if number < len(tokens) / 2 else ()}
        for number, token in enumerate(tokens)
    ]


def retired(message: Fanout) -> int:
    [row] = message.rows("SELECT count(*) AS n FROM device WHERE retired_at IS NOT NULL")
    return int(row["n"])


def test_a_batch_with_many_dead_devices_stops_and_nobody_of_it_is_lost(fanout: Make, carriers: Carriers) -> None:
    tokens = [f"token{number:03}9990404" for number in range(4)] + [f"token{number:03}" for number in range(4, 40)]
    message = fanout(people=people_with_devices(*tokens))
    message.release()
    message.send(carriers)
    assert retired(message) == 0
    assert alarms(message) == [{"kind": "dead_tokens", "sender": "fcm", "count": 4}]
    states = message.states()
    assert states["failed"] == 4
    assert states["queued"] >= 40 - 5 * 2, "what was not with the carrier yet waits for somebody"
    [batch] = message.rows("SELECT state, due_at - clock_timestamp() AS wait FROM delivery_batch WHERE channel = 'push'")
    assert (batch["state"], 170 < batch["wait"].total_seconds() <= 180) == ("waiting", True)

    message.run("UPDATE delivery_batch SET begun_at = begun_at - interval '10 minutes', next_step_at = clock_timestamp()")
    with begin(message.sessions) as session:
        escalate(session, patience=Patience(180))
    by_phone = message.rows("SELECT count(*) AS n FROM delivery WHERE channel = 'sms'")
    assert by_phone == [{"n": 20 - states["accepted"]}], "the clock does not wait: whoever was not handed it goes on by phone"
    due_again(message)
    message.send(carriers)
    assert message.states() == {"failed": 4, "accepted": 36 + by_phone[0]["n"]}
    assert (retired(message), len(alarms(message))) == (0, 1)


def test_a_few_dead_devices_of_a_batch_are_pruned_wherever_they_lie(fanout: Make, carriers: Carriers) -> None:
    message = fanout(*[f"device:token{number:03}" for number in range(40)], "device:token0409990404", "device:token0419990404")
    message.release()
    message.send(carriers)
    assert message.states() == {"accepted": 40, "failed": 2}
    assert (retired(message), alarms(message)) == (2, [])
