"""A report as one reader may see it: staff of a mission do not learn from a question what another source has filed."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from alerts.incidents.rules import is_bound_to_mission
from alerts.kit.actor import Actor
from alerts.reports.models import Report
from alerts.reports.queries import present_report
from alerts.reports.rules.codes import Rule
from alerts.reports.schemas import BothView, ProblemView, ReportView

WITHHELD = BothView(
    id="Sumber lain menyebut hal yang bertentangan dengan ini; isinya tidak ditampilkan di sini.",
    en="Another source says otherwise; what it says is not shown here.",
)
SOURCE_OF_A_FIGURE = re.compile(r"\((mission:[a-z0-9-]+|ministry|host_state|media)\b")


def present_to(session: Session, report: Report, actor: Actor) -> ReportView:
    """The report with what is asked about it; for staff of a mission without the figures and names of other sources."""
    view = present_report(session, report)
    if not is_bound_to_mission(actor):
        return view
    return view.model_copy(update={"problems": [_withhold(problem, report.source) for problem in view.problems]})


def _withhold(problem: ProblemView, source: str) -> ProblemView:
    named = set(SOURCE_OF_A_FIGURE.findall(f"{problem.message.id} {problem.message.en}"))
    is_of_others = problem.rule is Rule.SOURCES_DIFFER or bool(named - {source})
    return problem.model_copy(update={"message": WITHHELD}) if is_of_others else problem
