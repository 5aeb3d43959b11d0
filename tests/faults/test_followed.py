"""Processes are killed while latecomers and a correction are released and sent: whoever got the message is corrected, once."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from alerts.broadcasts.waves import open_wave
from alerts.channels.rule_book_outlets import SenderSets
from alerts.kit.db import begin
from alerts.sandbox.judge import read_facts, read_journal
from alerts.stage import load_register
from tests.flows.test_first_alert import CANCEL, Person
from tests.support.breaking import LOST_AT_ONCE, Scene, UnderWay, kill
from tests.support.stages import wait_until, write_register

pytestmark = pytest.mark.breaks_servers
LATECOMERS, NOBODY_ELSES = 24, 20_000
KILLS = 3


@pytest.fixture
def only_ours(scene: Scene) -> Iterator[None]:
    """Whatever becomes of the test, the next one has the same people as the one before."""
    yield
    late = [f"t{number}" for number in range(NOBODY_ELSES, NOBODY_ELSES + LATECOMERS)]
    scene.run("UPDATE citizen SET died_at = now() WHERE external_id = ANY (:late)", late=late)


@pytest.mark.usefixtures("only_ours")
def test_latecomers_and_a_correction_survive_kills(scene: Scene) -> None:
    """The correction is asked for while the latecomers are still being sent the message, and stops them."""
    template = prepared(scene)
    under_way = scene.alert({"sms_per_second": scene.size.per_second / 2})
    under_way.reach_share(0.6)
    path = write_register(scene.stage.folder / "late.csv", LATECOMERS, first=NOBODY_ELSES)
    load_register(scene.stage.settings, scene.stage.sessions, path)
    with begin(scene.stage.sessions) as session:
        wave = open_wave(session, UUID(under_way.id), configured=SenderSets.of(scene.stage.settings))
        assert wave is not None
        assert wave.count == LATECOMERS
    kill(scene.stage, "quick")  # which releases it
    wait_until(lambda: scene.rows("SELECT 1 FROM audience WHERE id = :id AND released_at IS NOT NULL", id=wave.id))
    under_way.reach_share(0.65)

    before = scene.accepted()
    correction = Person(scene.ministry, "duty_officer").post(
        f"/broadcasts/{under_way.id}/correct", {"msg_type": "Cancel", "template_id": template}
    )
    kill(scene.stage, "quick")
    corrected = UnderWay(scene, correction, before, under_way.strays_before)
    corrected.at_random(KILLS - 1, lambda: kill(scene.stage, "worker"))
    corrected.keeps_the_promise(unknown=LOST_AT_ONCE * KILLS)

    got, told = took(scene, under_way.id), took(scene, corrected.id)
    assert 0 < len(got) <= scene.size.people + LATECOMERS
    assert got <= told, f"{len(got - told)} got the message and no correction (seed {scene.seed})"
    assert len(told - got) <= LOST_AT_ONCE, "whoever was in flight may have got it, and nobody else is told"


def prepared(scene: Scene) -> str:
    """Words of correction that two people stand for."""
    officer, approver = Person(scene.ministry, "duty_officer"), Person(scene.ministry, "approver")
    written = officer.post("/templates", CANCEL)
    approver.post(f"/templates/{written['id']}/approve", {"content_hash": written["content_hash"]})
    return str(written["id"])


def took(scene: Scene, broadcast: str) -> set[str]:
    """The people of whom the carrier's own journal says that it took this message for them."""
    facts, accepted = read_facts(scene.stage.folder / "facts.json"), read_journal(scene.stage.log_path).accepted
    return {attempt.person for attempt in facts.attempts if attempt.broadcast == broadcast and attempt.attempt in accepted}
