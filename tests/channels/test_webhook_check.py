"""Who signed a webhook: the configured address and the very fields, under the token of now or of before."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from starlette.datastructures import FormData, UploadFile
from twilio.request_validator import RequestValidator

from alerts.channels.twilio_signature import WebhookCheck
from tests.sandbox.world import TOKEN, World, closing, play

URL = "https://siaga.example.org"
PATH = "/hooks/twilio/status/a1.mac"
FIELDS = {"MessageSid": "SM1", "MessageStatus": "sent", "To": "+628110000001", "Body": "aman – saya di İzmir"}


def sign(fields: dict[str, str], *, url: str = URL + PATH, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def check(*tokens: str, public_url: str = URL) -> WebhookCheck:
    return WebhookCheck(public_url, tokens or (TOKEN,))


def test_genuine() -> None:
    assert check().is_genuine(PATH, FormData(FIELDS), sign(FIELDS))
    assert check(public_url=URL + "/").is_genuine(PATH, FormData(FIELDS), sign(FIELDS))


def test_two_tokens_while_they_are_being_changed() -> None:
    signature = sign(FIELDS, token="the one before")
    assert check(TOKEN, "the one before").is_genuine(PATH, FormData(FIELDS), signature)
    assert not check(TOKEN, "").is_genuine(PATH, FormData(FIELDS), signature)


def test_an_empty_token_opens_nothing() -> None:
    assert not WebhookCheck(URL, ["", ""]).is_genuine(PATH, FormData(FIELDS), sign(FIELDS, token=""))


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS | {"MessageStatus": "delivered"},
        FIELDS | {"Extra": "1"},
        {name: value for name, value in FIELDS.items() if name != "To"},
    ],
)
def test_changed_fields(fields: dict[str, str]) -> None:
    assert not check().is_genuine(PATH, FormData(fields), sign(FIELDS))


@pytest.mark.parametrize(
    "signed_for",
    [URL + "/hooks/twilio/status/a2.mac", "https://evil.example" + PATH, "http://siaga.example.org" + PATH, URL + PATH + "?x=1"],
)
def test_another_address(signed_for: str) -> None:
    assert not check().is_genuine(PATH, FormData(FIELDS), sign(FIELDS, url=signed_for))


def test_the_query_belongs_to_the_address() -> None:
    assert check().is_genuine(PATH + "?x=1", FormData(FIELDS), sign(FIELDS, url=URL + PATH + "?x=1"))


@pytest.mark.parametrize("signature", [None, "", "x", "Ü" * 28])
def test_no_signature(signature: str | None) -> None:
    assert not check().is_genuine(PATH, FormData(FIELDS), signature)


def test_an_empty_form_is_refused_although_its_signature_fits() -> None:
    """What a JSON body looks like to a form parser: the validator alone would say yes without looking at the body."""
    signature = sign({})
    assert RequestValidator(TOKEN).validate(URL + PATH, {}, signature)
    assert not check().is_genuine(PATH, FormData({}), signature)


def test_a_repeated_field_counts_with_all_its_values() -> None:
    twice = FormData([("A", "1"), ("A", "2")])
    assert check().is_genuine(PATH, twice, sign({"A": "1A2"}))
    assert not check().is_genuine(PATH, twice, sign({"A": "2"})), "a plain mapping would drop the first value"


def test_a_file_is_refused() -> None:
    form = FormData([("A", UploadFile(io.BytesIO(b"1"), filename="1"))])
    assert not check().is_genuine(PATH, form, sign({"A": "1"}))


def test_round_trip_with_the_carrier(tmp_path: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            await asyncio.gather(*(port.send(w.text(f"a{n}", f"+6012345000{n}")) for n in range(5)))
        await w.settled()
        mine, foreign = check(public_url=w.hooks.url), check("another", public_url=w.hooks.url)
        assert {r.path.partition("/twilio/")[2].partition("/")[0] for r in w.hooks.got} == {"status", "inbound"}
        for got in w.hooks.got:
            assert mine.is_genuine(got.path, FormData(got.form), got.signature)
            assert not foreign.is_genuine(got.path, FormData(got.form), got.signature)

    play(scene, tmp_path / "log", plan={"reply_share": 1})
