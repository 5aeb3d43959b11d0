"""Reports for tests: rows in memory as the API would have stored them, and bodies for the API itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from alerts.live.rules.facts import CheckFacts, IncidentFacts, MissionFacts, SheetFacts
from alerts.reports.actions import is_known_place, line_row, rule_line
from alerts.reports.models import Report
from alerts.reports.queries import filed_line, filed_report
from alerts.reports.rules.guards import Problem, review
from alerts.reports.rules.standing import FiledLine, FiledReport
from alerts.reports.schemas import ReportIn
from alerts.story.crisis import Crisis, with_time
from alerts.story.steps import ReportStep

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ARRIVES = datetime(2028, 1, 1, tzinfo=UTC)


class Filing:
    """What was filed, row by row, without a database. `known_at` rises by a minute unless it is given."""

    def __init__(self) -> None:
        self.reports: list[FiledReport] = []
        self.lines: list[FiledLine] = []
        self.checks: list[CheckFacts] = []
        self.problems: dict[UUID, tuple[Problem, ...]] = {}
        self.by_ref: dict[str, tuple[UUID, list[UUID]]] = {}
        self._known_at = ARRIVES

    def file(self, body: dict[str, Any], *, ref: str | None = None, known_at: datetime | None = None) -> FiledReport:
        """One report body in the wire form; `supersedes` and `withdraws` may name earlier refs."""
        command = ReportIn.model_validate(self._resolve(body))
        self._known_at = known_at or self._known_at + timedelta(minutes=1)
        row = Report(
            id=uuid4(),
            source=command.source,
            author=command.author,
            as_of=command.as_of,
            known_at=self._known_at,
            supersedes=command.supersedes,
            supersede_reason=command.supersede_reason,
            next_report_at=command.next_report_at,
            mission_status=command.status_as_filed,
        )
        report = filed_report(row)
        problems = review([rule_line(line, command.source) for line in command.lines], is_known_place)
        known = {line.id for line in self.lines}
        for at, line in enumerate(command.lines):
            stored = line_row(at, line, source=command.source, problems=problems, known=known)
            stored.id = uuid4()
            self.lines.append(filed_line(stored, report))
            self.problems[stored.id] = tuple(p for p in problems if p.line == at)
        self.checks += [
            CheckFacts(report=report, position=at, **(check.model_dump() | {"places": tuple(check.places)}))
            for at, check in enumerate(command.checks)
        ]
        self.reports.append(report)
        if ref is not None:
            self.by_ref[ref] = (report.id, [line.id for line in self.lines if line.report is report])
        return report

    def facts(self, incident: IncidentFacts, missions: Sequence[MissionFacts] = ()) -> SheetFacts:
        return SheetFacts(
            incident=incident,
            missions=tuple(missions),
            reports=tuple(self.reports),
            lines=tuple(self.lines),
            checks=tuple(self.checks),
            problems=self.problems,
        )

    def _resolve(self, body: dict[str, Any]) -> dict[str, Any]:
        body = dict(body)
        if body.get("supersedes") in self.by_ref:
            body["supersedes"] = str(self.by_ref[body["supersedes"]][0])
        body["lines"] = [self._resolve_line(line) for line in body.get("lines", [])]
        return body

    def _resolve_line(self, line: dict[str, Any]) -> dict[str, Any]:
        ref, _, position = str(line.get("withdraws") or "").partition("#")
        if ref in self.by_ref:
            return line | {"withdraws": str(self.by_ref[ref][1][int(position)])}
        return line


def filing_of(crisis: Crisis, steps: Iterable[ReportStep] | None = None) -> Filing:
    """All reports of a crisis file, in its order unless another is given."""
    filing = Filing()
    for step in report_steps(crisis) if steps is None else steps:
        filing.file(with_time(step.report, step.at), ref=step.ref)
    return filing


def report_steps(crisis: Crisis) -> list[ReportStep]:
    return [step for step in crisis.steps if isinstance(step, ReportStep)]


def incident_facts(crisis: Crisis | None = None, **more: Any) -> IncidentFacts:
    """The incident of a crisis file, or a plain one in Türkiye."""
    body = crisis.incident if crisis else {"occurred_at": "2026-01-01T00:00:00+00:00", "areas": [{"code": "TR"}]}
    from alerts.live.rules.totals import maximal

    occurred_at = datetime.fromisoformat(body["occurred_at"])
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "title": body.get("title", "Ujian"),
        "kind": body.get("kind", "earthquake"),
        "status": body.get("status", "Actual"),
        "state": "open",
        "urgency": body.get("urgency", "Immediate"),
        "severity": body.get("severity", "Severe"),
        "occurred_at": occurred_at,
        "opened_at": occurred_at,
        "is_replayed": bool(body.get("is_replayed")),
        "places": maximal(area["code"] for area in body["areas"]),
    }
    return IncidentFacts(**(values | more))


def line(category: str, value: Any, *, places: Sequence[str] = ("TR",), **more: Any) -> dict[str, Any]:
    """One line of a body."""
    return {"category": category, "places": list(places), "value": value, **more}


def report_body(*lines: dict[str, Any], source: str = "mission:kbri-ankara", as_of: str | datetime = FIRST, **more: Any) -> dict[str, Any]:
    """A body for `POST …/reports`."""
    at = as_of if isinstance(as_of, str) else as_of.isoformat()
    return {"source": source, "as_of": at, "lines": list(lines), **more}


def new_key() -> dict[str, str]:
    """A fresh Idempotency-Key header."""
    return {"Idempotency-Key": f"test-{uuid4()}"}
