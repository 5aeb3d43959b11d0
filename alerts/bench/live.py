"""live: a mission files a report; when has every open screen got the sheet that shows it? That sheet is found by its figure.

Ours: `siaga serve`, the relay and a quick worker as they are, with so many screens on the API's stream. Reports are filed one
after another by a mission's token; the time runs from the request until a screen has the whole new event. Naive: a stream per
screen that asks the database every second and computes its own sheet; a fiftieth of the screens. Limit: a server that writes
bytes of the same size to the same number of sockets.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.bench.desk import Desk
from alerts.bench.ground import COUNTRY, Ground, Say, ground
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.bench.pipe import Pipe, pipe_to
from alerts.bench.receipts import wait_for_port
from alerts.embedded import Services
from alerts.embedded.scratch import CHECKOUT
from alerts.kit.db import begin
from alerts.live.queries import latest_snapshot
from alerts.stage import Account, free_port

FULL, QUICK = 5_000, 50
REPORTS, REPORTS_QUICK, NAIVE_SHARE = 10, 1, 50
MISSION, HEAD, PEOPLE = "kbri-ankara", "head.ankara", 500
PROCESSES = ("sandbox", "serve", "quick", "relay")
SECONDS_MAX, LOOK_SECONDS = 60.0, 0.02
NAIVE = CHECKOUT / "tests" / "support" / "naive_live.py"
GOALS = {"p95_ms": Goal(at_most=1000), "kb_per_watcher": Goal(at_most=64), "ratio_to_naive": Goal(at_least=5, floor=2)}


@dataclass(frozen=True)
class Show:
    """One run: so many screens, so many reports."""

    floor: Ground
    screens: Pipe
    incident_id: UUID
    count: int
    reports: int
    accounts: Mapping[str, Account]

    def desk(self) -> Desk:
        """The mission's, wherever the server is now."""
        return Desk(self.floor.stage.url, self.accounts[HEAD])


