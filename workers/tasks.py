"""One function per task: what an event or the clock asks for. A task decides by the tables, not by its message."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import freeze_submission, return_submission
from alerts.broadcasts.first_alerts import freeze_first_alert, release_all_due
from alerts.broadcasts.waves import list_open_for_waves, open_wave
from alerts.citizens.finding import index_some
from alerts.deliveries.actions import release_all, ring_due, stop, sweep
from alerts.deliveries.correcting import freeze_copied
from alerts.deliveries.escalation import begin_next_of_told, escalate_all
from alerts.deliveries.evidence import apply_all_receipts, mark_answered
from alerts.deliveries.findings import raise_stuck
from alerts.deliveries.following import freeze_follow_up
from alerts.deliveries.lookups import look_up
from alerts.deliveries.promises import ask_for_promised, give_up_promise, keep_promise, list_due, list_to_ask
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.sending import send_batch
from alerts.inbox.actions import understand_message
from alerts.kit.actor import SYSTEM
from alerts.kit.clock import db_now
from alerts.kit.db import begin
from alerts.kit.errors import AppError
from alerts.kit.idempotency import delete_old_keys
from alerts.kit.outbox import answer, delete_old_events, drain
from alerts.kit.vitals import SENDER_PART, Measured, beat, forget_beats, keep_vitals
from alerts.live.actions import note_changed, note_progress, refresh_all, refresh_each
from alerts.staff.sign_in import delete_old_attempts
from workers.apart import each_apart
from workers.app import Runtime, child_runtime
from workers.wiring import QUEUES, QUICK

log = structlog.get_logger()
SENDING = QUEUES["deliveries.send"]
Payload = dict[str, Any]
Work = Callable[[Runtime, Payload], bool | None]


WORKS: dict[str, Work] = {}
"""Every task by its name, as it is written below and in the modules beside this one."""


def task(name: str) -> Callable[[Work], Work]:
    """A Celery task that answers its event when it has done its work (returning False leaves the event unanswered)."""

    def register(work: Work) -> Work:
        def run(event_id: int | None, payload: Payload) -> None:
            perform(child_runtime(), name, event_id, payload)

        WORKS[name] = work
        shared_task(name=name)(run)
        return work

    return register


def perform(runtime: Runtime, name: str, event_id: int | None, payload: Payload) -> None:
    """What one ring asks for: the work, the answer to the event, and the word that this process got something done."""
    if is_over(runtime, payload):
        return
    is_done = WORKS[name](runtime, payload)
    if event_id is not None and is_done is not False:
        with begin(runtime.sessions) as session:
            answer(session, event_id, name)
    tell_progress(runtime, name)


def tell_progress(runtime: Runtime, name: str) -> None:
    """This process got something of the queue done: a row every few seconds, whatever the load."""
    queue = QUEUES.get(name, QUICK)
    if runtime.pulse.is_due(queue):
        with begin(runtime.sessions) as session:
            beat(session, owner=runtime.pulse.owner, queue=queue, task=name, is_pace_shared=runtime.carriers.is_pace_shared)
            if queue == SENDING:
                keep_vitals(session, (Measured(SENDER_PART, sender, part) for sender, part in runtime.carriers.parts().items()))


def is_over(runtime: Runtime, payload: Payload) -> bool:
    """Whether a hint of the clock was not taken in its period: the next one does its work. By the database's clock."""
    if "until" not in payload:
        return False
    with begin(runtime.sessions) as session:
        return db_now(session) > datetime.fromisoformat(payload["until"])


def _list_of(payload: Payload) -> dict[str, Any]:
    return {"broadcast_id": UUID(payload["broadcast_id"]), "audience_id": payload["audience_id"]}


@task("broadcasts.freeze")
def freeze(runtime: Runtime, payload: Payload) -> None:
    ids, configured = _list_of(payload), runtime.senders
    freeze_or_return(runtime, ids, lambda session: freeze_submission(session, actor=SYSTEM, configured=configured, **ids))


def freeze_or_return(runtime: Runtime, ids: dict[str, Any], work: Callable[[Session], object]) -> None:
    """A list that cannot be frozen goes back with the reason, in a transaction of its own; at night somebody must know."""
    try:
        with begin(runtime.sessions) as session:
            work(session)
    except AppError as error:
        with begin(runtime.sessions) as session:
            return_submission(session, actor=SYSTEM, reason=error.detail, **ids)
            raise_stuck(session, ids["broadcast_id"])


@task("broadcasts.freeze_first_alert")
def freeze_first(runtime: Runtime, payload: Payload) -> None:
    ids, configured = _list_of(payload), runtime.senders
    freeze_or_return(runtime, ids, lambda session: freeze_first_alert(session, configured=configured, **ids))


