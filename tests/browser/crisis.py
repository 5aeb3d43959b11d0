"""A crisis in the database for the pages to show: reports that conflict and are held, messages in three states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.schemas import Approval, BroadcastDraft, Texts
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions
from alerts.live.actions import refresh_one
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from alerts.staff.models import Staff
from alerts.staff.sign_in import actor_of
from tests.factories.incidents import make_incident

TEXTS = Texts(id="Gempa kuat. Jauhi gedung retak.", en="Strong earthquake. Keep away from cracked buildings.")
LATER = Texts(id="Gempa susulan. Jauhi gedung retak, tunggu kabar.", en="Aftershock. Keep away from cracked buildings, wait for news.")


@dataclass(frozen=True)
class Crisis:
    """Ids of what was made."""

    incident: UUID
    exercise: UUID
    approved: UUID
    submitted: UUID
    draft: UUID
    report: UUID


def make_crisis(sessions: Sessions, settings: Settings, staff: dict[str, str]) -> Crisis:
    with sessions.begin() as session:
        actors = {role: _actor(session, username) for role, username in staff.items()}
        writer, approver = actors["duty_officer"], actors["approver"]
        incident = make_incident(session, actor=writer, title="Gempa bumi – Turki")
        exercise = make_incident(session, actor=writer, title="Gladi gempa", status=Status.EXERCISE)
        approved = _message(session, writer, incident.id, TEXTS)
        approve_broadcast(session, actor=approver, broadcast_id=approved.id, command=Approval(content_hash=approved.content_hash or ""))
        submitted = _message(session, writer, incident.id, LATER)
        draft = draft_broadcast(session, actor=writer, incident_id=incident.id, command=BroadcastDraft(texts=LATER))
        report = _reports(session, incident.id, actors)
        made = Crisis(incident.id, exercise.id, approved.id, submitted.id, draft.id, report)
    for incident_id in (made.incident, made.exercise):
        refresh_one(settings, sessions, incident_id)
    return made


def _actor(session: Session, username: str) -> Actor:
    return actor_of(session.scalars(select(Staff).where(Staff.username == username)).one(), Via.SESSION)


def _message(session: Session, writer: Actor, incident_id: UUID, texts: Texts) -> Broadcast:
    broadcast = draft_broadcast(session, actor=writer, incident_id=incident_id, command=BroadcastDraft(texts=texts))
    return submit_broadcast(session, actor=writer, broadcast_id=broadcast.id, configured=frozenset({"push", "sms"}))


def _reports(session: Session, incident_id: UUID, actors: dict[str, Actor]) -> UUID:
    """Two newspapers that differ, a mission with a held line and an unconfirmed death; the mission's report."""
    now = db_now(session)
    for author, dead in (("Harian A", 912), ("Harian B", 1014)):
        lines = [{"category": "dead", "places": ["TR"], "value": dead, "nationality": "mixed", "series": "media"}]
        body = {"source": "media", "author": author, "as_of": now - timedelta(hours=1), "lines": lines}
        file_report(session, actor=actors["duty_officer"], incident_id=incident_id, command=ReportIn.model_validate(body))
    body = {
        "source": "mission:kbri-ankara",
        "as_of": now - timedelta(hours=9),
        "next_report_at": now - timedelta(hours=8),
        "narrative": "Tim berangkat ke Hatay.",
        "lines": [
            {"category": "dead", "places": ["TR-31"], "value": 1, "words": "menurut tetangga"},
            {"category": "injured", "places": ["TR-31"], "value": "beberapa"},
            {"category": "safe", "places": ["TR-34"], "value": 40, "claim": "contact_made"},
        ],
        "checks": [
            {"target": "authorities", "name": "Kantor gubernur", "places": ["TR-31"], "outcome": "asked", "answer": "belum ada data"},
            {"target": "hospital", "name": "RS Hatay", "places": ["TR-31"], "outcome": "tried_no_answer"},
        ],
    }
    report = file_report(session, actor=actors["mission_staff"], incident_id=incident_id, command=ReportIn.model_validate(body))
    return report.id
