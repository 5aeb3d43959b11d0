"""Tasks that tell the staff: pages, alarms, and the messages themselves, by the senders of this process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from alerts.broadcasts.calls import CallKind, promise_still_open, still_held, wave_still_waits
from alerts.broadcasts.paging import page_for_approval, still_waits_for_approval
from alerts.broadcasts.rules import Channel
from alerts.channels.outlets import exercise_senders, live_senders
from alerts.channels.ports import Step
from alerts.checkins.cases import paging as cases
from alerts.deliveries.carriers import NO_SENDER, Carriers
from alerts.deliveries.findings import stop_all
from alerts.deliveries.resting import Leave, ask_leave, open_if_at_work
from alerts.deliveries.rules import Outcome, State
from alerts.families import paging as families
from alerts.inbox import paging as messages
from alerts.incidents.calling_out import KIND as MISSION_OPENED
from alerts.incidents.calling_out import call_out
from alerts.incidents.calling_out import still_waits as waits_for_ministry
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import drain
from alerts.live.digests import TASK as DIGESTS
from alerts.live.digests import incidents_of, list_due, note_changed, tell
from alerts.notices.actions import StillWaits, ring_due, settle
from alerts.notices.alarms import take_alarms, tell_alarms
from alerts.notices.crew.actions import call_due
from alerts.notices.posting import Configured
from alerts.notices.rules import Kind
from alerts.notices.sending import expire_leases, send_due
from alerts.reports.chasing import clock as chasing
from alerts.settings import Settings
from workers.apart import each_alone
from workers.app import Runtime
from workers.tasks import Payload, task

STILL_WAITS: Mapping[str, StillWaits] = {
    Kind.APPROVAL: still_waits_for_approval,
    CallKind.HOLD: still_held,
    CallKind.WAVE: wave_still_waits,
    CallKind.PROMISE: promise_still_open,
    cases.KIND: cases.still_waits,
    families.KIND: families.still_waits,
    messages.KIND: messages.still_waits,
    chasing.KIND: chasing.still_waits,
    MISSION_OPENED: waits_for_ministry,
}
"""Kind of page → whether it is still needed. A kind that is not here is stopped by its own slice alone."""
AT_ONCE = frozenset({CallKind.HOLD.value})
"""A first alert's hold is no longer than a round: approver and deputies are called to it together."""


CLOSED = Outcome(State.QUEUED, code="sender_closed")
"""Surely not sent: nobody who could send it may, because the provider refuses our account."""


class StaffOutlet:
    """The carriers of this process as messages to staff and replies use them: one message, one answer."""

    def __init__(self, carriers: Carriers, sessions: Sessions, *, rest_seconds: float) -> None:
        self._carriers, self._sessions, self._rest_seconds = carriers, sessions, rest_seconds

    def send(self, status: str, channel: str, message: Any) -> Outcome:
        """By the first sender of the channel that is not closed; by the next one only where the one before surely sent nothing.

        A closed account is no refusal of this message: it waits in its queue until somebody may send it.
        """
        outcome = NO_SENDER
        for name in self._carriers.names(Status(status), Channel(channel)):
            with begin(self._sessions) as session:
                leave = ask_leave(session, name)
            outcome = CLOSED if leave is Leave.NONE else self._hear(name, leave, self._carriers.send(Status(status), name, message))
            if outcome.state is not State.QUEUED:
                break
        return outcome

    def _hear(self, name: str, leave: Leave, outcome: Outcome) -> Outcome:
        """What an answer says of the account is for everybody who sends by it."""
        is_refused = outcome.step is Step.STOP_ALL_AND_PAGE
        if is_refused or leave is Leave.ONE:
            with begin(self._sessions) as session:
                if is_refused:
                    stop_all(session, name, code=outcome.code or "", rest_seconds=self._rest_seconds)
                else:
                    open_if_at_work(session, name, [outcome])
        return CLOSED if is_refused else outcome


def outlet_of(runtime: Runtime) -> StaffOutlet:
    """The ways out of this process for messages to staff and replies."""
    return StaffOutlet(runtime.carriers, runtime.sessions, rest_seconds=runtime.settings.delivery.rest_seconds)


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


@task("families.page_owners")
def page_for_families(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        families.page_owners(session, {UUID(payload["enquiry_id"]) for payload in drain(session, "families.page_owners")})


@task("inbox.page_readers")
def page_readers(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        messages.page_readers(session, {UUID(payload["message_id"]) for payload in drain(session, "inbox.page_readers")})


@task("incidents.call_out")
def call_out_crew(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        call_out(session, UUID(payload["incident_id"]))


@task("crew.call")
def call_crew(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, "crew.call")
    call_due(runtime.sessions, configured=configured_of(runtime.settings), deputy_seconds=runtime.settings.callout.deputy_seconds)


@task("notices.raise")
def raise_alarms(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        take_alarms(session, drain(session, "notices.raise"))


@task("live.digest")
def digest(runtime: Runtime, _: Payload) -> None:
    settings, configured = runtime.settings, configured_of(runtime.settings)
    with begin(runtime.sessions) as session:
        note_changed(session, incidents_of(drain(session, DIGESTS)))
    with begin(runtime.sessions) as session:
        due = list_due(session)
    each_alone(runtime.sessions, due, partial(tell, configured=configured, every_seconds=settings.live.digest_seconds))


@task("reports.chase")
def chase_missions(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, chasing.TASK)
        chasing.chase(session, chasing.pace_of(runtime.settings))


@task("notices.ring")
def ring(runtime: Runtime, _: Payload) -> None:
    paging, configured = runtime.settings.paging, configured_of(runtime.settings)
    with begin(runtime.sessions) as session:
        drain(session, "notices.ring")
        settle(session, STILL_WAITS)
    plans = {chasing.KIND: chasing.plan_of(runtime.settings.chasing)}
    ring_due(
        runtime.sessions,
        configured=configured,
        repeat_seconds=paging.repeat_seconds,
        checks=STILL_WAITS,
        at_once=AT_ONCE,
        plans=plans,
    )
    with begin(runtime.sessions) as session:
        tell_alarms(session, configured=configured, again_seconds=paging.alarm_seconds)


@task("notices.send")
def send_notices(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, "notices.send")
        expire_leases(session)
    send_due(runtime.settings, runtime.sessions, outlet_of(runtime))
