"""A situation report by text message: understood, filed, confirmed. None commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from alerts.inbox.lapsit import queries
from alerts.inbox.lapsit.queries import mission_of
from alerts.inbox.lapsit.rules import Outcome, Sender, as_report, bounded, cleaned, without_code
from alerts.inbox.lapsit.words import Confirmation, confirm, refuse
from alerts.inbox.models import InboundMessage
from alerts.inbox.queries import open_field
from alerts.inbox.rules import Flag, State, Understood, WayIn, is_urgent
from alerts.incidents.models import Incident
from alerts.incidents.rules import State as IncidentState
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.i18n import JAKARTA, translator
from alerts.kit.outbox import publish
from alerts.missions.queries import get_mission
from alerts.notices.alarms import raise_alarm
from alerts.notices.posting import Post, post
from alerts.notices.queries import PhoneOwner
from alerts.notices.rules import AlarmKind, Channel, Contact, ContactKind
from alerts.places import zone_of
from alerts.reports.actions import file_report
from alerts.reports.code_lists.actions import use_code, weigh_code
from alerts.reports.code_lists.models import LapsitCode
from alerts.reports.code_lists.queries import lock_codes
from alerts.reports.code_lists.rules import REFUSED, Verdict
from alerts.reports.disclosure import present_to
from alerts.reports.models import Report
from alerts.reports.rules.codes import HOLDING
from alerts.reports.rules.lapsit import Lapsit, codes_of, is_lapsit, read
from alerts.staff.sign_in import actor_of

KIND = "lapsit"
WAYS = (WayIn.SMS, WayIn.WHATSAPP)
"""By the open link anybody may write any number into the form: that proves nothing."""


@dataclass(slots=True)
class _Message:
    """A report on its way from a duty phone: whose it is, what it says, and in which incident."""

    row: InboundMessage
    text: str
    said: Lapsit
    owner: PhoneOwner
    incident: Incident | None = None
    verdict: Verdict = Verdict.NONE

    @property
    def actor(self) -> Actor:
        return actor_of(self.owner.staff, Via.LINK)


def hear_lapsit(session: Session, *, keyring: Keyring, row: InboundMessage, text: str) -> bool:
    """File a report that came from a mission's duty phone, and answer it; False for every other message.

    What cannot be filed stays in the tray, for a person; the sender is told why. The same words again within minutes are the
    same report.
    """
    if row.channel not in WAYS or not is_lapsit(text):
        return False
    owners = queries.list_owners(session, keyring, open_field(row, "from_enc", keyring))
    if not owners:
        return False
    queries.lock_phone(session, row.from_index)
    words = cleaned(text)
    message = _Message(row, words, bounded(read(words)), owners[0])
    _deal_with(session, keyring, message, owners)
    if is_urgent(text):
        _call_for_help(session, message)
    return True


def _deal_with(session: Session, keyring: Keyring, message: _Message, owners: list[PhoneOwner]) -> None:
    """Told again, filed, or left to a person."""
    report_id = queries.find_same(session, keyring, message.row, message.text)
    if report_id is not None:
        _hear_again(session, message, report_id)
        return
    outcome = _place(session, message, owners)
    if outcome is Outcome.FILED:
        _file(session, keyring, message)
    else:
        _leave(session, message, outcome)


def _call_for_help(session: Session, message: _Message) -> None:
    """Whatever became of it, the ministry reads it at once: the mission itself may ask for help."""
    message.row.understood, message.row.mission_code = Understood.URGENT_UNREAD, None
    publish(session, "inbound.urgent", message_id=message.row.id)


def _place(session: Session, message: _Message, owners: list[PhoneOwner]) -> Outcome:
    """In which incident, and for which mission: as it says, or the only one that is open. Nothing is guessed."""
    said, row = message.said, message.row
    open_ones = queries.list_open_of(session, owners, row)
    if not said.says_anything:
        return Outcome.NOTHING_SAID
    found = queries.find_named(session, owners, row, said.incident) if said.incident else open_ones
    if not found:
        return Outcome.UNKNOWN_INCIDENT if said.incident else Outcome.NO_OPEN_INCIDENT
    if len({incident.id for _, incident in found}) > 1:
        return Outcome.WHICH_INCIDENT
    if len(found) > 1:
        return Outcome.WHICH_MISSION
    message.owner, message.incident = found[0]
    return Outcome.FILED if message.incident.state is IncidentState.OPEN else Outcome.CLOSED_INCIDENT


def _file(session: Session, keyring: Keyring, message: _Message) -> None:
    row, incident = message.row, message.incident
    assert incident is not None
    mission_code = mission_of(message.owner)
    code = _weigh(session, keyring, message)
    sender = _sender(session, message, incident)
    command = as_report(message.said, sender, row.received_at, message.verdict)
    came: dict[str, Any] = {
        "via": row.channel.value,
        "text": without_code(message.text),
        "unread": [without_code(word) for word in message.said.unread],
    }
    came |= {"code": message.verdict.value, "code_number": code.number if code else None}
    report = file_report(session, actor=message.actor, incident_id=incident.id, command=command, came=came)
    if code is not None:
        use_code(session, code, report.id)
    row.state, row.understood, row.mission_code = State.MATCHED, Understood.LAPSIT, mission_code
    row.incident_id, row.report_id, row.given_at = incident.id, report.id, db_now(session)
    if message.verdict not in (Verdict.NONE, Verdict.VALID):
        row.flags = [*row.flags, Flag.CODE_REFUSED if message.verdict in REFUSED else Flag.CODE_NOT_LOOKED_AT]
    _confirm(session, message, report, sender.zone)


def _weigh(session: Session, keyring: Keyring, message: _Message) -> LapsitCode | None:
    """The code to be used up by this report, if what came is worth something."""
    digits, mission_code = message.said.code, mission_of(message.owner)
    if digits is None:
        return None
    lock_codes(session, mission_code)
    refused = queries.refused_before(session, message.row, mission_code)
    if refused.is_enough:
        message.verdict = Verdict.NOT_LOOKED_AT
        _alarm(session, message, 1)
        return None
    message.verdict, code = weigh_code(session, keyring, mission_code=mission_code, digits=digits)
    if message.verdict in REFUSED and (now := refused.one_more()).is_enough:
        _alarm(session, message, max(now.of_phone, now.of_mission))
    return code if message.verdict is Verdict.VALID else None


def _alarm(session: Session, message: _Message, count: int) -> None:
    """Somebody may be guessing. An exercise calls nobody up."""
    if message.row.status is Status.ACTUAL:
        raise_alarm(session, kind=AlarmKind.CODES_GUESSED, sender=mission_of(message.owner), count=count)


def _sender(session: Session, message: _Message, incident: Incident) -> Sender:
    mission = get_mission(session, mission_of(message.owner))
    zone = zone_of(mission.country_iso2, (mission.lat, mission.lon)) or JAKARTA
    name = f"{message.owner.staff.display_name}, {mission.name}"
    return Sender(mission.code, name, zone, queries.places_of(session, incident, mission.code))


def _confirm(session: Session, message: _Message, report: Report, zone: ZoneInfo, *, is_again: bool = False) -> None:
    """The answer: the report as it stands, without what other sources said."""
    lang = message.owner.staff.language
    view = present_to(session, report, message.actor)
    problems = sorted(view.problems, key=lambda problem: (problem.rule not in HOLDING, problem.line is None, problem.line or 0))
    holding = [problem for problem in problems if problem.rule in HOLDING]
    figures = list(codes_of(message.said.tallies))
    held = [figures[at] for at in sorted({p.line for p in holding if p.line is not None}) if at < len(figures)]
    told = Confirmation(
        incident=(message.incident.sms_code if message.incident else None) or "",
        version=report.version,
        as_of=report.as_of,
        zone=zone,
        said=message.said,
        verdict=message.verdict,
        is_again=is_again,
        held=held,
        passed=report.next_report_at if report.next_report_at and report.next_report_at <= report.known_at else None,
        question=getattr(problems[0].message, lang) if problems else None,
    )
    _answer(session, message, confirm(translator(lang), told))


def _hear_again(session: Session, message: _Message, report_id: UUID) -> None:
    """The sender saw no answer, so it is given once more; nothing is counted twice."""
    row, report = message.row, session.get_one(Report, report_id)
    message.incident = session.get_one(Incident, report.incident_id)
    row.state, row.understood, row.flags = State.MATCHED, Understood.LAPSIT, [*row.flags, Flag.SENT_TWICE]
    row.incident_id, row.report_id, row.mission_code, row.given_at = report.incident_id, report_id, report.mission_code, db_now(session)
    mission = get_mission(session, report.mission_code or "")
    zone = zone_of(mission.country_iso2, (mission.lat, mission.lon)) or JAKARTA
    _confirm(session, message, report, zone, is_again=True)


def _leave(session: Session, message: _Message, outcome: Outcome) -> None:
    """Not filed, said so, and kept in the tray for a person, unless there is nothing in it to lose."""
    row, lang = message.row, message.owner.staff.language
    is_empty = outcome is Outcome.NOTHING_SAID and not message.said.unread
    row.state, row.understood = State.MATCHED if is_empty else State.UNMATCHED, Understood.LAPSIT
    row.flags = row.flags if is_empty else [*row.flags, Flag.LAPSIT_NOT_FILED]
    row.mission_code, row.given_at = mission_of(message.owner), db_now(session)
    open_ones = queries.list_open_of(session, [message.owner], row)
    listed = [(each.sms_code or "-", "" if each.is_quiet else each.title) for _, each in open_ones]
    _answer(session, message, refuse(translator(lang), outcome, code=message.said.incident, open_ones=listed))


def _answer(session: Session, message: _Message, body: str) -> None:
    """By text to the phone that it came from: to the duty phone itself, never to another number."""
    way = (Contact(message.owner.contact_id, ContactKind.PHONE), Channel.SMS)
    subject, lang = ("inbound_message", message.row.id), message.owner.staff.language
    said = Post(kind=KIND, subject=subject, texts={lang: body}, status=message.row.status.value)
    post(session, said, message.owner.candidate, [way])
