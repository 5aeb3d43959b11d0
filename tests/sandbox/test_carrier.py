"""The carrier speaks Twilio and FCM, writes down what it accepts, and misbehaves exactly as planned."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from alerts.channels.ports import Rejected, Transient, Unknown, Verdict
from alerts.sandbox.judge import read_journal
from tests.sandbox.world import ACCOUNT, TOKEN, World, closing, play, words

MISSING = {"rules": [{"receipts": "missing"}], "reply_share": 0, "app_share": 0}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def lines(log: Path, kind: str = "accepted") -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == kind]


def test_acceptance_is_on_disk_before_the_answer_and_holds_no_number(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            accepted = await port.send(w.text("a1"))
            [line] = lines(log)
            assert (line["attempt"], line["id"], line["channel"]) == ("a1", accepted.provider_id, "sms")
            assert accepted.raw_status == "queued"

    play(scene, log, plan=MISSING)
    raw = log.read_text()
    assert "628110000001" not in raw
    assert "Gempa" not in raw
    assert "signed" not in raw


def test_one_fsync_covers_many_acceptances(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            await asyncio.gather(*(port.send(w.text(f"a{n}", f"+62811000{n:04}")) for n in range(100)))
        assert w.carrier.stats()["accepted"] == 100
        assert 1 <= w.carrier.journal.syncs < 100

    play(scene, log, plan=MISSING)


def test_never_deduplicates(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            first, second = await port.send(w.text("a1")), await port.send(w.text("a1"))
        assert first.provider_id != second.provider_id
        assert read_journal(log).accepted == {"a1": 2}

    play(scene, log, plan=MISSING)


def test_an_unwritable_journal_accepts_nothing(log: Path) -> None:
    async def scene(w: World) -> None:
        def fail(_: bytes) -> None:
            raise OSError("disk full")

        w.carrier.journal._write = fail  # type: ignore[method-assign]
        async with closing(port := w.sms()):
            for _ in range(2):
                with pytest.raises(Unknown):
                    await port.send(w.text("a1"))
        assert w.carrier.stats()["accepted"] == 0
        assert w.carrier.list_by(to="", sender="") == []

    play(scene, log, plan=MISSING)


def test_receipts_come_in_order_and_signed_for_the_callback_address(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            accepted = await port.send(w.text("a1"))
        got = await w.hooks.until(lambda got: len(got) == 2)
        assert w.hooks.statuses_of("a1") == ["sent", "delivered"]
        for receipt in got:
            assert receipt.form["MessageSid"] == accepted.provider_id
            assert RequestValidator(TOKEN).validate(w.hooks.callback("a1"), receipt.form, receipt.signature)
            assert not RequestValidator("another").validate(w.hooks.callback("a1"), receipt.form, receipt.signature)

    play(scene, log)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("9990002", ["sent", "sent", "delivered", "delivered"]),
        ("9990003", ["delivered", "sent"]),
        ("9990005", ["sent", "undelivered"]),
        ("9990006", ["sent", "delivered"]),
        ("9990001", ["sent", "delivered"]),
    ],
)
def test_receipts_misbehave_by_suffix(log: Path, suffix: str, expected: list[str]) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            await port.send(w.text("a1", f"+62811{suffix}"))
            early = w.hooks.statuses_of("a1")
        await w.hooks.until(lambda got: len(got) == len(expected))
        assert w.hooks.statuses_of("a1") == expected
        if suffix == "9990006":
            assert early[:1] == ["sent"]
        if suffix == "9990005":
            assert w.hooks.got[-1].form["ErrorCode"] == "30003"

    play(scene, log)


def test_missing_receipts_still_show_in_the_list(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            accepted = await port.send(w.text("a1", "+628119990004"))
            await port.send(w.text("a2", "+628110000002"))
        await w.settled()
        _, message = await w.api("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{accepted.provider_id}.json")
        assert message["status"] == "delivered"
        assert w.hooks.statuses_of("a2") == ["sent", "delivered"]
        assert w.hooks.statuses_of("a1") == []

    play(scene, log)


def test_receipts_are_posted_again_while_the_receiver_is_down(log: Path) -> None:
    async def scene(w: World) -> None:
        w.hooks.statuses = [503, 500]
        async with closing(port := w.sms()):
            await port.send(w.text("a1"))
        await w.hooks.until(lambda got: len(got) == 2)
        assert w.hooks.statuses_of("a1") == ["sent", "delivered"]
        assert w.hooks.statuses == []

    play(scene, log)


@pytest.mark.parametrize(
    ("suffix", "raised", "accepted"),
    [
        ("9990429", Transient, 0),
        ("9990500", Unknown, 1),
        ("9990503", Unknown, 0),
        ("9990408", Unknown, 1),
        ("9990407", Unknown, 0),
        ("9990104", Unknown, 1),
        ("9990103", Unknown, 0),
    ],
)
def test_each_fault_of_a_request(log: Path, suffix: str, raised: type[Exception], accepted: int) -> None:
    """Sent or not, the sender sees the same: that is why unknown is a state. The second request goes through."""

    async def scene(w: World) -> None:
        patience = {"timeout_seconds": 1.5} if suffix in ("9990408", "9990407") else {}
        async with closing(port := w.sms(**patience), push := w.push(**patience)):
            first = await asyncio.gather(
                port.send(w.text("a1", f"+62811{suffix}")), push.send(w.note("p1", f"device:{suffix}")), return_exceptions=True
            )
        assert [type(error) for error in first] == [raised, raised]
        assert len(lines(log)) == 2 * accepted
        async with closing(port := w.sms(), push := w.push()):
            await port.send(w.text("a2", f"+62811{suffix}"))
            await push.send(w.note("p2", f"device:{suffix}"))
        assert len(lines(log)) == 2 * accepted + 2

    play(scene, log, plan=MISSING | {"retry_after_seconds": 3})


def test_throttling_names_the_wait(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms(), push := w.push()):
            for send in (port.send(w.text("a1", "+628119990429")), push.send(w.note("p1", "device:9990429"))):
                with pytest.raises(Transient) as caught:
                    await send
                assert caught.value.retry_after == 3
        assert w.carrier.stats()["counts"] == {"push_throttled": 1, "sms_throttled": 1}

    play(scene, log, plan=MISSING | {"retry_after_seconds": 3})


@pytest.mark.parametrize(
    ("to", "code", "verdict"),
    [
        ("+628119991211", "21211", Verdict.BAD_NUMBER),
        ("+628119991217", "21217", Verdict.BAD_NUMBER),
        ("+628119991614", "21614", Verdict.BAD_NUMBER),
        ("+628119991610", "21610", Verdict.OPTED_OUT),
        ("+628119991611", "21611", Verdict.SENDER_BACKOFF),
        ("+628119991408", "21408", Verdict.NO_PERMISSION),
        ("+963941234567", "21408", Verdict.UNSUPPORTED_COUNTRY),
        ("+989121234567", "21408", Verdict.UNSUPPORTED_COUNTRY),
    ],
)
def test_refusals(log: Path, to: str, code: str, verdict: Verdict) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            with pytest.raises(Rejected) as caught:
                await port.send(w.text("a1", to))
        assert (caught.value.code, caught.value.verdict) == (code, verdict)

    play(scene, log, plan=MISSING)
    assert lines(log) == []
    assert [(line["attempt"], line["code"]) for line in lines(log, "refused")] == [("a1", code)]


def test_a_dead_device(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(push := w.push()):
            with pytest.raises(Rejected) as caught:
                await push.send(w.note("p1", "device:9990404"))
        assert (caught.value.code, caught.value.verdict) == ("UNREGISTERED", Verdict.DEAD_TOKEN)

    play(scene, log, plan=MISSING)


def test_wrong_credentials_stop_everything(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms(auth_token="wrong"), push := w.push(static_token="wrong")):
            for send in (port.send(w.text("a1")), push.send(w.note("p1"))):
                with pytest.raises(Rejected) as caught:
                    await send
                assert caught.value.verdict is Verdict.STOP_ALL
        assert w.carrier.stats()["accepted"] == 0

    play(scene, log, plan=MISSING)


def test_people_reply_only_from_countries_with_two_ways(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            for n, to in enumerate(("+60123456789", "+628110000001", "+905321234567")):
                await port.send(w.text(f"a{n}", to))
        got = await w.hooks.until(lambda got: len(got) == 7)
        await w.settled()
        [reply] = [r for r in got if r.path == "/hooks/twilio/inbound"]
        assert (reply.form["From"], reply.form["To"], reply.form["Body"]) == ("+60123456789", "+12025550123", "2 kaki patah")
        assert RequestValidator(TOKEN).validate(w.hooks.url + reply.path, reply.form, reply.signature)

    play(scene, log, plan={"reply_share": 1, "replies": {"2 kaki patah": 1}})
    assert [(line["attempt"], line["words"]) for line in lines(log, "answer")] == [("a0", "2 kaki patah")]


def test_the_app_answers_at_the_link(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(push := w.push()):
            await push.send(w.note("p1"))
            await push.send(w.note("p2", "device-2", data={"map": "https://example.org/i/x"}))
        [answer] = await w.hooks.until(lambda got: len(got) == 1)
        await w.settled()
        assert (answer.path, answer.form, answer.signature) == ("/i/p1.mac", {"answer": "need_help"}, None)

    play(scene, log, plan={"app_share": 1, "app_answers": {"need_help": 1}})
    assert [(line["attempt"], line["words"]) for line in lines(log, "answer")] == [("p1", "need_help")]


def test_the_mix_of_replies_is_fixed_by_the_seed(tmp_path: Path) -> None:
    def run(name: str, seed: int) -> list[tuple[str, str]]:
        async def scene(w: World) -> None:
            async with closing(port := w.sms()):
                await asyncio.gather(*(port.send(w.text(f"a{n}", f"+6012000{n:04}")) for n in range(40)))
            await w.hooks.until(lambda got: sum("MessageStatus" in r.form for r in got) == 80)
            await w.settled()
            answers.extend(sorted((r.form["From"], r.form["Body"]) for r in w.hooks.got if "Body" in r.form))
            assert set(words(w.hooks.got)) <= set(w.carrier.plan.replies)

        answers: list[tuple[str, str]] = []
        play(scene, tmp_path / name, plan={"seed": seed})
        return answers

    first, again, other = run("1", 5), run("2", 5), run("3", 6)
    assert first == again
    assert first != other
    assert 10 < len(first) < 40


def test_posts_to_no_stranger(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms(), push := w.push()):
            with pytest.raises(Rejected) as caught:
                await port.send(w.text("a1", status_callback="http://203.0.113.7/hooks/a1"))
            assert caught.value.code == "21609"
            await push.send(w.note("p1", data={"link": "http://203.0.113.7/i/x"}))
        assert w.carrier.stats()["pending"] == 0

    play(scene, log, plan={"app_share": 1})


def test_pace_spreads_acceptances_evenly(log: Path) -> None:
    async def scene(w: World) -> None:
        loop = asyncio.get_running_loop()
        async with closing(port := w.sms(), push := w.push()):
            start = loop.time()
            await asyncio.gather(*(port.send(w.text(f"a{n}")) for n in range(11)))
            assert loop.time() - start >= 10 / 50
            start = loop.time()
            await asyncio.gather(*(push.send(w.note(f"p{n}")) for n in range(3)))
            assert loop.time() - start >= 2 / 20

    play(scene, log, plan=MISSING | {"sms_per_second": 50, "push_per_second": 20})


def test_list_by_number_newest_first_in_pages(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            sids = [(await port.send(w.text(f"a{n}", body=f"text {n}"))).provider_id for n in range(5)]
            await port.send(w.text("b", "+628110000002"))
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        status, page = await w.api("GET", base, params={"To": "+628110000001", "PageSize": "2"})
        seen = [m["sid"] for m in page["messages"]]
        while page["next_page_uri"]:
            status, page = await w.api("GET", page["next_page_uri"])
            seen += [m["sid"] for m in page["messages"]]
        assert status == 200
        assert seen == sids[::-1]
        _, dated = await w.api("GET", base, params={"To": "+628110000001", "DateSent>": "2020-01-01"})
        assert dated["messages"] == [], "what is not sent yet has no DateSent: a look-up by it sees nothing"
        for bad in ({"PageSize": "0"}, {"PageSize": "x"}, {"Page": "-1"}, {"DateSent": "soon"}):
            assert (await w.api("GET", base, params=bad))[0] == 400

    play(scene, log, plan=MISSING | {"receipt_seconds": (60, 60)})


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": "+1202555", "Body": "x"}, 21604),
        ({"To": "0812345678", "From": "+1202555", "Body": "x"}, 21211),
        ({"To": "+628110000001", "Body": "x"}, 21603),
        ({"To": "+628110000001", "From": "+1202555"}, 21602),
        ({"To": "+628110000001", "From": "+1202555", "Body": "x" * 1601}, 21617),
        ({"To": "+628110000001", "From": "+1202555", "Body": "x", "ValidityPeriod": "36001"}, 20001),
        ({"To": "+628110000001", "From": "+1202555", "Body": "x", "ValidityPeriod": "soon"}, 20001),
    ],
)
def test_requests_that_twilio_would_refuse(log: Path, form: dict[str, str], code: int) -> None:
    async def scene(w: World) -> None:
        status, body = await w.api("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form)
        assert (status, body["code"], body["status"]) == (400, code, 400)

    play(scene, log, plan=MISSING)


def test_stats_and_plan_can_be_read_and_changed_while_it_runs(log: Path) -> None:
    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            await port.send(w.text("a1"))
            status, plan = await w.api("GET", "/sandbox/plan")
            plan["rules"] = [{"fault": "refuse", "code": "21610", "after_accepted": 2}, {"receipts": "missing"}]
            assert (status, (await w.api("POST", "/sandbox/plan", json=plan))[0]) == (200, 200)
            await port.send(w.text("a2"))
            with pytest.raises(Rejected):
                await port.send(w.text("a3"))
        status, stats = await w.api("GET", "/sandbox/stats")
        assert (status, stats["accepted"], stats["sms"], stats["push"], stats["counts"]) == (200, 2, 2, 0, {"sms_refused": 1})
        status, faults = await w.api("POST", "/sandbox/plan", json={"rules": [{"fautl": "hang"}]})
        assert status == 400
        assert "fautl" in faults["faults"][0]

    play(scene, log, plan=MISSING)


def test_a_phone_writes_first_signed_for_the_webhook_and_to_no_stranger(log: Path) -> None:
    async def scene(w: World) -> None:
        url = f"{w.hooks.url}/hooks/twilio/inbound"
        text = {"from": "+264811230001", "to": "+12025550123", "body": "LAPSIT BELUM", "url": url}
        assert await w.api("POST", "/sandbox/texts", json=text) == (200, {"taken": True})
        [got] = await w.hooks.until(lambda got: len(got) == 1)
        assert (got.form["From"], got.form["To"], got.form["Body"]) == (text["from"], text["to"], text["body"])
        assert RequestValidator(TOKEN).validate(url, got.form, got.signature)
        assert (await w.api("POST", "/sandbox/texts", json=text | {"url": "http://example.org/"}))[0] == 502
        assert (await w.api("POST", "/sandbox/texts", json={"from": "+264811230001"}))[0] == 400
        assert len(w.hooks.got) == 1

    play(scene, log)


def test_unknown_paths_and_bodies(log: Path) -> None:
    async def scene(w: World) -> None:
        assert (await w.api("GET", "/nothing"))[0] == 404
        assert (await w.api("DELETE", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"))[0] == 405
        assert (await w.api("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM{'0' * 32}.json"))[0] == 404
        for body in (b"", b"[]", b'{"message":{}}', b'{"message":{"token":"x","data":{"n":1}}}'):
            headers = {"Authorization": "Bearer sandbox-push-token"}
            async with aiohttp.ClientSession() as s, s.post(f"{w.url}/v1/projects/p/messages:send", data=body, headers=headers) as answer:
                assert answer.status == 400
        assert w.carrier.stats()["accepted"] == 0

    play(scene, log, plan=MISSING)
