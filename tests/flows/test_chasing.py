"""Real processes: a mission that does not report is texted, called, its head and the ministry after it; a report ends it at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from alerts.kit.db import begin, rows_of
from tests.factories.notices import make_reachable
from tests.factories.reports import line, report_body
from tests.support.stages import INCIDENT, Ministry, running, wait_until

QUICK = {
    "SIAGA_LIVE_REPORT_DUE_SECONDS": "1",
    "SIAGA_CHASING_POLL_SECONDS": "0.2",
    "SIAGA_CHASING_VOICE_AFTER_SECONDS": "1",
    "SIAGA_CHASING_HEAD_AFTER_SECONDS": "1",
    "SIAGA_CHASING_MINISTRY_AFTER_SECONDS": "1",
    "SIAGA_PAGING_POLL_SECONDS": "0.2",
}
SILENT = {"reply_share": 0, "key_share": 0}
"""Nobody presses a key: on a busy machine that ended the asking before its last step."""
STEPS = ("mission_staff", "head_of_mission", "duty_officer")
ASKED = """
SELECT s.role || ' ' || n.channel AS step, n.created_at FROM notice n JOIN staff s ON s.id = n.staff_id
JOIN paging p ON p.id = n.paging_id
WHERE p.mission_code = 'kbri-ankara' AND n.kind = 'chase' AND n.accepted_at IS NOT NULL ORDER BY n.created_at
"""


def rows(ministry: Ministry, query: str) -> list[dict[str, Any]]:
    with begin(ministry.stage.sessions) as session:
        return rows_of(session.execute(text(query)))


def asked(ministry: Ministry) -> list[str]:
    return list(dict.fromkeys(row["step"] for row in rows(ministry, ASKED)))


def test_a_silent_mission_is_asked_step_by_step_until_it_reports() -> None:
    with running(people=5, plan=SILENT, overrides=QUICK, ways=("voice",)) as ministry:
        with begin(ministry.stage.sessions) as session:
            for role in STEPS:
                make_reachable(session, ministry.stage.settings.keyring, role)
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        wait_until(lambda: "duty_officer sms" in asked(ministry))
        assert list(dict.fromkeys(step.split()[0] for step in asked(ministry))) == list(STEPS)
        assert asked(ministry)[:2] == ["mission_staff sms", "mission_staff voice"]
        body = report_body(line("injured", 1), source="mission:kbri-ankara", as_of=datetime.now(UTC))
        ministry.done("POST", f"/api/v1/incidents/{incident['id']}/reports", body, who="ankara")
        ankara = "SELECT stopped_at FROM paging WHERE kind = 'chase' AND mission_code = 'kbri-ankara' AND stopped_at IS NOT NULL"
        wait_until(lambda: rows(ministry, ankara))
        [took] = rows(
            ministry,
            "SELECT p.stopped_at - r.known_at AS took FROM paging p, report r WHERE p.kind = 'chase' AND p.mission_code = 'kbri-ankara'",
        )
        assert took["took"].total_seconds() < 3
