"""What an answer is worth, and where a person stands after several. Pure decisions.

A self-made claim (a link, an SMS, an app) is *reported*: phones are lent, caller ids forged. Only
somebody of the staff who says whom they reached, when and how lifts it to *contact made*. A "safe"
never erases an earlier "need help" by itself; it stands beside it until somebody has made contact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.incidents.rules import Claim, check_moment, is_at_least
from alerts.kit.actor import Actor, Via
from alerts.kit.errors import InvalidError

NOTE_CHARACTERS = 500


class Answer(StrEnum):
    """What a citizen says. `other`: they answered, and a person must read what."""

    SAFE = "safe"
    NEED_HELP = "need_help"
    OTHER = "other"


class Channel(StrEnum):
    """How the answer came to us."""

    LINK = "link"
    SMS = "sms"
    APP = "app"
    STAFF = "staff"
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    OPEN_LINK = "open_link"


class Standing(StrEnum):
    """Where one person stands in one incident. Whoever never answered has none."""

    SAFE = "safe"
    NEED_HELP = "need_help"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Contact:
    """Who reached the person, when, and how."""

    who: str
    when: datetime
    how: str


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, as the standing needs it."""

    answer: Answer
    rung: Claim
    received_at: datetime


def rung_of(channel: Channel, contact: Contact | None) -> Claim:
    """Contact made only by staff who say who, when and how; everything else is a report."""
    return Claim.CONTACT_MADE if channel is Channel.STAFF and contact is not None else Claim.REPORTED


def ends_steps(channel: Channel) -> bool:
    """Whether an answer shows that the way to the person works, so that trying further ways and calling them would be idle.

    Not by the open link: whoever knows somebody's number may type it there, and must not make us fall silent to them.
    """
    return channel is not Channel.OPEN_LINK


def channel_of(actor: Actor, said: Channel | None) -> Channel:
    """A person of the staff records as staff; a machine client says what it carries, an app if it does not say."""
    if actor.via is Via.SESSION:
        return Channel.STAFF
    return said or Channel.APP


def check_contact(contact: Contact | None, channel: Channel, now: datetime) -> None:
    """422 for a contact that nobody of the staff made, or one that lies ahead of the database's clock."""
    if contact is None:
        return
    if channel is not Channel.STAFF:
        raise InvalidError("contact_needs_staff", "Only staff can say that contact was made.", field="contact")
    check_moment(contact.when, now, field="contact.when")


def standing(answers: Iterable[Said]) -> Standing | None:
    """Where one person stands: a need for help holds until a later *contact made* says safe.

    At the same instant the need for help wins.
    """
    help_at = safe_at = confirmed_at = None
    is_heard = False
    for said in answers:
        is_heard = True
        if said.answer is Answer.NEED_HELP:
            help_at = _later(help_at, said.received_at)
        elif said.answer is Answer.SAFE:
            safe_at = _later(safe_at, said.received_at)
            if is_at_least(said.rung, Claim.CONTACT_MADE):
                confirmed_at = _later(confirmed_at, said.received_at)
    if help_at is not None and (confirmed_at is None or confirmed_at <= help_at):
        return Standing.NEED_HELP
    if safe_at is not None:
        return Standing.SAFE
    return Standing.OTHER if is_heard else None


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