@task("broadcasts.release_due")
def release_held(runtime: Runtime, _: Payload) -> None:
    release_all_due(runtime.sessions)


@task("deliveries.freeze_copied")
def freeze_copy(runtime: Runtime, payload: Payload) -> None:
    ids, configured = _list_of(payload), runtime.senders
    freeze_or_return(runtime, ids, lambda session: freeze_copied(session, actor=SYSTEM, configured=configured, **ids))


@task("deliveries.freeze_follow_up")
def freeze_reminder(runtime: Runtime, payload: Payload) -> None:
    ids, configured = _list_of(payload), runtime.senders
    freeze_or_return(runtime, ids, lambda session: freeze_follow_up(session, configured=configured, **ids))


@task("deliveries.keep_promises")
def promises(runtime: Runtime, _: Payload) -> None:
    lead = runtime.settings.delivery.promise_lead_seconds
    with begin(runtime.sessions) as session:
        to_ask, due = list_to_ask(session, lead_seconds=lead), list_due(session)
    each_apart(runtime.sessions, to_ask, partial(ask_for_promised, lead_seconds=lead))
    each_apart(runtime.sessions, due, partial(keep_promise, configured=runtime.senders), when_refused=give_up_promise)


@task("deliveries.find_waves")
def find_waves(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        found = list_open_for_waves(session)
    each_apart(runtime.sessions, found, partial(open_wave, configured=runtime.senders))


@task("deliveries.release_wave")
def release_latecomers(runtime: Runtime, payload: Payload) -> None:
    release_all(runtime.settings, runtime.sessions, UUID(payload["broadcast_id"]), audience_id=payload["audience_id"])


@task("deliveries.release")
def release_list(runtime: Runtime, payload: Payload) -> None:
    release_all(runtime.settings, runtime.sessions, UUID(payload["broadcast_id"]))


@task("deliveries.send")
def send(runtime: Runtime, payload: Payload) -> bool:
    owner = f"{socket.gethostname()}:{os.getpid()}"
    return send_batch(runtime.settings, runtime.sending, runtime.carriers, batch_id=payload["batch_id"], owner=owner)


@task("deliveries.stop")
def stop_list(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        stop(session, UUID(payload["broadcast_id"]))


@task("deliveries.sweep")
def sweep_all(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        sweep(session)


@task("deliveries.ring")
def ring_batches(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        ring_due(session)


@task("deliveries.escalate")
def begin_next_steps(runtime: Runtime, _: Payload) -> None:
    escalate_all(runtime.settings, runtime.sessions)


@task("deliveries.begin_next")
def begin_next_of_failed(runtime: Runtime, _: Payload) -> None:
    begin_next_of_told(runtime.sessions)


@task("deliveries.apply_receipts")
def receipts(runtime: Runtime, _: Payload) -> None:
    apply_all_receipts(runtime.settings, runtime.sessions, runtime.carriers)


@task("deliveries.look_up")
def look_up_unknown(runtime: Runtime, _: Payload) -> None:
    look_up(runtime.settings, runtime.sessions, runtime.carriers)


@task("deliveries.resend")
def resend(runtime: Runtime, _: Payload) -> None:
    resend_unknown(runtime.settings, runtime.sessions, runtime.carriers)


@task("deliveries.mark_answered")
def answered(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        mark_answered(session, drain(session, "deliveries.mark_answered"))


@task("inbox.understand")
def understand_inbound(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        understand_message(session, keyring=runtime.settings.keyring, message_id=UUID(payload["message_id"]))


@task("citizens.index_names")
def index_waiting_names(runtime: Runtime, _: Payload) -> None:
    index_some(runtime.sessions, runtime.settings.keyring)


@task("live.refresh")
def refresh_sheet(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        incidents = sorted(_incidents_of(drain(session, "live.refresh")))
        note_changed(session, incidents)
    refresh_each(runtime.settings, runtime.sessions, incidents)


@task("live.progress")
def note_sending(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        note_progress(session, _incidents_of(drain(session, "live.progress")))


def _incidents_of(payloads: Iterable[Payload]) -> set[UUID]:
    return {UUID(payload["incident_id"]) for payload in payloads if payload.get("incident_id")}


@task("live.refresh_all")
def refresh_sheets(runtime: Runtime, _: Payload) -> None:
    refresh_all(runtime.settings, runtime.sessions)


@task("kit.clean_up")
def clean_up(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        delete_old_keys(session)
        delete_old_attempts(session)
        delete_old_events(session)
        forget_beats(session)
