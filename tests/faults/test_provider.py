"""The provider misbehaves while everybody is texted: what it answers, and what it calls back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from alerts.kit.ids import callback_token
from tests.support.breaking import SMALL, Scene

pytestmark = pytest.mark.breaks_servers
ANSWERS: dict[str, dict[str, Any]] = {
    "500 but sent": {"rules": [{"share": 0.3, "first": 1, "fault": "error_but_sent"}, {"share": 0.5, "receipts": "missing"}]},
    "500 and not sent": {"rules": [{"share": 0.05, "first": 1, "fault": "error_not_sent"}]},
    "hang": {"hang_seconds": 3, "rules": [{"share": 0.05, "first": 1, "fault": "hang"}]},
    "reset after send": {"rules": [{"share": 0.2, "first": 1, "fault": "reset"}, {"share": 0.5, "receipts": "missing"}]},
    "429 bursts": {"retry_after_seconds": 0.3, "rules": [{"share": 0.4, "first": 2, "fault": "throttle"}]},
    "refusals": {"rules": [{"share": 0.1, "fault": "refuse", "code": "21211"}, {"share": 0.1, "fault": "refuse", "code": "21610"}]},
}
STORM_PER_SECOND = 2000
"""How many callbacks a second come while everybody is texted."""
NOT_SENT = frozenset({"500 and not sent"})
"""Whom the carrier never had may stay unknown: nothing can prove it."""


@pytest.mark.parametrize("answers", ANSWERS)
def test_answers(scene: Scene, answers: str) -> None:
    under_way = scene.alert(ANSWERS[answers])
    count = under_way.keeps_the_promise(unknown=scene.size.people // 10 if answers in NOT_SENT else 0)
    if answers == "refusals":
        assert count["unreachable"] > 0
        scene.run("UPDATE citizen SET opted_out_at = NULL")  # the carrier's word was believed; the next test begins anew


@pytest.mark.parametrize("receipts", ["early", "duplicate", "reversed", "missing", "undelivered"])
def test_callbacks(scene: Scene, receipts: str) -> None:
    code = {"code": "30005"} if receipts == "undelivered" else {}
    under_way = scene.alert({"rules": [{"share": 0.5, "receipts": receipts, **code}]})
    count = under_way.keeps_the_promise()
    assert count["handed_over"] == scene.size.people


def test_callbacks_for_another_message_and_forged_ones_move_nothing(scene: Scene) -> None:
    """A receipt moves only the attempt whose signed name it came to; a wrong name or signature is refused."""
    first = scene.alert({"rules": [{"receipts": "missing"}]})
    first.keeps_the_promise()
    second = scene.alert({"rules": [{"receipts": "missing"}]})
    second.keeps_the_promise()
    [mine] = scene.rows("SELECT id, provider_id FROM delivery WHERE broadcast_id = :id ORDER BY id LIMIT 1", id=first.id)
    [other] = scene.rows("SELECT id, provider_id FROM delivery WHERE broadcast_id = :id ORDER BY id LIMIT 1", id=second.id)
    name, foreign = f"{mine['id']}-1", f"{other['id']}-1"
    key = scene.stage.settings.keyring.callback
    stolen = callback_token(key, name).replace(name, foreign, 1)
    [accepted, refused, unsigned] = asyncio.run(
        post_all(
            scene,
            [
                (callback_token(key, name), other["provider_id"], True),
                (stolen, other["provider_id"], True),
                (callback_token(key, foreign), other["provider_id"], False),
            ],
        )
    )
    assert accepted < 300
    assert (refused // 100, unsigned // 100) == (4, 4)
    count = second.settle()
    states = scene.rows("SELECT state FROM delivery WHERE id = :id", id=other["id"])
    assert states == [{"state": "accepted"}]
    assert count["sent_twice"] == 0


def test_a_storm_of_callbacks_during_sending(scene: Scene) -> None:
    """For the message before, each word twice, in any order, 2,000 a second: sending goes on, and nothing is lost.

    A machine that others use may not take so many, whoever sends: what is promised is a share. Of what is offered, sending
    costs the door less than half of what it took of the same client a moment before, while nothing was sent.
    """
    before = scene.alert({"rules": [{"receipts": "missing"}]})
    before.keeps_the_promise()
    attempts = scene.rows("SELECT id, attempts, provider_id FROM delivery WHERE broadcast_id = :id", id=before.id)
    key = scene.stage.settings.keyring.callback
    words = [(callback_token(key, f"{row['id']}-{row['attempts']}"), row["provider_id"], True) for row in attempts]
    calm = storm(scene, words, status="sent")
    twice = words * 2
    random.Random(scene.seed).shuffle(twice)
    under_way = scene.alert({"sms_per_second": scene.size.per_second / 2})
    under_way.reach_share(0.05)
    began_at = under_way.share()
    rate = storm(scene, twice, status="delivered", per_second=STORM_PER_SECOND)
    ended_at = under_way.share()
    kept, kept_in_calm = (min(1.0, each / STORM_PER_SECOND) for each in (rate, calm))
    told = f"{kept:.0%} of {STORM_PER_SECOND} callbacks per second taken during sending, {kept_in_calm:.0%} without"
    print(f"{told}; {len(twice)} in all, from {began_at:.0%} to {ended_at:.0%} of it")
    assert began_at < ended_at, "sending stood still"
    if scene.size.people > SMALL.people:  # fewer are over before they say anything about a pace
        assert kept >= kept_in_calm / 2, told
    under_way.keeps_the_promise()
    before.keeps_the_promise()
    [row] = scene.rows("SELECT count(*) AS n FROM delivery WHERE broadcast_id = :id AND state = 'delivered'", id=before.id)
    assert row["n"] == len(attempts), "a callback that was taken is lost"


def storm(scene: Scene, words: Sequence[tuple[str, str, bool]], *, status: str, per_second: float = 0) -> float:
    """Post all of them, at an even pace or at once; how many per second were answered. Each is taken, or it is a fault."""
    began = time.monotonic()
    answers = asyncio.run(post_all(scene, words, status=status, per_second=per_second))
    seconds = time.monotonic() - began
    assert all(answer < 300 for answer in answers)
    return len(words) / seconds


async def post_all(scene: Scene, words: Sequence[tuple[str, str, bool]], *, status: str = "delivered", per_second: float = 0) -> list[int]:
    """Post this word to these callback addresses as Twilio would, many at once; the statuses of the answers, in order.

    `per_second`: none begins before its turn; 0: each as soon as there is a hand free.
    """
    settings = scene.stage.settings
    validator = RequestValidator(settings.twilio.auth_token.get_secret_value())
    slots = asyncio.Semaphore(64)

    async def post(session: aiohttp.ClientSession, number: int, token: str, sid: str, is_signed: bool) -> int:
        if per_second:
            await asyncio.sleep(began + number / per_second - time.monotonic())
        url = f"{scene.stage.url}/hooks/twilio/status/{token}"
        fields = {"MessageSid": sid, "MessageStatus": status, "AccountSid": settings.twilio.account_sid}
        signature = validator.compute_signature(url, fields) if is_signed else "no"
        async with slots, session.post(url, data=fields, headers={"X-Twilio-Signature": signature}) as answer:
            return answer.status

    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(post(session, number, *word) for number, word in enumerate(words)))
