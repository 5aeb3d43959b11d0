"""Real processes: a message waits, the approver's phone rings again and again, a killed sender changes nothing, an approval ends it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select, text

from alerts.kit.actor import SYSTEM, Via
from alerts.kit.db import begin, rows_of
from alerts.notices.contacts import DutyLine
from alerts.notices.crew.actions import answer_call, set_crew_roster
from alerts.notices.crew.rules import Answer, Function
from alerts.staff.models import Staff
from alerts.staff.sign_in import actor_of
from tests.factories.notices import make_contact
from tests.factories.staff import make_staff
from tests.support.breaking import kill
from tests.support.stages import INCIDENT, TEXTS, Ministry, running, wait_until

QUICK = {
    "SIAGA_PAGING_REPEAT_SECONDS": "1.5",
    "SIAGA_PAGING_POLL_SECONDS": "0.2",
    "SIAGA_PAGING_LEASE_SECONDS": "2",
    "SIAGA_PAGING_RETRY_SECONDS": "0.2",
}


def rows(ministry: Ministry, query: str) -> list[dict[str, Any]]:
    with begin(ministry.stage.sessions) as session:
        return rows_of(session.execute(text(query)))


def rounds_accepted(ministry: Ministry) -> set[int]:
    return {row["round"] for row in rows(ministry, "SELECT DISTINCT round FROM notice WHERE kind = 'approval' AND accepted_at IS NOT NULL")}


def taken_by_carrier(ministry: Ministry) -> list[str]:
    lines = [json.loads(line) for line in ministry.stage.log_path.read_text().splitlines()]
    return [line["attempt"] for line in lines if line["kind"] == "accepted" and line["attempt"].startswith("n")]


def test_the_phone_rings_until_somebody_approves_and_a_killed_worker_changes_nothing() -> None:
    with running(people=20, overrides=QUICK) as ministry:
        with begin(ministry.stage.sessions) as session:
            approver = session.scalars(select(Staff).where(Staff.username == ministry.accounts["approver"].username)).one()
            for kind in ("phone", "push"):
                make_contact(session, ministry.stage.settings.keyring, approver, kind)
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        drafted = ministry.done("POST", f"/api/v1/incidents/{incident['id']}/broadcasts", {"texts": TEXTS})
        submitted = ministry.done("POST", f"/api/v1/broadcasts/{drafted['id']}/submit")

        wait_until(lambda: len(rounds_accepted(ministry)) >= 2)
        kill(ministry.stage, "paging")
        reached = max(rounds_accepted(ministry))
        wait_until(lambda: max(rounds_accepted(ministry)) >= reached + 2)

        assert ministry.approve(submitted).ok
        wait_until(lambda: rows(ministry, "SELECT 1 FROM paging WHERE stopped_at IS NOT NULL"))
        wait_until(lambda: not rows(ministry, "SELECT 1 FROM notice WHERE state IN ('queued', 'sending')"))
        stopped = rows(ministry, "SELECT level, stop_reason FROM paging")
        assert [row["stop_reason"] for row in stopped] == ["done"]

        taken = taken_by_carrier(ministry)
        assert len(taken) == len(set(taken)), "no message to staff was handed over twice"
        messages = rows(ministry, "SELECT round, channel, state FROM notice WHERE kind = 'approval'")
        assert len(messages) == 2 * stopped[0]["level"], "two ways a round, each once"
        wait_until(lambda: rows(ministry, "SELECT 1 FROM notice WHERE channel = 'sms' AND state = 'delivered'"))
        known = {row["state"] for row in messages}
        assert known <= {"accepted", "sent", "delivered", "unknown", "expired", "cancelled"}
        assert sum(row["state"] == "unknown" for row in messages) <= 2, "only what was in flight at the kill"


def test_opening_an_incident_calls_the_crew_and_deputies_until_somebody_is_coming() -> None:
    with running(people=5, overrides=QUICK | {"SIAGA_CALLOUT_DEPUTY_SECONDS": "1.5"}) as ministry:
        with begin(ministry.stage.sessions) as session:
            made = [make_staff(session, "approver", username=f"direktur.{number}") for number in range(2)]
            for staff in made:
                make_contact(session, ministry.stage.settings.keyring, staff, "phone")
            set_crew_roster(session, actor=SYSTEM, function=Function.DIRECTOR, lines=[DutyLine(staff.id) for staff in made])
            first, second = (staff.id for staff in made)
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        called = "SELECT c.id, c.staff_id FROM crew_call c JOIN crew_slot s ON s.id = c.slot_id WHERE s.function = 'director' ORDER BY c.id"
        wait_until(lambda: len(rows(ministry, called)) == 2)
        assert [row["staff_id"] for row in rows(ministry, called)] == [first, second], "the deputy after the first"
        reached = "SELECT DISTINCT channel FROM notice WHERE kind = 'callout' AND staff_id = '{}' AND accepted_at IS NOT NULL"
        wait_until(lambda: {row["channel"] for row in rows(ministry, reached.format(second))} == {"sms"})
        with begin(ministry.stage.sessions) as session:
            actor = actor_of(session.get_one(Staff, first), Via.SESSION)
            answer_call(session, actor=actor, call_id=rows(ministry, called)[0]["id"], answer=Answer.COMING)

        def director() -> str:
            sheet = ministry.done("GET", f"/api/v1/incidents/{incident['id']}/summary")
            return next(line["standing"] for line in sheet["crew"] if line["function"] == "director")

        wait_until(lambda: director() == "on")
        crew = ministry.done("GET", f"/api/v1/incidents/{incident['id']}/crew")["items"]
        assert next(each for each in crew if each["function"] == "director")["next_call_at"] is None
