"""A ministry whose approvers have phones, a sender that notes what it is given, and a clock that tests move by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import draft_broadcast, submit_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.paging import page_for_approval, still_waits_for_approval
from alerts.broadcasts.schemas import BroadcastDraft
from alerts.channels.ports import Message
from alerts.deliveries.rules import Outcome
from alerts.deliveries.rules import State as DeliveryState
from alerts.incidents.calling_out import call_out
from alerts.incidents.models import Incident
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.notices.actions import ring_due, settle
from alerts.notices.crew.actions import call_due
from alerts.notices.sending import expire_leases, send_due
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from workers.staff import AT_ONCE

TEXTS = {"id": "Gempa kuat.", "en": "Strong earthquake."}
CHECKS = {"approval": still_waits_for_approval}
CHANNELS = frozenset({"push", "sms", "voice"})
ALL = frozenset({"push", "sms", "voice", "email"})


@dataclass
class Noting:
    """Stands where the carriers stand: notes every message, and answers as it was told to (else: accepted)."""

    answers: list[Outcome | BaseException | None] = field(default_factory=list)
    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    def send(self, status: str, channel: str, message: Message) -> Outcome | None:
        self.sent.append((status, channel, message))
        answer = self.answers.pop(0) if self.answers else Outcome(DeliveryState.ACCEPTED, provider_id=f"SM{len(self.sent)}")
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass
class Office:
    """The workers' half, one act at a time."""

    settings: Settings
    sessions: Sessions
    keyring: Keyring
    outbound: Noting = field(default_factory=Noting)
    channels: frozenset[str] = CHANNELS

    def submit(self, author: Actor | None = None, **incident: Any) -> UUID:
        """A message that waits for approval, paged about."""
        with begin(self.sessions) as session:
            made = make_incident(session, **incident)
            make_citizen(session, self.keyring, is_tester=incident.get("status") == "Exercise")
            author = author or make_actor(session, "duty_officer")
            broadcast = draft_broadcast(session, actor=author, incident_id=made.id, command=BroadcastDraft(texts=TEXTS))
            submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=senders("sms"))
        self.page(broadcast.id)
        return broadcast.id

    def page(self, broadcast_id: UUID) -> None:
        with begin(self.sessions) as session:
            page_for_approval(session, broadcast_id)

    def hash_of(self, broadcast_id: UUID) -> str:
        with begin(self.sessions) as session:
            return session.get_one(Broadcast, broadcast_id).content_hash or ""

    def ring(self) -> int:
        """What the clock rings: settle, and a round of all that is due."""
        with begin(self.sessions) as session:
            settle(session, CHECKS)
        return ring_due(self.sessions, configured=lambda _: self.channels, repeat_seconds=120, checks=CHECKS, at_once=AT_ONCE)

    def send(self) -> int:
        with begin(self.sessions) as session:
            expire_leases(session)
        return send_due(self.settings, self.sessions, self.outbound)

    def round(self) -> list[tuple[str, str]]:
        """One round and its sending: who got what, as (last digits of the address, channel)."""
        before = len(self.outbound.sent)
        self.ring()
        self.send()
        return sorted((address_of(message)[-4:], channel) for _, channel, message in self.outbound.sent[before:])

    def pass_time(self) -> None:
        """Two minutes and more: the next round is due, messages of the last one are too old."""
        self.run("UPDATE paging SET next_at = clock_timestamp() - interval '1 second' WHERE stopped_at IS NULL")
        self.run("UPDATE notice SET expires_at = clock_timestamp() - interval '1 second'")

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def run(self, statement: str, **values: Any) -> None:
        with begin(self.sessions) as session:
            session.execute(text(statement), values)

    def states(self) -> dict[str, int]:
        return {row["state"]: row["n"] for row in self.rows("SELECT state, count(*) AS n FROM notice GROUP BY 1")}

    def paging(self) -> dict[str, Any]:
        return self.rows("SELECT * FROM paging ORDER BY id DESC LIMIT 1")[0]


def address_of(message: Any) -> str:
    return str(getattr(message, "to_e164", None) or getattr(message, "token", None) or getattr(message, "to", ""))


@pytest.fixture
def office(committed_settings: Settings, sessions: Sessions, keyring: Keyring) -> Office:
    return Office(committed_settings, sessions, keyring)


@pytest.fixture
def people(office: Office) -> Callable[..., Any]:
    """`people("approver", "approver", "phone push")`: accounts with addresses, committed; the number's last digits tell them apart."""
    from tests.factories.notices import make_reachable

    def make(role: str, *kinds: str, **fields: object) -> Any:
        with begin(office.sessions) as session:
            return make_reachable(session, office.keyring, role, *kinds, **fields)

    return make


@pytest.fixture
def embassy(people: Callable[..., Any]) -> dict[str, Any]:
    """A duty phone and a head at the embassy, two duty officers at the ministry."""
    return {
        "staff": people("mission_staff", "phone", "push"),
        "head": people("head_of_mission"),
        "ministry": [people("duty_officer"), people("duty_officer")],
    }


@pytest.fixture
def clock(savepoint_sessions: Sessions) -> Callable[[], int]:
    """What the clock does: call whoever is due."""
    return lambda: call_due(savepoint_sessions, configured=lambda _: ALL, deputy_seconds=180)


@pytest.fixture
def crisis(session: Session, clock: Callable[[], int]) -> Callable[..., Incident]:
    """An incident whose crew was called."""

    def begin_it(**fields: Any) -> Incident:
        incident = make_incident(session, **fields)
        call_out(session, incident.id)
        session.commit()
        clock()
        session.expire_all()
        return incident

    return begin_it
