"""Sends every live sender's made-up citizen a real message once a period, and sees whether it comes back. None commits.

Nobody approves these messages: they belong to a hidden, closed incident, and the tables let nobody but made-up people at
our own addresses onto their lists (triggers). From `broadcast.approved` on they go the way of every other message.
"""

from __future__ import annotations

import structlog
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from alerts.broadcasts.freezing import freeze_words
from alerts.broadcasts.models import Audience, AudienceMember, Broadcast
from alerts.broadcasts.rules import Channel, MsgType, Purpose, ResendUnknown, State
from alerts.channels.rule_book import Outlet
from alerts.channels.rule_book_outlets import configured_outlets
from alerts.channels.sms_dialect import described_providers
from alerts.citizens.synthetic import address_index, country_of, make_synthetic_citizen, set_synthetic_address
from alerts.country_rules.queries import load_book
from alerts.deliveries.findings import raise_alarm
from alerts.deliveries.round_trips import rules
from alerts.deliveries.round_trips.models import Probe, RoundTrip
from alerts.deliveries.round_trips.queries import list_ages
from alerts.deliveries.rules import STEP_PLACES
from alerts.incidents.actions import get_synthetic_incident
from alerts.kit.clock import db_now
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()
FIRST_STEP = 1


def begin_trips(session: Session, settings: Settings) -> int:
    """Begin a trip by each live sender whose last one began a period ago; the count. Probes of no sender any more retire."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('round_trips'))"))
    outlets = [outlet for outlet in configured_outlets(settings) if own_address(settings, outlet)]
    gone = (Probe.sender.not_in([outlet.name for outlet in outlets]), Probe.retired_at.is_(None))
    session.execute(update(Probe).where(*gone).values(retired_at=func.clock_timestamp()))
    probes = [(outlet, _keep_probe(session, settings, outlet)) for outlet in outlets]
    due = [pair for pair in probes if _is_due(session, pair[1], settings.synthetic.period_seconds)]
    for outlet, probe in due:
        _begin(session, settings, outlet, probe)
    return len(due)


def follow_trips(session: Session, settings: Settings) -> int:
    """End what came back, or is too old to; raise the alarm for senders by which nothing came back for long. The count ended."""
    period = settings.synthetic.period_seconds
    ended = session.execute(text(END_TRIPS), {"period": period}).rowcount  # type: ignore[attr-defined]
    for age in list_ages(session):
        if rules.is_late(age.seconds, period_seconds=period) and _may_alarm(session, age.sender, period):
            raise_alarm(session, "round_trip_late", sender=age.sender, count=max(1, round(age.seconds / 60)))
    return int(ended)


def own_address(settings: Settings, outlet: Outlet) -> str:
    """The address of ours that a sender is tried to; empty where there is none in a country that it serves."""
    own, is_second = settings.synthetic, outlet.name in described_providers(settings)
    written = (is_second and own.sms2) or own.address_of(outlet.channel)
    return "" if outlet.countries and country_of(outlet.channel, written) not in outlet.countries else written


def untried(settings: Settings) -> dict[str, str]:
    """Live senders by which no test message goes, and what to set so that one does."""
    senders = [outlet for outlet in configured_outlets(settings) if not own_address(settings, outlet)]
    second = described_providers(settings)
    names = {outlet.name: "sms2" if outlet.name in second and settings.synthetic.sms else outlet.channel for outlet in senders}
    return {sender: f"set SIAGA_SYNTHETIC_{name.upper()} to an address of ours that it serves" for sender, name in names.items()}


def note_reply(session: Session, from_index: bytes) -> bool:
    """A message came in from one of our own addresses: it answers the oldest trip that waits there. False for any other address."""
    is_ours = select(Probe.sender).where(Probe.address_index == from_index)
    if session.scalars(is_ours.limit(1)).first() is None:
        return False
    session.execute(text(ANSWER_OLDEST), {"index": from_index})
    return True


def note_keypress(session: Session, member_id: int) -> bool:
    """Our own end of a call pressed a key. False for every member who is not made up."""
    mine = (RoundTrip.delivery_id == member_id * STEP_PLACES + FIRST_STEP, RoundTrip.ended_at.is_(None))
    answered = update(RoundTrip).where(*mine).values(answered_at=func.coalesce(RoundTrip.answered_at, func.clock_timestamp()))
    return session.execute(answered.returning(RoundTrip.broadcast_id)).first() is not None


def _keep_probe(session: Session, settings: Settings, outlet: Outlet) -> Probe:
    """The sender's made-up citizen, at the address that the settings give now."""
    written, keyring = own_address(settings, outlet), settings.keyring
    index = address_index(keyring, outlet.channel, written)
    probe = session.get(Probe, outlet.name, with_for_update=True)
    if probe is None or probe.channel != outlet.channel:
        citizen_id = make_synthetic_citizen(session, keyring, label=f"{outlet.name} {outlet.channel}")
        address_id = set_synthetic_address(session, keyring, citizen_id=citizen_id, channel=outlet.channel, written=written)
        made = Probe(sender=outlet.name, channel=outlet.channel, citizen_id=citizen_id, address_id=address_id, address_index=index)
        probe = session.merge(made)
        session.flush()
        session.refresh(probe)
        return probe
    if bytes(probe.address_index) != index:
        probe.address_id = set_synthetic_address(session, keyring, citizen_id=probe.citizen_id, channel=outlet.channel, written=written)
        probe.address_index = index
    if probe.retired_at is not None:
        probe.retired_at, probe.since = None, db_now(session)
    session.flush()
    return probe


