"""Tasks that tell the staff: pages, alarms, and the messages themselves, by the senders of this process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from alerts.broadcasts.calls import CallKind, promise_still_open, still_held, wave_still_waits
from alerts.broadcasts.paging import page_for_approval, still_waits_for_approval
from alerts.broadcasts.rules import Channel
from alerts.channels.outlets import exercise_senders, live_senders
from alerts.checkins.cases import paging as cases
from alerts.deliveries.carriers import NO_SENDER, Carriers
from alerts.deliveries.rules import Outcome, State
from alerts.inbox import paging as messages
from alerts.incidents.rules import Status
from alerts.kit.db import begin
from alerts.kit.outbox import drain
from alerts.notices.actions import StillWaits, ring_due, settle
from alerts.notices.alarms import take_alarms, tell_alarms
from alerts.notices.posting import Configured
from alerts.notices.rules import Kind
from alerts.notices.sending import expire_leases, send_due
from alerts.settings import Settings
from workers.app import Runtime
from workers.tasks import Payload, task

STILL_WAITS: Mapping[str, StillWaits] = {
    Kind.APPROVAL: still_waits_for_approval,
    CallKind.HOLD: still_held,
    CallKind.WAVE: wave_still_waits,
    CallKind.PROMISE: promise_still_open,
    cases.KIND: cases.still_waits,
    messages.KIND: messages.still_waits,
}
"""Kind of page → whether it is still needed. A kind that is not here is stopped by its own slice alone."""
AT_ONCE = frozenset({CallKind.HOLD.value})
"""A first alert's hold is no longer than a round: approver and deputies are called to it together."""


class StaffOutlet:
    """The carriers of this process as messages to staff use them: one message, one answer."""

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers

    def send(self, status: str, channel: str, message: Any) -> Outcome:
        """By the first sender of the channel; by the next one only where the one before surely sent nothing."""
        outcome = NO_SENDER
        for name in self._carriers.names(Status(status), Channel(channel)):
            outcome = self._carriers.send(Status(status), name, message)
            if outcome.state is not State.QUEUED:
                break
        return outcome


def configured_of(settings: Settings) -> Configured:
    """Which channels have a sender, by status."""
    return lambda status: _channels(settings, Status(status))


@lru_cache(maxsize=8)
def _channels(settings: Settings, status: Status) -> frozenset[str]:
    senders = live_senders(settings) if status is Status.ACTUAL else exercise_senders(settings)
    return frozenset(sender.channel for sender in senders)


@task("broadcasts.page_approver")
def page_approver(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        page_for_approval(session, UUID(payload["broadcast_id"]))


@task("checkins.page_owners")
def page_owners(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        cases.page_owners(session, {UUID(payload["case_id"]) for payload in drain(session, "checkins.page_owners")})


@task("inbox.page_readers")
def page_readers(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        messages.page_readers(session, {UUID(payload["message_id"]) for payload in drain(session, "inbox.page_readers")})


@task("notices.raise")
def raise_alarms(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        take_alarms(session, drain(session, "notices.raise"))


@task("notices.ring")
def ring(runtime: Runtime, _: Payload) -> None:
    paging, configured = runtime.settings.paging, configured_of(runtime.settings)
    with begin(runtime.sessions) as session:
        drain(session, "notices.ring")
        settle(session, STILL_WAITS)
    ring_due(runtime.sessions, configured=configured, repeat_seconds=paging.repeat_seconds, checks=STILL_WAITS, at_once=AT_ONCE)
    with begin(runtime.sessions) as session:
        tell_alarms(session, configured=configured, again_seconds=paging.alarm_seconds)


@task("notices.send")
def send_notices(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, "notices.send")
        expire_leases(session)
    send_due(runtime.settings, runtime.sessions, StaffOutlet(runtime.carriers))
