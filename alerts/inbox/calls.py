"""What a keypress in one of our calls means, and what the voice answers. No use case here commits.

A keypress is a claim on the first rung, as a text message is: a "safe" never erases a call for help by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.broadcasts.models import AudienceMember
from alerts.broadcasts.queries import find_member, get_broadcast
from alerts.broadcasts.rules import Purpose
from alerts.channels.voice_words import Heard
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.queries import find_told
from alerts.checkins.queries import find_last_of_member
from alerts.checkins.rules import Answer, Channel
from alerts.deliveries.round_trips.actions import note_keypress
from alerts.deliveries.rules import STEP_PLACES, parse_attempt_name
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor, Via
from alerts.kit.crypto import Keyring
from alerts.kit.i18n import LANGUAGES, translator

KEYS = {"1": Answer.SAFE, "2": Answer.NEED_HELP}
CALL = Actor(via=Via.SYSTEM, label="call")


@dataclass(frozen=True, slots=True)
class Reply:
    """What was understood, in which language to say it, and (of a call for help) what its case makes true now."""

    heard: Heard
    language: str
    is_exercise: bool
    told: str = ""


def find_called(session: Session, attempt: str, *, is_exercise: bool) -> AudienceMember | None:
    """Whom an attempt's name (`<delivery>-<number>`) called; a delivery's id says whose it is. Nobody of the other status."""
    parsed = parse_attempt_name(attempt)
    member = find_member(session, parsed[0] // STEP_PLACES) if parsed else None
    if member is None or (get_broadcast(session, member.broadcast_id).status is Status.EXERCISE) is not is_exercise:
        return None
    return member


def answer_call(session: Session, *, keyring: Keyring, member: AudienceMember, digits: str, is_again: bool) -> Reply:
    """Record what the person pressed, and say what was understood. The same answer again changes nothing.

    Anything but 1 and 2 is asked about once more (`unclear`); after that the call ends (`nothing`).
    """
    broadcast = get_broadcast(session, member.broadcast_id)
    if broadcast.purpose is Purpose.SYNTHETIC:
        note_keypress(session, member.id)
        return Reply(Heard.SAFE, member.language, is_exercise=False)
    is_exercise, answer = broadcast.status is Status.EXERCISE, KEYS.get(digits)
    if answer is None:
        return Reply(Heard.NOTHING if is_again else Heard.UNCLEAR, member.language, is_exercise)
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"checkin:{member.id}", 0))))
    last = find_last_of_member(session, member.id, channels=(Channel.VOICE,))
    if last is None or last.answer is not answer:
        new = NewCheckin(broadcast.incident_id, member.citizen_id, answer, Channel.VOICE, member.id)
        record_checkin(session, actor=CALL, keyring=keyring, new=new)
    language = member.language if member.language in LANGUAGES else LANGUAGES[0]
    told = find_told(session, translator(language), incident_id=broadcast.incident_id, citizen_id=member.citizen_id)
    if answer is Answer.SAFE:
        return Reply(Heard.SAFE_HELP_STAYS if told else Heard.SAFE, member.language, is_exercise)
    return Reply(Heard.NEED_HELP, member.language, is_exercise, told or "")
