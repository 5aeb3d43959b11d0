"""The table of providers' answers: each row as written down, and what must hold for any answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.answers import (
    ANYTHING_ELSE,
    FCM_ANSWERS,
    NOT_NOW_CODES,
    REGION_CODES,
    TWILIO_ANSWERS,
    TWILIO_CALL_STATES,
    TWILIO_STATES,
    VOICE_ANSWERS,
    WHATSAPP_ANSWERS,
    Answer,
    parse_retry_after,
    reported_state,
    told_answer,
    twilio_answer,
)
from alerts.channels.fcm import read_send_answer
from alerts.channels.ports import USUAL_STEPS, Accepted, Rejected, ReportedState, Step, Transient, Unknown, Verdict
from alerts.channels.twilio_account import read_create_answer
from alerts.channels.wire import WireAnswer

# Written by hand from the rules of delivery, not from the code.
EXPECTED = {
    "21211": ("bad_number", "stop_number"),
    "21614": ("bad_number", "stop_number"),
    "21217": ("bad_number", "stop_number"),
    "21610": ("opted_out", "record_opt_out"),
    "21408": ("no_permission", "page_and_keep_queued"),
    "21611": ("sender_backoff", "back_off_sender"),
    "30001": ("sender_backoff", "back_off_sender"),
    "30003": ("other", "resend_once_later"),
    "30004": ("content", "do_not_repeat_text"),
    "30007": ("content", "do_not_repeat_text"),
    "30005": ("bad_number", "stop_number"),
    "30006": ("bad_number", "stop_number"),
    "30036": ("other", "expire"),
    "20003": ("stop_all", "stop_all_and_page"),
    "30002": ("stop_all", "stop_all_and_page"),
}
WHATSAPP = {
    "63001": ("stop_all", "stop_all_and_page"),
    "63003": ("other", "fail_on_channel"),
    "63005": ("content", "do_not_repeat_text"),
    "63007": ("stop_all", "stop_all_and_page"),
    "63010": ("other", "fail_on_channel"),
    "63012": ("other", "fail_on_channel"),
    "63013": ("content", "do_not_repeat_text"),
    "63014": ("other", "fail_on_channel"),
    "63016": ("content", "do_not_repeat_text"),
    "63018": ("sender_backoff", "back_off_sender"),
    "63020": ("stop_all", "stop_all_and_page"),
    "63021": ("content", "do_not_repeat_text"),
    "63024": ("other", "fail_on_channel"),
    "63027": ("content", "do_not_repeat_text"),
    "63028": ("content", "do_not_repeat_text"),
    "63030": ("content", "do_not_repeat_text"),
    "63032": ("other", "fail_on_channel"),
}
VOICE = {
    "10001": ("stop_all", "stop_all_and_page"),
    "10004": ("sender_backoff", "back_off_sender"),
    "13224": ("other", "fail_on_channel"),
    "13227": ("no_permission", "page_and_keep_queued"),
    "21203": ("no_permission", "page_and_keep_queued"),
    "21210": ("stop_all", "stop_all_and_page"),
    "21212": ("stop_all", "stop_all_and_page"),
    "21214": ("other", "fail_on_channel"),
    "21215": ("no_permission", "page_and_keep_queued"),
    "21216": ("other", "fail_on_channel"),
    "32205": ("no_permission", "page_and_keep_queued"),
}
CALL_STATES = {
    "queued": "accepted",
    "initiated": "accepted",
    "ringing": "sent",
    "in-progress": "sent",
    "completed": "delivered",
    "busy": "undelivered",
    "no-answer": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}
STATES = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "partially_delivered": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}
BODIES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"code": st.sampled_from([*map(int, EXPECTED), 20429, 12345, 0])}),
    st.fixed_dictionaries({"sid": st.text(min_size=1), "status": st.text()}),
    st.dictionaries(st.sampled_from(["sid", "code", "status", "error", "name"]), st.none() | st.text() | st.lists(st.integers())),
)


def outcome(read: object, answer: WireAnswer) -> Accepted | Transient | Rejected | Unknown:
    try:
        return read(answer)  # type: ignore[operator, no-any-return]
    except (Transient, Rejected, Unknown) as answered:
        return answered


def steps_in(table: Mapping[str, Answer]) -> dict[str, tuple[str, str]]:
    return {code: (str(row.verdict), str(row.step)) for code, row in table.items()}


def test_the_table_is_the_one_agreed() -> None:
    assert steps_in(TWILIO_ANSWERS) == EXPECTED
    assert steps_in(WHATSAPP_ANSWERS) == WHATSAPP
    assert steps_in(VOICE_ANSWERS) == VOICE
    assert {raw: str(state) for raw, state in TWILIO_STATES.items()} == STATES
    assert {raw: str(state) for raw, state in TWILIO_CALL_STATES.items()} == CALL_STATES


def test_no_code_stands_in_two_tables() -> None:
    tables = (TWILIO_ANSWERS, WHATSAPP_ANSWERS, VOICE_ANSWERS)
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert not NOT_NOW_CODES & set().union(*tables)


def test_filtered_texts_alarm_above_one_percent() -> None:
    assert {code for code in EXPECTED if twilio_answer(code).alarm_above == 0.01} == {"30004", "30007"}


def test_every_verdict_has_a_step() -> None:
    assert set(USUAL_STEPS) == set(Verdict)


@pytest.mark.parametrize("source", ["twilio", "twilio_call", "whatsapp", "voice"])
def test_a_receipt_is_read_by_the_same_table(source: str) -> None:
    assert {code: str(told_answer(source, code).step) for code in EXPECTED} == {code: step for code, (_, step) in EXPECTED.items()}
    assert told_answer(source, "31999") is told_answer("nobody", "30002") is ANYTHING_ELSE


def test_words_belong_to_their_source() -> None:
    assert reported_state("twilio", "delivered") is ReportedState.DELIVERED
    assert reported_state("twilio_call", "completed") is ReportedState.DELIVERED
    assert reported_state("whatsapp", "read") is ReportedState.DELIVERED
    assert reported_state("voice", "no-answer") is ReportedState.UNDELIVERED
    for source, word in (("twilio", "completed"), ("twilio_call", "delivered"), ("", "delivered"), ("fcm", "delivered")):
        assert reported_state(source, word) is None


@pytest.mark.parametrize("code", EXPECTED | WHATSAPP | VOICE)
def test_each_code_of_a_refused_request(code: str) -> None:
    got = outcome(read_create_answer, WireAnswer(400, None, {"code": int(code)}))
    assert isinstance(got, Rejected)
    assert (got.code, str(got.verdict), str(got.step)) == (code, *(EXPECTED | WHATSAPP | VOICE)[code])


def test_a_full_sender_queue_is_not_a_plain_429() -> None:
    got = outcome(read_create_answer, WireAnswer(429, None, {"code": 21611}))
    assert isinstance(got, Rejected)
    assert got.verdict is Verdict.SENDER_BACKOFF


def test_no_permission_means_two_things() -> None:
    assert twilio_answer("21408").step is Step.PAGE_AND_KEEP_QUEUED
    assert twilio_answer("21408", is_region_served=False).verdict is Verdict.UNSUPPORTED_COUNTRY
    assert twilio_answer("21610", is_region_served=False) == TWILIO_ANSWERS["21610"]


@pytest.mark.parametrize("code", sorted(REGION_CODES))
def test_each_code_of_a_region(code: str) -> None:
    assert twilio_answer(code).verdict is Verdict.NO_PERMISSION
    assert twilio_answer(code, is_region_served=False).verdict is Verdict.UNSUPPORTED_COUNTRY


@pytest.mark.parametrize("code", ["12345", "21612", "", "30008", "http_400"])
def test_anything_else_fails_on_that_channel(code: str) -> None:
    assert twilio_answer(code) == ANYTHING_ELSE
    assert ANYTHING_ELSE.step is Step.FAIL_AND_ALARM


@pytest.mark.parametrize("raw", ["received", "receiving", "Delivered", "", "exploded"])
def test_a_status_that_we_do_not_know_moves_nothing(raw: str) -> None:
    assert reported_state("twilio", raw) is None


def test_states_are_delivery_states() -> None:
    assert set(TWILIO_STATES.values()) == set(ReportedState)


@given(st.integers(100, 599), st.none() | st.text(), BODIES)
def test_twilio_any_answer_is_one_of_four(status: int, retry_after: str | None, body: dict[str, object]) -> None:
    got = outcome(read_create_answer, WireAnswer(status, retry_after, body))
    assert isinstance(got, Accepted) == (200 <= status < 300 and isinstance(body.get("sid"), str) and bool(body["sid"]))
    if status >= 500 or status == 408:
        assert isinstance(got, Unknown), "after bytes left, a server error says nothing about sending"
    if isinstance(got, Transient):
        assert status == 429 or str(body["code"]) in NOT_NOW_CODES
        assert got.retry_after is None or 0 <= got.retry_after <= 3600
    if status == 401:
        assert isinstance(got, Transient) or (isinstance(got, Rejected) and got.verdict is Verdict.STOP_ALL)


@given(st.integers(100, 599), st.none() | st.text(), BODIES)
def test_fcm_any_answer_is_one_of_four(status: int, retry_after: str | None, body: dict[str, object]) -> None:
    got = outcome(read_send_answer, WireAnswer(status, retry_after, body))
    assert isinstance(got, Accepted) == (200 <= status < 300 and isinstance(body.get("name"), str) and bool(body["name"]))
    if status >= 500 and not (status == 503 and retry_after):
        assert isinstance(got, Unknown)
    if isinstance(got, Transient):
        assert status in (429, 503)


@pytest.mark.parametrize("code", FCM_ANSWERS)
def test_each_fcm_code(code: str) -> None:
    error = {"error": {"status": "X", "message": "", "details": [{"@type": "FcmError", "errorCode": code}]}}
    got = outcome(read_send_answer, WireAnswer(403, None, error))
    assert isinstance(got, Rejected)
    assert (got.code, got.verdict) == (code, FCM_ANSWERS[code].verdict)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ({"message": "The registration token is not a valid FCM registration token"}, Verdict.DEAD_TOKEN),
        ({"details": [{"fieldViolations": [{"field": "message.token"}]}]}, Verdict.DEAD_TOKEN),
        ({"details": [{"fieldViolations": [{"field": "message.data[0].value"}]}], "message": "registration token"}, Verdict.CONTENT),
        ({"details": [{"fieldViolations": [{"field": "message.android.ttl"}]}]}, Verdict.CONTENT),
        ({"message": "Invalid JSON payload"}, Verdict.CONTENT),
    ],
)
def test_a_fault_of_ours_never_prunes_a_device(error: dict[str, object], verdict: Verdict) -> None:
    got = outcome(read_send_answer, WireAnswer(400, None, {"error": {"status": "INVALID_ARGUMENT"} | error}))
    assert isinstance(got, Rejected)
    assert got.verdict is verdict


def test_a_missing_page_is_not_a_dead_device() -> None:
    got = outcome(read_send_answer, WireAnswer(404, None, {}))
    assert isinstance(got, Rejected)
    assert got.verdict is Verdict.OTHER, "a wrong address must not prune every token"


NOW = datetime(2023, 2, 6, 4, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 30 ", 30),
        ("99999999999999999999", 3600),
        ("Mon, 06 Feb 2023 04:17:45 GMT", 45),
        ("Mon, 06 Feb 2023 04:17:45", 45),
        ("Mon, 06 Feb 2023 04:00:00 GMT", 0),
        ("Wed, 06 Feb 2043 04:17:45 GMT", 3600),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@given(st.text())
def test_retry_after_of_anything(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or 0 <= seconds <= 3600