def _is_due(session: Session, probe: Probe, period_seconds: float) -> bool:
    last = select(func.max(RoundTrip.began_at)).where(RoundTrip.sender == probe.sender).scalar_subquery()
    age = session.scalar(select(func.extract("epoch", func.clock_timestamp() - last)))
    return age is None or float(age) >= period_seconds


def _begin(session: Session, settings: Settings, outlet: Outlet, probe: Probe) -> None:
    """A message of its own to the one made-up citizen, approved by nobody, and released as any other."""
    country = country_of(outlet.channel, own_address(settings, outlet))
    broadcast = _add_message(session, settings, outlet)
    audience = Audience(broadcast_id=broadcast.id, number=1, areas=[], expected=1, count=1)
    session.add(audience)
    session.flush()
    member = _add_member(session, audience, probe, country)
    audience.frozen_at, broadcast.audience_id = db_now(session), audience.id
    session.flush()
    freeze_words(session, broadcast, audience, [outlet])
    broadcast.state, broadcast.approved_via, broadcast.approved_at = State.APPROVED, "machine", db_now(session)
    expects = _expected(session, settings, outlet, country)
    delivery_id = member.id * STEP_PLACES + FIRST_STEP
    session.add(
        RoundTrip(broadcast_id=broadcast.id, sender=outlet.name, channel=outlet.channel, delivery_id=delivery_id, expects=expects.value)
    )
    session.flush()
    publish(session, "broadcast.approved", broadcast_id=broadcast.id, incident_id=broadcast.incident_id)
    log.info("round_trip.began", sender=outlet.name)


def _add_message(session: Session, settings: Settings, outlet: Outlet) -> Broadcast:
    incident = get_synthetic_incident(session)
    broadcast = Broadcast(
        incident_id=incident.id,
        status=incident.status,
        msg_type=MsgType.ALERT,
        purpose=Purpose.SYNTHETIC,
        only_sender=outlet.name,
        texts=dict(rules.TEXTS),
        channels=[outlet.channel],
        validity_seconds=rules.validity_seconds(settings.synthetic.period_seconds),
        resend_unknown=ResendUnknown.NEVER,
        state=State.FREEZING,
        submitted_at=db_now(session),
    )
    session.add(broadcast)
    session.flush()
    session.refresh(broadcast)
    return broadcast


def _add_member(session: Session, audience: Audience, probe: Probe, country: str | None) -> AudienceMember:
    way = probe.way
    member = AudienceMember(
        audience_id=audience.id,
        broadcast_id=audience.broadcast_id,
        citizen_id=probe.citizen_id,
        channel=way,
        address_id=probe.address_id,
        device_id=probe.address_id if way is Channel.PUSH else None,
        phone_id=probe.address_id if way in {Channel.SMS, Channel.WHATSAPP, Channel.VOICE} else None,
        language="id",
        reason="synthetic",
        number_country=country,
    )
    session.add(member)
    session.flush()
    return member


def _expected(session: Session, settings: Settings, outlet: Outlet, country: str | None) -> rules.TripEnd:
    described = described_providers(settings).get(outlet.name)
    silent = load_book(session).never_receipted()
    has_receipts = (described is None or described.dialect.receipts is not None) and not {
        (outlet.channel, country), (outlet.channel, "*")
    }.intersection(silent)  # fmt: skip
    # A described provider has no way in for answers, and often no number that could be answered.
    answers = described is None and outlet.channel in settings.synthetic.answering
    return rules.expected_end(outlet.channel, answers=answers, has_receipts=has_receipts)


def _may_alarm(session: Session, sender: str, period_seconds: float) -> bool:
    """Once a period: the alarm itself is told once an hour, and stays open until somebody has it."""
    query = text("""
        UPDATE probe SET alarmed_at = clock_timestamp()
        WHERE sender = :sender AND (alarmed_at IS NULL OR alarmed_at < clock_timestamp() - make_interval(secs => :period)) RETURNING sender
    """)
    return session.execute(query, {"sender": sender, "period": period_seconds}).first() is not None


END_TRIPS = """
WITH back AS (
    SELECT t.broadcast_id,
        CASE t.expects WHEN 'answered' THEN t.answered_at WHEN 'delivered' THEN d.delivered_at ELSE d.accepted_at END AS at
    FROM round_trip t LEFT JOIN delivery d ON d.id = t.delivery_id WHERE t.ended_at IS NULL
)
UPDATE round_trip t SET returned_at = back.at, ended_at = clock_timestamp() FROM back
WHERE back.broadcast_id = t.broadcast_id AND (back.at IS NOT NULL OR t.began_at < clock_timestamp() - make_interval(secs => :period))
"""

# Several senders may try one number: each reply is one trip's that waits for one, and a lost one leaves one trip without.
ANSWER_OLDEST = """
UPDATE round_trip SET answered_at = clock_timestamp() WHERE broadcast_id = (
    SELECT t.broadcast_id FROM round_trip t JOIN probe p ON p.sender = t.sender
    WHERE p.address_index = :index AND t.expects = 'answered' AND t.ended_at IS NULL AND t.answered_at IS NULL
    ORDER BY t.began_at LIMIT 1 FOR UPDATE OF t)
"""
