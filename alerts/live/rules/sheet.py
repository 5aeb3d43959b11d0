"""The answer sheet, from loaded rows and two times. The same rows give the same sheet, in whatever order they came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from alerts.incidents.rules import FROM_LOWEST, SiagaLevel
from alerts.live.rules.agreement import LABELS
from alerts.live.rules.chasers import chaser_mark
from alerts.live.rules.checks import newest_checks
from alerts.live.rules.deaths import deaths_of
from alerts.live.rules.facts import CheckFacts, MissionFacts, NeedFacts, SheetFacts
from alerts.live.rules.figures import (
    Frame,
    conflict_of,
    figure_of,
    held_of,
    place_view,
    place_views,
    said,
    with_parts,
    withdrawn_of,
)
from alerts.live.rules.needs import need_row, newest_needs
from alerts.live.rules.questions import Material, answer_all, is_asked_by, own_total
from alerts.live.rules.sentence import sentence_of
from alerts.live.rules.unknowns import asked_of
from alerts.live.schemas import (
    AnswerKind,
    AnswerSheet,
    Contacts,
    Disagreement,
    Figure,
    IncidentHead,
    MissionRow,
    NamedPersons,
    PeopleAgreement,
    Reach,
    StatusView,
    Total,
)
from alerts.reports.rules import words
from alerts.reports.rules.codes import Category, LineKind
from alerts.reports.rules.mission_status import StatusFact, read_status
from alerts.reports.rules.standing import FiledLine, FiledReport, Standing, is_visible, stand, visible

Said = TypeVar("Said", CheckFacts, NeedFacts)
NAMED = (
    Category.DEAD,
    Category.SERIOUSLY_INJURED,
    Category.LIGHTLY_INJURED,
    Category.INJURED,
    Category.ILL,
    Category.IN_HOSPITAL,
    Category.UNACCOUNTED,
    Category.MISSING,
    Category.SAFE,
)


def build_sheet(facts: SheetFacts, as_of: datetime, known_at: datetime) -> AnswerSheet:
    """What was true by `as_of` as far as we knew it by `known_at`; ages count from `as_of`."""
    frame = Frame(as_of, facts.mission_names)
    reports = [report for report in facts.reports if is_visible(report, as_of, known_at)]
    standing = stand(visible(facts.lines, as_of, known_at), reports, facts.resolutions)
    material = _material(facts, standing, frame, reports)
    return AnswerSheet(
        incident=_head(facts),
        version=None,
        as_of=as_of,
        known_at=known_at,
        is_replayed=facts.incident.is_replayed,
        sentence=sentence_of(material),
        questions=answer_all(material),
        figures=[figure for figure in material.figures if is_asked_by(figure) is None],
        planned=list(material.planned),
        older=[figure_of(line, frame, standing, is_current=False) for line in standing.older],
        conflicts=list(material.conflicts),
        held=list(material.held),
        withdrawn=[withdrawn_of(line, by, frame, standing) for line, by in _in_order(standing)],
        registered=material.register,
        counted_at=facts.counted_at,
        crew=list(facts.crew),
        reach=_widest(facts),
        messages=list(facts.reach),
        contact=_contacts(facts, material),
        named=_named(facts, material),
        deaths=deaths_of(facts.deaths),
        agreement=_agreement(facts),
        missions=[_mission_row(mission, reports, facts, frame) for mission in facts.missions],
        needs=[need_row(need, frame) for need in newest_needs(_of_standing_reports(facts.needs, reports))],
        asked=asked_of(facts, {mission.code: _due(mission, reports) for mission in facts.missions}),
    )


def _material(facts: SheetFacts, standing: Standing, frame: Frame, reports: Sequence[FiledReport]) -> Material:
    figures: dict[LineKind, list[Figure]] = defaultdict(list)
    for line in standing.current:
        figures[line.cell.kind].append(figure_of(line, frame, standing))
    whole, orphans = with_parts(figures[LineKind.STANDING], figures[LineKind.OF_WHICH])
    checks = newest_checks(_of_standing_reports(facts.checks, reports))
    return Material(
        facts=facts,
        standing=standing,
        frame=frame,
        figures=[*whole, *orphans],
        planned=figures[LineKind.PLANNED],
        conflicts=[conflict_of(clash, frame, standing) for clash in standing.contradictions],
        held=[held_of(line, list(facts.problems.get(line.id, ())), frame) for line in reversed(standing.held)],
        checks=checks,
        register=facts.register,
        due=min((due for due in (_due(mission, reports) for mission in facts.missions) if due), default=None),
    )


def _of_standing_reports(rows: Iterable[Said], reports: Sequence[FiledReport]) -> list[Said]:
    """Rows of the reports that are seen and were not corrected."""
    seen, corrected = {report.id for report in reports}, {report.supersedes for report in reports}
    return [row for row in rows if row.report.id in seen and row.report.id not in corrected]


def _head(facts: SheetFacts) -> IncidentHead:
    incident = facts.incident
    areas = [place_view(code) for code in incident.places]
    return IncidentHead(
        id=incident.id,
        title=incident.title,
        kind=incident.kind,
        status=incident.status,
        state=incident.state,
        urgency=incident.urgency,
        severity=incident.severity,
        occurred_at=incident.occurred_at,
        opened_at=incident.opened_at,
        is_replayed=incident.is_replayed,
        places=[*areas, *(place_view(name) for name in incident.area_names)],
        levels=[(place_view(area).name, level.value) for area, level in _highest_first(incident.levels)],
    )


def _highest_first(levels: Iterable[tuple[str, SiagaLevel]]) -> list[tuple[str, SiagaLevel]]:
    return sorted(levels, key=lambda each: (-FROM_LOWEST.index(each[1]), each[0]))


def _widest(facts: SheetFacts) -> Reach:
    return max(facts.reach, key=lambda reach: reach.frozen, default=Reach())


def _contacts(facts: SheetFacts, material: Material) -> Contacts:
    answers = facts.answers
    return Contacts(
        safe=answers.safe,
        safe_contacted=answers.safe_contacted,
        need_help=answers.need_help,
        need_help_says_safe=answers.need_help_says_safe,
        other=answers.other,
        not_answered=max(0, _widest(facts).frozen - answers.answered),
        unaccounted=_known(own_total(material, Category.UNACCOUNTED)),
        missing=_known(own_total(material, Category.MISSING)),
        reported_safe=_known(own_total(material, Category.SAFE)),
    )


def _known(total: Total) -> Total | None:
    return None if total.answer is AnswerKind.NOT_KNOWN else total


def _named(facts: SheetFacts, material: Material) -> list[NamedPersons]:
    """Tally against persons known one by one, where either says anything. Without a tally there is no difference to speak of."""
    rows = []
    for category in NAMED:
        total, (named, answered) = own_total(material, category), _one_by_one(facts, category)
        if total.answer is AnswerKind.NOT_KNOWN and not named and not answered:
            continue
        tally = total.low
        label = said(words.CATEGORY[category])
        difference = None if tally is None else tally - named - answered
        rows.append(NamedPersons(category=category, label=label, tally=tally, named=named, answered=answered, difference=difference))
    return rows


def _one_by_one(facts: SheetFacts, category: Category) -> tuple[int, int]:
    """Persons by name; and, of the safe, those whom staff reached by a check-in and who are not among the named."""
    if category is not Category.SAFE:
        return facts.named.get(category, 0), 0
    return facts.agreement.reached, max(0, facts.answers.safe_contacted - facts.agreement.reached_in_both)


def _agreement(facts: SheetFacts) -> PeopleAgreement:
    found = facts.agreement.disagreements
    return PeopleAgreement(
        need_help=facts.answers.need_help,
        help_cases=facts.help_cases,
        disagreements=[Disagreement(key=key.value, label=LABELS[key], people=people) for key, people in found.items()],
        families=facts.families,
    )


def _mission_row(mission: MissionFacts, reports: Sequence[FiledReport], facts: SheetFacts, frame: Frame) -> MissionRow:
    own = _reports_of(mission, reports)
    last = own[-1] if own else None
    status = next((report.mission_status for report in reversed(own) if report.mission_status), None)
    is_open = facts.incident.state == "open"
    chaser = chaser_mark(mission, own, frame) if is_open else None
    due = _due(mission, reports) or (chaser.due_at if chaser else None)
    return MissionRow(
        mission_code=mission.code,
        name=mission.name,
        basis=mission.basis,
        is_assumed=mission.is_assumed,
        places=place_views(mission.places),
        reports=len(own),
        last_report_as_of=last.as_of if last else None,
        last_report_known_at=last.known_at if last else None,
        age_seconds=frame.age(last.counts_from) if last else None,
        due_at=due,
        is_overdue=is_open and due is not None and due < frame.as_of,
        status=dict(status) if status else None,
        chaser=chaser,
        state_of_mission=[_status_view(fact) for fact in read_status(status or {})],
    )


def _status_view(fact: StatusFact) -> StatusView:
    return StatusView(key=fact.key, label=said(fact.label), text=said(fact.text), is_bad=fact.is_bad)


def _due(mission: MissionFacts, reports: Sequence[FiledReport]) -> datetime | None:
    """The time the mission promised in its last report; before the first report, the incident's clock."""
    own = _reports_of(mission, reports)
    return own[-1].next_report_at if own else mission.report_due_at


def _reports_of(mission: MissionFacts, reports: Sequence[FiledReport]) -> list[FiledReport]:
    own = [report for report in reports if report.source == f"mission:{mission.code}"]
    return sorted(own, key=lambda report: (report.counts_from, report.next_report_at is not None))


def _in_order(standing: Standing) -> list[tuple[FiledLine, FiledLine]]:
    return sorted(standing.withdrawn, key=lambda pair: (pair[1].report.counts_from, pair[0].cell.key, pair[0].raw))
