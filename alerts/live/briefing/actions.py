"""Statements from the sheet of now: the automatic draft, and what a person chooses of it. None commits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident, get_open_incident
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, InvalidError
from alerts.live.queries import Asked, find_snapshot, latest_snapshot, load_sheet, sheet_of
from alerts.live.rules.briefing import ALWAYS, Brief, brief_of, coherent, current_figures, in_order
from alerts.live.rules.sentence import CONFIRMED_DEAD
from alerts.live.schemas import AnswerSheet, Clause, Words
from alerts.reports.models import Report
from alerts.statements import actions
from alerts.statements.actions import Composed, changed_figures
from alerts.statements.models import Rumour, Statement
from alerts.statements.queries import approved_hotlines, claim_rumour, claim_statement, find_told_figure
from alerts.statements.rules import check_texts, fill, is_second_hand_needed, references_of
from alerts.statements.schemas import Both, StatementIn


def sheet_now(session: Session, incident: Incident) -> AnswerSheet:
    """The sheet of now with its stored number; a replayed incident's now is the newest moment that a report speaks of."""
    as_of = None
    if incident.is_replayed:
        as_of = session.scalar(select(func.max(Report.as_of)).where(Report.incident_id == incident.id))
    newest = latest_snapshot(session, incident.id)
    return load_sheet(session, incident, Asked(as_of=as_of)).model_copy(update={"version": newest.version if newest else None})


def brief_now(session: Session, incident: Incident, sheet: AnswerSheet) -> Brief:
    """What may be said of this sheet, after what the public was told before."""
    told = find_told_figure(session, incident.id, CONFIRMED_DEAD, db_now(session))
    return brief_of(sheet, is_death_told=told is not None)


def draft(session: Session, *, actor: Actor, incident: Incident, command: StatementIn) -> Statement:
    """Store a draft. 409 `figures_changed` or `clause_gone`: the sheet says otherwise since it was looked at."""
    composed = compose(session, incident, command)
    return actions.draft_statement(session, actor=actor, incident=incident, composed=composed)


def edit(session: Session, *, actor: Actor, row: Statement, command: StatementIn) -> Statement:
    """The draft anew."""
    incident = get_incident(session, row.incident_id)
    return actions.edit_statement(session, actor=actor, row=row, composed=compose(session, incident, command))


def publish(session: Session, *, actor: Actor, statement_id: UUID) -> Statement:
    """Publish what the sheet still says. 409 `figures_changed` when it says otherwise by now."""
    row = claim_statement(session, statement_id, actor)
    incident = get_open_incident(session, row.incident_id)
    command = StatementIn.model_validate(row.typed | {"sheet_version": None, "corrects": row.corrects})
    return actions.publish_statement(session, actor=actor, row=row, composed=compose(session, incident, command))


def publish_rumour(session: Session, *, actor: Actor, rumour_id: UUID) -> Rumour:
    """Put the answer on the incident's public page."""
    row = claim_rumour(session, rumour_id, actor)
    incident = get_incident(session, row.incident_id)
    brief = brief_of(sheet_now(session, incident))
    page = {"heading": brief.heading.model_dump(), "about": brief.about}
    return actions.publish_rumour(session, actor=actor, row=row, page=page, incident=incident)


def flag_stale(session: Session, incident_id: UUID, sheet: AnswerSheet) -> None:
    """Mark the draft and the published statement that say otherwise than this sheet."""
    actions.flag_stale(session, incident_id, current_figures(brief_of(sheet)))


