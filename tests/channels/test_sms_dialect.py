"""A provider by its description: read strictly, and nothing undescribed is ever taken for success or for a refusal."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.answers import DIALECTS, reported_state
from alerts.channels.generic_sms import GenericSms, read_answer
from alerts.channels.outlets import exercise_senders, live_senders
from alerts.channels.ports import Accepted, Rejected, ReportedState, SmsMessage, Transient, Unknown, Verdict
from alerts.channels.sms_dialect import (
    Answers,
    Receipts,
    described_providers,
    dialects_of,
    is_genuine,
    put_at,
    read_at,
    read_dialect,
    read_receipt,
    sign,
)
from alerts.channels.wire import WireAnswer
from alerts.sandbox.second import DESCRIPTION as PLAYED
from alerts.settings import Settings
from tests.channels.peer import BODY, TO
from tests.channels.ways import DOCUMENT, RECEIPT_SECRET, SECRET, described, second, second_message

DESCRIPTION = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
ANSWERS = described().answers
RECEIPTS = described().receipts
assert RECEIPTS is not None


def outcome(answer: WireAnswer, answers: Answers = ANSWERS) -> Accepted | Transient | Rejected | Unknown:
    try:
        return read_answer(answer, answers)
    except (Transient, Rejected, Unknown) as answered:
        return answered


def body(code: str | None = None, message_id: str | None = None) -> dict[str, Any]:
    return ({} if code is None else {"outcome": code}) | ({} if message_id is None else {"message": {"id": message_id}})


@pytest.mark.parametrize(
    ("status", "said", "kind", "detail"),
    [
        (202, body("TAKEN", "L-1"), Accepted, "L-1"),
        (200, body("TAKEN", "L-1"), Accepted, "L-1"),
        (202, body("TAKEN"), Unknown, None),
        (202, body(None, "L-1"), Unknown, None),
        (202, body("LATER", "L-1"), Unknown, None),
        (204, body("TAKEN", "L-1"), Unknown, None),
        (202, {}, Unknown, None),
        (202, body("BUSY"), Transient, None),
        (429, {}, Transient, None),
        (429, body("BAD-NUMBER"), Rejected, Verdict.BAD_NUMBER),
        (422, body("BAD-NUMBER"), Rejected, Verdict.BAD_NUMBER),
        (200, body("BLOCKED"), Rejected, Verdict.OPTED_OUT),
        (401, body("NO-KEY"), Rejected, Verdict.STOP_ALL),
        (422, body("SOMETHING-NEW"), Unknown, None),
        (401, {}, Unknown, None),
        (500, body("BAD-NUMBER"), Unknown, None),
        (503, body("BUSY"), Unknown, None),
        (408, body("BAD-NUMBER"), Unknown, None),
        (302, body("TAKEN", "L-1"), Unknown, None),
    ],
)
def test_each_answer(status: int, said: dict[str, Any], kind: type[Any], detail: object) -> None:
    got = outcome(WireAnswer(status, None, said))
    assert type(got) is kind
    if isinstance(got, Accepted):
        assert got.provider_id == detail
    if isinstance(got, Rejected):
        assert got.verdict is detail


CODES = ["TAKEN", "BUSY", "BAD-NUMBER", "BLOCKED", "NEW", ""]


@given(st.integers(100, 599), st.sampled_from(CODES), st.none() | st.text(max_size=4) | st.integers() | st.booleans())
def test_any_answer_is_one_of_four(status: int, code: str, message_id: object) -> None:
    got = outcome(WireAnswer(status, None, {"outcome": code, "message": {"id": message_id}}))
    if isinstance(got, Accepted):
        assert status in ANSWERS.accepted
        assert code in ANSWERS.success
    if isinstance(got, Rejected | Transient):
        assert 200 <= status < 300 or (400 <= status < 500 and status != 408)
        assert code in {"BUSY", "BAD-NUMBER", "BLOCKED"} or status == 429


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "twilio"}, "another sender"),
        ({"name": "Über"}, "name"),
        ({"colour": "red"}, "colour"),
        ({"method": "GET"}, "method"),
        ({"auth": {"kind": "header"}}, "header"),
        ({"auth": {"kind": "basic", "header": "X"}}, "header"),
        ({"fields": {"to": "t", "text": "t"}, "receipts": None}, "one field"),
        ({"fields": {"to": "/a", "text": "/a/b"}, "receipts": None}, "one field"),
        ({"fields": {"to": "to", "text": "text"}}, "receipts need"),
        ({"format": "form"}, "names, not pointers"),
        ({"answers": {"id": "id", "statuses": {"500": "bad_number"}}}, "400 to 499"),
        ({"answers": {"id": "id", "not_now_statuses": [408]}}, "400 to 499"),
        ({"answers": {"id": "id", "accepted": [302]}}, "200 to 299"),
        ({"answers": {"id": "id", "success": ["A"], "verdicts": {"A": "other"}}}, "two things"),
        ({"answers": {"id": "id", "verdicts": {"": "other"}, "success": ["A"]}}, "no code"),
        ({"answers": {"id": "id", "verdicts": {"A": "perhaps"}}}, "verdicts"),
        ({"receipts": {"status": "s", "states": {"X": "read"}, "auth": "path"}}, "states"),
        ({"receipts": {"status": "s", "states": {}, "auth": "hmac"}}, "header"),
    ],
)
def test_a_description_that_could_mislead_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        described(**changes)
    assert "SIAGA_SMS2_DESCRIPTION" in str(caught.value)


def test_the_documents_show_the_sandboxs_second_carrier() -> None:
    assert json.loads(DESCRIPTION) == PLAYED


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="SIAGA_SMS2_DESCRIPTION is not usable"):
        read_dialect("{")


FORM = {
    "name": "formulir",
    "format": "form",
    "method": "PUT",
    "fields": {"to": "dest", "from": "src", "text": "msg", "callback": "dlr", "validity": "ttl"},
    "constants": {"unicode": True},
    "number_form": "e164",
    "validity_unit": "seconds",
    "auth": {"kind": "basic"},
    "answers": {"id": "id"},
    "receipts": {"format": "form", "status": "state", "id": "id", "states": {"DELIVRD": "delivered"}, "auth": "path"},
    "countries": [],
}


def test_a_form_with_plain_names() -> None:
    port = second("http://127.0.0.1", dialect=described(**FORM), user="us")
    sent = dict(parse_qsl(port._body(second_message()).decode(), strict_parsing=True))
    assert sent == {"unicode": "true", "dest": TO, "src": "KEMLU", "msg": BODY, "dlr": "https://siaga.test/t/6403-1.x", "ttl": "600"}
    assert port._wire._headers["Authorization"] == "Basic " + base64.b64encode(f"us:{SECRET}".encode()).decode()
    plain = outcome(WireAnswer(200, None, {"id": 7}), port.dialect.answers)
    assert plain == Accepted("7", "accepted"), "no code is described, so none is asked for"


def test_the_number_or_name_registered_for_a_country_goes_first() -> None:
    message = SmsMessage(attempt_id="1-1", to_e164=TO, text=BODY, from_="INFO", status_callback="", validity_seconds=30)
    assert json.loads(second("http://127.0.0.1")._body(message))["sender"] == "INFO"
    assert json.loads(second("http://127.0.0.1")._body(message))["lifetime"] == 1


async def refused(port: GenericSms, to: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        await port.send(second_message(to=to))
    return caught.value


def test_it_serves_the_countries_that_it_names() -> None:
    got = asyncio.run(refused(second("http://127.0.0.1:1"), "+905321234567"))
    assert got.verdict is Verdict.UNSUPPORTED_COUNTRY
    assert described().serves("IR")
    assert described(countries=[]).serves("TR")


@given(st.lists(st.sampled_from(["a", "b", "0", "c~1d"]), min_size=1, max_size=4))
def test_what_is_put_somewhere_is_read_there(steps: list[str]) -> None:
    document: dict[str, Any] = {}
    place = "/a/" + "/".join(steps)
    put_at(document, place, "x")
    assert read_at(document, place) == "x"


@pytest.mark.parametrize("place", ["/a/b", "/a/0/b", "x", "/a/7", "/l/-1", "/l/x", "/n", "/t", ""])
def test_what_is_not_there_reads_as_empty(place: str) -> None:
    assert read_at({"a": {"c": 1}, "l": ["x"], "n": None, "t": True}, place) == ""


# Receipts.


def test_a_receipt_is_genuine_by_its_own_rules() -> None:
    raw = b'{"message": {"state": "ARRIVED", "id": "L-1"}}'
    expected = hmac.new(RECEIPT_SECRET.encode(), raw, hashlib.sha256)
    assert is_genuine(RECEIPTS, [RECEIPT_SECRET], body=raw, shown=expected.hexdigest())
    assert is_genuine(RECEIPTS, ["another", RECEIPT_SECRET], body=raw, shown=expected.hexdigest())
    for shown in (None, "", expected.hexdigest()[:-1], expected.hexdigest().upper(), "Ü"):
        assert not is_genuine(RECEIPTS, [RECEIPT_SECRET], body=raw, shown=shown)
    assert not is_genuine(RECEIPTS, [RECEIPT_SECRET], body=raw + b" ", shown=expected.hexdigest())
    empty = hmac.new(b"", raw, hashlib.sha256).hexdigest()
    assert not is_genuine(RECEIPTS, ["", ""], body=raw, shown=empty), "no secret opens nothing"
    other = Receipts.model_validate(RECEIPTS.model_dump() | {"encoding": "base64", "prefix": "sha256="})
    assert sign(other, RECEIPT_SECRET, raw) == "sha256=" + base64.b64encode(expected.digest()).decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"message": {"state": "ARRIVED", "id": "L-1", "reason": 17}}', ("ARRIVED", "L-1", "17")),
        (b'{"message": {"state": "LOST"}}', ("LOST", None, None)),
        (b'{"message": {"state": true}}', None),
        (b'{"message": "ARRIVED"}', None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_reading_a_receipt(raw: bytes, expected: tuple[str, str | None, str | None] | None) -> None:
    got = read_receipt(RECEIPTS, raw)
    assert (got and (got.raw_status, got.provider_id, got.error_code)) == expected


def test_reading_a_receipt_in_a_form() -> None:
    receipts = described(**FORM).receipts
    assert receipts is not None
    got = read_receipt(receipts, urlencode({"state": "DELIVRD", "id": "7"}).encode())
    assert got is not None
    assert (got.raw_status, got.provider_id, got.error_code) == ("DELIVRD", "7", None)


# In the settings.


def environment(**more: str) -> dict[str, str]:
    live = {
        "SIAGA_MODE": "test",
        "SIAGA_SMS2_URL": "http://127.0.0.1:9",
        "SIAGA_SMS2_DESCRIPTION": DESCRIPTION,
        "SIAGA_SMS2_SECRET": SECRET,
    }
    return live | {"SIAGA_SMS2_RECEIPT_SECRET": RECEIPT_SECRET} | more


def test_its_words_are_known_where_receipts_are_read() -> None:
    settings = Settings.from_environment(environment())
    words = dialects_of(settings)
    assert reported_state("lintas", "ARRIVED", words) is ReportedState.DELIVERED
    assert reported_state("lintas", "delivered", words) is None, "another dialect's word"
    assert reported_state("twilio", "ARRIVED", words) is None
    assert reported_state("lintas", "ARRIVED") is None
    assert {name: words[name] for name in DIALECTS} == DIALECTS
    assert settings.channels == {"sms"}


def test_a_sender_of_its_own_for_each_set() -> None:
    exercise = {"SIAGA_EXERCISE_SMS2_URL": "http://127.0.0.1:9", "SIAGA_EXERCISE_SMS2_DESCRIPTION": DESCRIPTION}
    more = exercise | {"SIAGA_EXERCISE_SMS2_SECRET": "other", "SIAGA_EXERCISE_SMS2_RECEIPT_SECRET": "others"}
    settings = Settings.from_environment(environment(**more))
    assert [sender.name for sender in live_senders(settings)] == ["lintas"]
    assert [sender.name for sender in exercise_senders(settings)] == ["lintas"]
    assert described_providers(settings)["lintas"].receipt_secrets == (RECEIPT_SECRET, "others")
    other = json.dumps(json.loads(DESCRIPTION) | {"countries": []})
    with pytest.raises(ValueError, match="differently"):
        described_providers(Settings.from_environment(environment(**more | {"SIAGA_EXERCISE_SMS2_DESCRIPTION": other})))


def test_signed_receipts_need_a_secret() -> None:
    with pytest.raises(ValueError, match="SIAGA_SMS2_RECEIPT_SECRET"):
        live_senders(Settings.from_environment(environment(SIAGA_SMS2_RECEIPT_SECRET="")))
