"""A crisis in the database for the pages to show: reports that conflict and are held, messages in three states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.first_alerts import release_first_alert
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.paging import page_for_approval
from alerts.broadcasts.schemas import Approval, BroadcastDraft, FirstAlert, Texts
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.waves import open_wave
from alerts.citizens.finding import index_names
from alerts.deliveries.actions import release
from alerts.deliveries.exports.actions import ask_export
from alerts.deliveries.exports.schemas import ExportAsk
from alerts.inbox.actions import Inbound, receive_message, understand_message
from alerts.inbox.models import InboundMessage
from alerts.incidents.models import Incident
from alerts.incidents.queries import list_areas
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.db import Sessions
from alerts.live.actions import refresh, refresh_one
from alerts.live.briefing.actions import draft, publish, publish_rumour, sheet_now
from alerts.live.rules.briefing import brief_of
from alerts.notices.alarms import raise_alarm
from alerts.notices.rules import AlarmKind
from alerts.reports.actions import file_report
from alerts.reports.chasing.actions import acknowledge, cover
from alerts.reports.chasing.clock import chase, pace_of
from alerts.reports.chasing.schemas import CoverIn
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from alerts.staff.models import Staff
from alerts.staff.sign_in import actor_of
from alerts.statements.actions import draft_rumour, withdraw_statement
from alerts.statements.models import PublicPage
from alerts.statements.rules import Verdict, WhyWithdrawn
from alerts.statements.schemas import Both, Hotline, RumourIn, StatementIn, Withdrawal
from tests.factories.citizens import make_citizen
from tests.factories.families import make_enquiry
from tests.factories.incidents import make_incident
from tests.factories.notices import make_contact, make_roster
from tests.factories.people import make_person, statement
from tests.factories.senders import senders
from tests.factories.templates import make_template

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
    quiet: UUID
    held: UUID
    family: UUID
    dead: UUID
    drafted: UUID
    published: UUID
    slug: str
    code: str
    """At the end of the approved message."""


def make_crisis(sessions: Sessions, settings: Settings, staff: dict[str, str]) -> Crisis:
    with sessions.begin() as session:
        actors = {role: _actor(session, username) for role, username in staff.items()}
        writer, approver = actors["duty_officer"], actors["approver"]
        incident = make_incident(session, actor=writer, title="Gempa bumi – Turki")
        exercise = make_incident(session, actor=writer, title="Gladi gempa", status=Status.EXERCISE, urgency="Unknown", certainty="Unknown")
        approved = _message(session, writer, incident.id, TEXTS)
        approve_broadcast(session, actor=approver, broadcast_id=approved.id, command=Approval(content_hash=approved.content_hash or ""))
        submitted = _message(session, writer, incident.id, LATER)
        draft = draft_broadcast(session, actor=writer, incident_id=incident.id, command=BroadcastDraft(texts=LATER))
        report = _reports(session, incident.id, actors)
        quiet = make_incident(
            session, actor=writer, title="Penyanderaan", kind="hostage", is_quiet=True, quiet_reason="Penyandera mendengar"
        )
        held = _first_alert(session, settings, writer, incident.id)
        release(session, approved.id, batch_size=500)
        _some_are_reached(session, approved.id)
        ask_export(session, actor=writer, broadcast_id=approved.id, command=ExportAsk(reason="Pencocokan"), wait_seconds=3600)
        _latecomers(session, settings, approved.id)
        _staff_on_duty(session, settings, staff, submitted.id)
        _somebody_writes(session, settings)
        family, dead = _families_ask(session, settings, incident)
        _missions_are_asked(session, settings, writer, incident.id)
        refresh(session, incident.id)
        said = _statements(session, incident, actors)
        made = Crisis(
            incident.id,
            exercise.id,
            approved.id,
            submitted.id,
            draft.id,
            report,
            quiet.id,
            held.id,
            family,
            dead,
            *said,
            approved.alert_code,
        )
    for incident_id in (made.incident, made.exercise, made.quiet):
        refresh_one(settings, sessions, incident_id)
    return made


def _actor(session: Session, username: str) -> Actor:
    return actor_of(session.scalars(select(Staff).where(Staff.username == username)).one(), Via.SESSION)


def _staff_on_duty(session: Session, settings: Settings, staff: dict[str, str], submitted: UUID) -> None:
    """The approver is paged about the waiting message, has a phone, and stands on the roster; a sender is in trouble."""
    approver = session.scalars(select(Staff).where(Staff.username == staff["approver"])).one()
    make_contact(session, settings.keyring, approver)
    make_contact(session, settings.keyring, approver, "email")
    make_roster(session, approver)
    page_for_approval(session, submitted)
    raise_alarm(session, kind=AlarmKind.STOP_ALL, sender="twilio", count=1)


def _somebody_writes(session: Session, settings: Settings) -> None:
    """Words to be read first, and a text that no line can hold, by nobody of the register, from a number that is none."""
    for number, body in enumerate(("2 kaki patah", "x" * 1600)):
        inbound = Inbound(f"SM{number:032}", f"+12345678901234567{number:02}", body, segments=11 * number)
        assert receive_message(session, keyring=settings.keyring, inbound=inbound)
    for message_id in session.scalars(select(InboundMessage.id)).all():
        understand_message(session, keyring=settings.keyring, message_id=message_id)


def _families_ask(session: Session, settings: Settings, incident: Incident) -> tuple[UUID, UUID]:
    """Two families ask after one person whom the register and the incident know in other spellings; another person is said to be dead."""
    keyring = settings.keyring
    citizen = make_citizen(session, keyring, name="Muhammad Rizky Contoh", province_code="TR-31")
    make_person(session, keyring, incident, statement("contact", "unaccounted"), name="M. Rizki Tjontoh", place_code="TR-31")
    dead = make_person(session, keyring, incident, statement("condition", "dead", said_by="RS Antakya"), place_code="TR-31")
    index_names(session, keyring, [citizen.id])
    make_enquiry(session, keyring, incident, sought_name="Mohammad Rizqi Contoh", caller_phone="+62 813 1111 111", relation="friend")
    fields = {"caller_name": "Ibu Contoh", "last_contact": "pesan suara dari hotel di Antakya", "about": "26 tahun, pelajar"}
    return make_enquiry(session, keyring, incident, **fields).enquiry.id, dead.id


def _statements(session: Session, incident: Incident, actors: dict[str, Actor]) -> tuple[UUID, UUID, str]:
    """One published and out of date by now, one withdrawn, one draft with typed words, one rumour answered and one to be."""
    writer, minister = actors["public_information"], actors["minister"]
    keys = [clause.key for clause in brief_of(sheet_now(session, incident)).clauses]
    hotlines = [Hotline(name="KBRI Ankara", number="+90 532 135 2298"), Hotline(name="Pusat krisis", number="+62 812 9007 0027")]
    first, second = (
        draft(session, actor=writer, incident=incident, command=StatementIn(clauses=keys, hotlines=hotlines)) for _ in range(2)
    )
    for row in (first, second):
        publish(session, actor=minister, statement_id=row.id)
    withdraw_statement(session, actor=minister, statement_id=first.id, command=Withdrawal(reason=WhyWithdrawn.FIGURE_CORRECTED))
    own = Both(id="Tim KBRI sedang menuju lokasi.", en="A team of the embassy is on its way.")
    typed = draft(session, actor=writer, incident=incident, command=StatementIn(clauses=keys, own=[own]))
    claim = Both(id="KBRI Ankara sudah ditutup.", en="The embassy in Ankara has closed.")
    explanation = Both(id="KBRI tetap melayani WNI.", en="The embassy goes on serving citizens.")
    command = RumourIn(claim=claim, verdict=Verdict.FALSE, explanation=explanation)
    for _ in range(2):
        answer = draft_rumour(session, actor=writer, incident=incident, command=command)
    publish_rumour(session, actor=minister, rumour_id=answer.id)
    second.stale_at = db_now(session)
    label, before, after = {"id": "luka-luka", "en": "injured"}, {"id": "7", "en": "7"}, {"id": "9", "en": "9"}
    second.stale_figures = [{"key": "own.injured", "label": label, "before": before, "after": after}]
    return typed.id, second.id, session.scalars(select(PublicPage.slug).where(PublicPage.incident_id == incident.id)).one()


def _missions_are_asked(session: Session, settings: Settings, writer: Actor, incident_id: UUID) -> None:
    """All clocks have run out; of one mission somebody has it, another stands in for a third."""
    pace = pace_of(settings)
    session.execute(text("UPDATE incident_mission SET report_due_at = clock_timestamp() - interval '4 minutes'"))
    chase(session, pace)
    acknowledge(session, (incident_id, "kjri-istanbul"), actor=writer, pace=pace)
    command = CoverIn(mission_code="kbri-damascus", reason="KBRI terkena; telepon dan listrik padam.")
    cover(session, (incident_id, "kbri-ankara"), actor=writer, command=command, pace=pace)


def _message(session: Session, writer: Actor, incident_id: UUID, texts: Texts) -> Broadcast:
    broadcast = draft_broadcast(session, actor=writer, incident_id=incident_id, command=BroadcastDraft(texts=texts))
    return submit_broadcast(session, actor=writer, broadcast_id=broadcast.id, configured=senders())


def _first_alert(session: Session, settings: Settings, writer: Actor, incident_id: UUID) -> Broadcast:
    """Pressed, and held for longer than any test runs. Corrections are prepared too, and other words wait."""
    template = make_template(session, event_kind="earthquake", title="Gempa kuat")
    make_template(session, TemplateKind.CANCEL, title="Batalkan pesan")
    make_template(session, is_in_use=False, title="Menunggu")
    [area] = list_areas(session, incident_id)
    command = FirstAlert(template_id=template.id, area_id=area.id)
    broadcast = release_first_alert(session, actor=writer, incident_id=incident_id, command=command, settings=settings)
    broadcast.hold_until = db_now(session) + timedelta(hours=1)
    return broadcast


def _some_are_reached(session: Session, broadcast_id: UUID) -> None:
    """Half of those with a way were handed the message within some minutes, most of them got it, and of one nobody knows."""
    session.execute(text("UPDATE broadcast SET released_at = released_at - interval '10 minutes' WHERE id = :id"), {"id": broadcast_id})
    values = {"id": broadcast_id}
    session.execute(text(REACHED), values)
    session.execute(text(UNKNOWN), values)


REACHED = """
UPDATE delivery d SET state = CASE WHEN d.member_id % 3 = 0 THEN 'sent' ELSE 'delivered' END, provider_id = concat('SM', d.id),
    attempts = 1, created_at = b.released_at, accepted_at = b.released_at + make_interval(secs => d.member_id % 97),
    delivered_at = CASE WHEN d.member_id % 3 > 0 THEN b.released_at + make_interval(secs => d.member_id % 97 + d.member_id % 31) END
FROM broadcast b WHERE b.id = d.broadcast_id AND b.id = :id AND d.channel <> 'none' AND d.member_id % 2 = 0
"""

UNKNOWN = """
WITH one AS (
    UPDATE delivery SET state = 'unknown', attempts = 1 WHERE id = (
        SELECT min(id) FROM delivery WHERE broadcast_id = :id AND channel = 'sms' AND state = 'queued') RETURNING id
)
INSERT INTO attempt (delivery_id, number, channel, sender, state, evidence, intent_at)
SELECT id, 1, 'sms', 'twilio', 'unknown', 'lease_expired', clock_timestamp() - interval '3 minutes' FROM one
"""


def _latecomers(session: Session, settings: Settings, broadcast_id: UUID) -> None:
    """More than may follow by themselves."""
    for _ in range(3):
        make_citizen(session, settings.keyring, country_iso2="TR", province_code="TR-46", phones=())
    wave = open_wave(session, broadcast_id, configured=senders())
    assert wave is not None
    wave.needs_approval = True


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