def compose(session: Session, incident: Incident, command: StatementIn) -> Composed:
    """The chosen clauses and the typed words, with every figure bound to the sheet of now."""
    sheet = sheet_now(session, incident)
    brief = brief_now(session, incident, sheet)
    _check_chosen(brief, command)
    clauses = _clauses(brief, command)
    figures = [figure.model_dump(mode="json") for clause in clauses for figure in clause.figures]
    unique = list({figure["key"]: figure for figure in figures}.values())
    if command.sheet_version is not None:
        _check_unchanged(session, incident.id, command, unique)
    times = [figure.as_of for clause in clauses for figure in clause.figures if figure.as_of is not None]
    return Composed(
        heading=brief.heading.model_dump(),
        about=brief.about,
        clauses=[{"key": clause.key, "text": clause.text.model_dump()} for clause in clauses],
        figures=unique,
        hotlines=[each.model_dump() for each in command.hotlines],
        typed=command.model_dump(mode="json", exclude={"sheet_version", "corrects"}),
        sheet_version=sheet.version,
        as_of=min([*times, sheet.as_of]),
        needs_second_hand=is_second_hand_needed([c.key for c in clauses], has_own_words=_has_own_words(session, incident.id, command)),
        corrects=command.corrects,
    )


def _has_own_words(session: Session, incident_id: UUID, command: StatementIn) -> bool:
    """Sentences, an appeal, or a hotline for whose name and number two people have not answered yet."""
    if command.own or command.appeal:
        return True
    return not {(each.name, each.number) for each in command.hotlines} <= approved_hotlines(session, incident_id)


def _check_chosen(brief: Brief, command: StatementIn) -> None:
    offered = {clause.key for clause in brief.clauses}
    gone = [key for key in command.clauses if key not in offered and key not in ALWAYS]
    if gone:
        raise ConflictError("clause_gone", "The sheet no longer says that: make the statement anew.", clauses=gone)
    figures = brief.figures
    for at, each in enumerate(command.own):
        check_texts(each.model_dump(), field=f"own[{at}]", offered=figures)
    if command.appeal is not None:
        check_texts(command.appeal.model_dump(), field="appeal", offered=figures)
    for at, hotline in enumerate(command.hotlines):
        check_texts({"name": hotline.name}, field=f"hotlines[{at}]")
    if not set(command.clauses) - set(ALWAYS) and not command.own:
        raise InvalidError("nothing_said", "Choose at least one clause, or write a sentence.", field="clauses")


def _clauses(brief: Brief, command: StatementIn) -> list[Clause]:
    """Own sentences stand before appeal and next update; a typed appeal takes the place of ours."""
    chosen = list(in_order(brief, command.clauses))
    state = [clause for clause in chosen if clause.key not in ("appeal", "next")]
    own = [_typed(brief, f"own.{at}", each) for at, each in enumerate(command.own, 1)]
    appeal = [clause for clause in chosen if clause.key == "appeal"]
    if command.appeal is not None:
        appeal = [_typed(brief, "appeal", command.appeal)]
    return coherent([*state, *own, *appeal, *(clause for clause in chosen if clause.key == "next")])


def _typed(brief: Brief, key: str, text: Both) -> Clause:
    figures = brief.figures
    keys = references_of(text.id)
    filled: dict[str, Any] = {
        language: fill(getattr(text, language), {each: getattr(figures[each].value, language) for each in keys})
        for language in ("id", "en")
    }
    return Clause(key=key, text=Words(**filled), figures=[figures[each] for each in keys])


def _check_unchanged(session: Session, incident_id: UUID, command: StatementIn, figures: list[dict[str, Any]]) -> None:
    """What was looked at must still be so, for the figures that are chosen."""
    seen = find_snapshot(session, incident_id, command.sheet_version or 0)
    if seen is None:
        raise InvalidError("version_not_found", "There is no such version of the sheet.", field="sheet_version")
    brief = brief_of(sheet_of(seen))
    wanted = {figure["key"] for figure in figures} | {f.key for clause in in_order(brief, command.clauses) for f in clause.figures}
    said = [dict(figure) for key, figure in current_figures(brief).items() if key in wanted]
    changed = changed_figures(said, {figure["key"]: figure for figure in figures})
    if changed:
        raise ConflictError("figures_changed", "A figure has changed since you looked.", changed=changed)
