"""What went wrong with sending is told once per kind, sender and hour, and stands there until somebody takes it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from alerts.kit.db import begin
from alerts.kit.errors import NotFoundError
from alerts.kit.outbox import claim_new, drain, publish
from alerts.notices.alarms import acknowledge_alarm, raise_alarm, take_alarms, tell_alarms
from alerts.notices.queries import backlog, open_alarms
from alerts.notices.rules import AlarmKind
from tests.factories.notices import make_roster
from tests.factories.staff import make_actor
from tests.notices.conftest import Office, address_of

People = Callable[..., Any]


def happen(office: Office, kind: str = "stop_all", sender: str = "twilio", count: int = 1) -> None:
    """As the fan-out says it, through the outbox: rung twice, taken once."""
    with begin(office.sessions) as session:
        publish(session, "delivery.alarm", kind=kind, sender=sender, count=count)
    for _ in range(2):
        with begin(office.sessions) as session:
            claim_new(session, 10, {"delivery.alarm": ["notices.raise"]})
            take_alarms(session, drain(session, "notices.raise"))


def tell(office: Office) -> set[str]:
    """Ring the clock once; the addresses told."""
    before = len(office.outbound.sent)
    with begin(office.sessions) as session:
        tell_alarms(session, configured=lambda _: office.channels, again_seconds=3600)
    office.send()
    return {address_of(message) for _, _, message in office.outbound.sent[before:]}


def an_hour_passes(office: Office) -> None:
    office.run("UPDATE alarm SET paged_at = paged_at - interval '61 minutes', last_at = last_at - interval '61 minutes'")


def test_the_duty_officers_on_duty_and_the_administrators_are_told_once_an_hour(office: Office, people: People) -> None:
    on, off, admin, approver = people("duty_officer"), people("duty_officer"), people("administrator", "email"), people("approver")
    with begin(office.sessions) as session:
        make_roster(session, on)
    office.channels = frozenset({"sms", "email"})
    happen(office)
    assert len(tell(office)) == 2
    told = {row["staff_id"] for row in office.rows("SELECT staff_id FROM notice")}
    assert told == {on.id, admin.id}
    assert not {off.id, approver.id} & told
    happen(office, count=4)
    assert tell(office) == set(), "the same kind and sender within the hour"
    happen(office, sender="fcm")
    happen(office, kind="no_permission")
    assert len(tell(office)) == 2, "another sender, another kind"
    assert len(office.rows("SELECT 1 FROM notice")) == 6
    an_hour_passes(office)
    assert len(tell(office)) == 2, "it went on after it was told"
    an_hour_passes(office)
    assert tell(office) == set(), "nothing new"
    happen(office)
    assert len(tell(office)) == 2
    assert [row["count"] for row in office.rows("SELECT count FROM alarm ORDER BY id LIMIT 1")] == [6], (
        "each event once, however often rung"
    )


def test_taken_on_it_leaves_the_list_and_comes_back_untold_within_the_hour(office: Office, people: People) -> None:
    people("duty_officer")
    happen(office)
    assert tell(office)
    with begin(office.sessions) as session:
        alarm_id = session.execute(text("SELECT id FROM alarm")).scalar_one()
        officer = make_actor(session, "duty_officer")
        acknowledge_alarm(session, actor=officer, alarm_id=alarm_id)
        first = acknowledge_alarm(session, actor=make_actor(session, "duty_officer"), alarm_id=alarm_id)
        assert first.acknowledged_by == officer.staff_id, "who said it first stays"
        assert open_alarms(session) == []
        with pytest.raises(NotFoundError):
            acknowledge_alarm(session, actor=officer, alarm_id=officer.staff_id)  # type: ignore[arg-type]
    happen(office)
    assert tell(office) == set()
    with begin(office.sessions) as session:
        assert [row["kind"] for row in open_alarms(session)] == ["stop_all"], "but shown"
        assert backlog(session)["open_alarms"] == 1


def test_a_word_that_we_do_not_know_is_an_alarm_all_the_same_and_calls_nobody_up(office: Office, people: People) -> None:
    people("duty_officer")
    happen(office, kind="something_else", sender="")
    assert tell(office)
    assert office.rows("SELECT kind, sender FROM alarm") == [{"kind": "other", "sender": "SMS"}]
    assert [row["channel"] for row in office.rows("SELECT channel FROM notice")] == ["sms"]


@pytest.mark.parametrize("kind", list(AlarmKind))
def test_every_kind_can_be_told(office: Office, people: People, kind: AlarmKind) -> None:
    people("duty_officer", language="en")
    with begin(office.sessions) as session:
        raise_alarm(session, kind=kind, sender="sender-x", count=1234)
    assert tell(office)
    assert all("sender-x" in row["body"] for row in office.rows("SELECT body FROM notice"))