def measure(services: Services, plan: Plan, say: Say) -> Outcome:
    """See the module. `exact`: every screen got a version that shows each report, and none an older one after a newer."""
    count = plan.size(full=FULL, quick=QUICK)
    reports = REPORTS_QUICK if plan.is_quick else REPORTS
    with ground(services, "live", plan=plan, say=say) as floor, pipe_to("alerts.bench.screens") as screens:
        floor.invent_people(PEOPLE)
        show = Show(floor, screens, floor.open_incident(COUNTRY), count, reports, floor.stage.make_accounts({MISSION: HEAD}))
        seconds, memory, closed = _ours(show)
        naive, limit = _naive(replace(show, count=max(1, count // NAIVE_SHARE))), _limit(show)
    marks = {f"p{mark}_ms": round(_mark([each for one in seconds for each in one], mark) * 1000, 1) for mark in (50, 95, 99)}
    rounds = [
        Round(len(one) / max(one), len(theirs) / max(theirs) if theirs else None, len(bare) / max(bare))
        for one, theirs, bare in zip(seconds, naive or [[]] * len(seconds), limit, strict=True)
    ]
    details = marks | {
        "kb_per_watcher": round(memory, 1),
        "kb_per_event": round(closed["event_octets"] / 1024, 1),
        "reports": reports,
        "naive_p95_ms": round(median(_mark(each, 95) for each in naive) * 1000) if naive else None,
        "limit_p95_ms": round(median(_mark(each, 95) for each in limit) * 1000, 1),
        "naive": "a stream per screen that asks the database" if naive else "not measured: the tests are not here",
        "limit": "the same bytes to the same number of sockets",
    }
    return Outcome("live", plan, count, rounds, all(len(each) == count for each in seconds) and not closed["went_back"], GOALS, details)


def _ours(show: Show) -> tuple[list[list[float]], float, dict[str, Any]]:
    """Seconds per report and screen; kilobytes of the server per screen; what the screens say at the end."""
    stage, screens = show.floor.stage, show.screens
    stage.start(*PROCESSES)
    try:
        _until_sheet(show)
        pid = stage.services.process_pid("serve") or 0
        empty = _rss_kb(pid)
        url = f"{stage.url}/api/v1/incidents/{show.incident_id}/live"
        opened = screens.order("open", url=url, key=show.accounts["duty_officer"].token, count=show.count)
        show.floor.say(f"live: {show.count} screens open after {opened['seconds']:.1f} s")
        found = _file(show, 0, opened["newest"], _version_that_shows)
        memory = (_rss_kb(pid) - empty) / show.count
        closed = screens.order("close")
    finally:
        _stop(show.floor, PROCESSES)
    return found, memory, closed


def _naive(show: Show) -> list[list[float]]:
    if not NAIVE.is_file():
        return []
    stage, port = show.floor.stage, free_port()
    stage.start("serve")
    argv = [sys.executable, str(NAIVE), str(port), str(show.incident_id)]
    stage.services.start_process("naive_live", argv, stage.environment)
    try:
        wait_for_port(port)
        opened = show.screens.order("open", url=f"http://127.0.0.1:{port}/live", key="-", count=show.count)
        found = _file(show, show.reports, opened["newest"], lambda _, number: number)  # its versions are the counts of reports
        show.screens.order("close")
    finally:
        _stop(show.floor, ("serve", "naive_live"))
    return found


def _file(show: Show, before: int, newest: int, version_of: Callable[[Show, int], int]) -> list[list[float]]:
    """Report after report; for each, the seconds until each screen had a version that shows it (a later one, if that came first)."""
    desk, found, last_id = show.desk(), [], ""
    for number in range(1, show.reports + 1):
        began = time.monotonic()
        last_id = desk.post(f"/api/v1/incidents/{show.incident_id}/reports", _report(before + number, last_id))["id"]
        answer = show.screens.order("wait", above=max(newest, version_of(show, before + number) - 1))
        newest = answer["newest"]
        found.append([at - began for at in answer["times"]])
        p95, last = _mark(found[-1], 95) * 1000, max(found[-1]) * 1000
        show.floor.say(f"live {number}/{show.reports} on {show.count} screens: p95 {p95:.0f} ms, last {last:.0f} ms")
    return found


def _version_that_shows(show: Show, number: int) -> int:
    """The first stored version that shows this report's injured."""
    ends_at = time.monotonic() + SECONDS_MAX
    while time.monotonic() < ends_at:
        with begin(show.floor.sessions) as session:
            version = session.execute(text(SHOWS), {"incident": show.incident_id, "number": number}).scalar_one_or_none()
        if version is not None:
            return int(version)
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"no sheet shows report {number}")


def _limit(show: Show) -> list[list[float]]:
    with begin(show.floor.sessions) as session:
        snapshot = latest_snapshot(session, show.incident_id)
        content = json.dumps(snapshot.content if snapshot else {}).encode()
    services, port = show.floor.stage.services, free_port()
    services.start_process("bare_live", [sys.executable, "-m", "alerts.bench.bare_live", str(port)], show.floor.stage.environment)
    try:
        wait_for_port(port)
        show.screens.order("open", url=f"http://127.0.0.1:{port}/live", key="-", count=show.count)
        found = []
        for number in range(1, show.reports + 1):
            began = time.monotonic()
            event = b"id: %d\ndata: %b\n\n" % (number, content)
            request = urllib.request.Request(f"http://127.0.0.1:{port}/push", data=event, method="POST")
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
            found.append([at - began for at in show.screens.order("wait", above=number - 1)["times"]])
        show.screens.order("close")
    finally:
        _stop(show.floor, ("bare_live",))
    return found


def _report(number: int, corrects: str) -> dict[str, Any]:
    """One person more than the report before, which it corrects: two figures of one minute would stand against each other."""
    lines = [{"category": "injured", "places": [COUNTRY], "value": number}]
    correction = {"supersedes": corrects, "supersede_reason": "counted again"} if corrects else {}
    return {"source": f"mission:{MISSION}", "as_of": datetime.now(UTC).isoformat(), "lines": lines} | correction


def _until_sheet(show: Show) -> None:
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        with begin(show.floor.sessions) as session:
            if latest_snapshot(session, show.incident_id) is not None:
                return
        time.sleep(0.05)
    raise RuntimeError("no first sheet came")


def _mark(seconds: list[float], mark: int) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * mark // 100)]


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def _stop(floor: Ground, names: tuple[str, ...]) -> None:
    for name in names:
        floor.stage.services.stop_process(name, signal.SIGKILL)


SHOWS = """
SELECT min(version)
FROM snapshot, jsonb_array_elements(content -> 'questions') AS q(answer), jsonb_array_elements(q.answer -> 'totals') AS t(total)
WHERE incident_id = :incident AND t.total ->> 'category' = 'injured' AND t.total ->> 'series' = 'own'
  AND CAST(t.total ->> 'low' AS int) = :number
"""
