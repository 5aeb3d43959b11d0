"""Is it working? For orchestrators (`/healthz`, `/readyz`), for monitoring (`/metrics`) and for people (`siaga doctor`).

Liveness is progress: ages of what waits, and promises of the tables that do not hold; not "the process runs".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import redis
import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.channels.rule_book_outlets import configured_outlets, unknown_rates
from alerts.deliveries.findings import UNREAD_WORDS
from alerts.deliveries.lateness import Stall, Watch, late, list_stalls
from alerts.deliveries.queries import backlog, invariants
from alerts.deliveries.resting import is_untried, list_resting
from alerts.deliveries.restoring import REMEDY, is_elsewhere
from alerts.deliveries.round_trips.actions import untried
from alerts.deliveries.round_trips.queries import list_ages
from alerts.deliveries.round_trips.rules import is_late
from alerts.deliveries.vitals import PROMISE
from alerts.deliveries.watching import TOLD_FAILED
from alerts.kit.db import POSTGRES_MAJOR_MIN, Sessions, Tx, begin
from alerts.kit.errors import AppError
from alerts.kit.vitals import PART_SECONDS, SENDER_PART, find_vital, list_beats, list_vitals
from alerts.migrations import newest_revision
from alerts.notices.queries import backlog as staff_backlog
from alerts.notices.queries import open_alarms
from alerts.notices.rules import AlarmKind
from alerts.settings import Settings, SettingsDep

log = structlog.get_logger()
router = APIRouter(tags=["health"])


class NotReadyError(AppError):
    """The process runs and cannot serve."""

    status = 503  # type: ignore[assignment]


@dataclass
class Diagnosis:
    """What a doctor says: facts, what is wrong, what promises of the tables are broken; and, as warnings, what nobody could tell."""

    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    violations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong."""
        return not (self.faults or self.violations)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self) | {"is_healthy": self.is_healthy}


def examine(settings: Settings, sessions: Sessions, watch: Watch) -> Diagnosis:
    """Look at everything once. Never raises for a part that is down: that is a fault."""
    diagnosis = Diagnosis()
    for sender, remedy in untried(settings).items():
        diagnosis.warnings.append(f"{sender} is configured and not tried by the round trip: {remedy}")
    diagnosis.faults += rate_faults(settings)
    try:
        with begin(sessions) as session:
            _examine_database(session, diagnosis, watch, period_seconds=settings.synthetic.period_seconds)
    except SQLAlchemyError as error:
        diagnosis.faults.append(f"the database does not answer ({type(error).__name__})")
    _examine_redis(settings, diagnosis)
    return diagnosis


def rate_faults(settings: Settings) -> list[str]:
    """Rates under a misspelt name: the setting, and the name."""
    return [
        f"{setting} has a rate for {name}, and nothing of that name sends: is it misspelt?" for setting, name in unknown_rates(settings)
    ]


def tell_rate_faults(settings: Settings) -> None:
    """Say so when a process starts. It starts all the same: a slower or quicker alert is better than none."""
    for fault in rate_faults(settings):
        log.error("settings.unknown_rate", fault=fault)


def database_revision(session: Session) -> str | None:
    """The version that the database has; None before the first migration."""
    exists = session.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar_one()
    return session.execute(text("SELECT version_num FROM alembic_version")).scalar() if exists else None


@router.get("/healthz", operation_id="healthz")
def get_healthz() -> dict[str, str]:
    """The process answers. Nothing else is asked: a database that is down must not have this process killed."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz")
def get_readyz(session: Tx) -> dict[str, str]:
    """The database answers and has the version that this code needs. 503 otherwise."""
    if database_revision(session) != newest_revision():
        raise NotReadyError("not_migrated", "the database has another version than this code: run `siaga migrate`", retry_after=5)
    return {"status": "ready"}


@router.get("/metrics", operation_id="metrics", response_class=Response)
def get_metrics(session: Tx, settings: SettingsDep) -> Response:
    """Prometheus text: this process's counters, and what waits in the database."""
    registry = CollectorRegistry()
    for name, value in (backlog(session) | staff_backlog(session)).items():
        Gauge(f"siaga_{name}", "read from the database at this moment", registry=registry).set(value)
    alarms = Gauge("siaga_alarm", "what nobody has taken on yet", ("kind", "sender"), registry=registry)
    for alarm in open_alarms(session):
        alarms.labels(alarm["kind"], alarm["sender"]).set(alarm["count"])
    closed = Gauge("siaga_sender_closed", "1 while nothing goes out by a sender that refuses our account", ("sender",), registry=registry)
    for sender, seconds in list_resting(session).items():
        closed.labels(sender).set(float(not is_untried(seconds)))
    _gauge_vitals(session, settings, registry)
    _gauge_trips(session, settings, registry)
    return Response(generate_latest() + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _gauge_vitals(session: Session, settings: Settings, registry: CollectorRegistry) -> None:
    """What a task measured, and when a worker last got something done: read from small tables, never asked anew."""
    unread = Gauge("siaga_unread_words_total", "receipts whose word for the state we do not know", ("source",), registry=registry)
    failed = Gauge("siaga_told_failed_total", "failures that receipts told of", ("sender", "code"), registry=registry)
    broken = Gauge("siaga_promise_broken", "1 while a promise of the tables does not hold", ("promise",), registry=registry)
    rows = Gauge("siaga_promise_broken_rows", "how many rows break it", ("promise",), registry=registry)
    age = Gauge("siaga_vitals_age_seconds", "since the promises were last looked at", registry=registry)
    parts = Gauge("siaga_sender_part", "the sender's part of its channel's messages, where all serve", ("sender",), registry=registry)
    for vital in list_vitals(session):
        if vital["name"] == SENDER_PART:
            if vital["age_seconds"] < PART_SECONDS:
                parts.labels(vital["label"]).set(vital["value"])
            continue
        if vital["name"] == PROMISE:
            broken.labels(vital["label"]).set(float(vital["value"] > 0))
            rows.labels(vital["label"]).set(vital["value"])
            age.set(vital["age_seconds"])
        elif vital["name"] == UNREAD_WORDS:
            unread.labels(vital["label"]).set(vital["value"])
        elif vital["name"] == TOLD_FAILED:
            failed.labels(*vital["label"].rsplit(" ", 1)).set(vital["value"])
        else:
            Gauge(f"siaga_{vital['name']}", "measured by a task", registry=registry).set(vital["value"])
    since = Gauge("siaga_worker_progress_seconds", "since a worker finished a task of the queue", ("queue",), registry=registry)
    lost = Gauge("siaga_workers_without_valkey", "workers that keep to their own share of every pace", registry=registry)
    for queue, beats in _by_queue(session).items():
        since.labels(queue).set(min(each["age_seconds"] for each in beats))
    lost.set(len({each["owner"] for each in list_beats(session) if _is_blind(each, settings.health.silent_seconds)}))


def _gauge_trips(session: Session, settings: Settings, registry: CollectorRegistry) -> None:
    gone = Gauge("siaga_sender_untried", "1 for a configured sender that no test message is sent by", ("sender",), registry=registry)
    names = untried(settings)
    for outlet in configured_outlets(settings):
        gone.labels(outlet.name).set(float(outlet.name in names))
    age = Gauge("siaga_round_trip_age_seconds", "since a test message by the sender came back", ("sender",), registry=registry)
    took = Gauge("siaga_round_trip_seconds", "how long the last one took there and back", ("sender",), registry=registry)
    for trip in list_ages(session):
        age.labels(trip.sender).set(trip.seconds)
        if trip.took_seconds is not None:
            took.labels(trip.sender).set(trip.took_seconds)


def _by_queue(session: Session) -> dict[str, list[dict[str, Any]]]:
    queues: dict[str, list[dict[str, Any]]] = {}
    for each in list_beats(session):
        queues.setdefault(each["queue"], []).append(each)
    return queues


def _is_blind(each: dict[str, Any], silent_seconds: float) -> bool:
    """A worker that is at work and does not see Valkey."""
    return not each["is_pace_shared"] and each["age_seconds"] < silent_seconds


def _examine_database(session: Session, diagnosis: Diagnosis, watch: Watch, *, period_seconds: float) -> None:
    major = int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    revision = database_revision(session)
    diagnosis.facts |= {"postgres": major, "revision": revision}
    if major < POSTGRES_MAJOR_MIN:
        diagnosis.faults.append(f"Postgres {POSTGRES_MAJOR_MIN} or newer is needed; this is {major}")
    if revision != newest_revision():
        diagnosis.faults.append("the database has another version than this code: run `siaga migrate`")
        return
    if is_elsewhere(session):
        diagnosis.faults.append(f"nothing is sent: {REMEDY}")
    _examine_closed(session, diagnosis)
    waiting = backlog(session)
    diagnosis.facts |= waiting | {"missions": session.execute(text("SELECT count(*) FROM mission")).scalar_one()}
    if waiting["outbox_age_seconds"] > watch.late_seconds:
        diagnosis.faults.append(f"events wait since {waiting['outbox_age_seconds']:.0f} s: is a relay running?")
    if not diagnosis.facts["missions"]:
        diagnosis.faults.append("no mission is loaded: run `siaga migrate`")
    _examine_staff_messages(session, diagnosis, late_seconds=watch.late_seconds)
    diagnosis.faults += [_told(stall) for stall in list_stalls(session, watch)]
    _examine_progress(session, diagnosis, watch, period_seconds=period_seconds)
    diagnosis.violations += [asdict(violation) for violation in (*invariants(session), *late(session, watch))]


def _examine_closed(session: Session, diagnosis: Diagnosis) -> None:
    """Senders whose provider refuses our account; nothing is held up by one that nothing waits for."""
    for sender, seconds in sorted(list_resting(session).items()):
        if is_untried(seconds):
            diagnosis.warnings.append(f"{sender}, whose provider refused our account, is tried again by the next message that goes by it")
        else:
            refused = f"nothing goes out by {sender}, whose provider refuses our account"
            diagnosis.faults.append(f"{refused}: one message at a time tries it again")


def _told(stall: Stall) -> str:
    """A queue that stands still, and what to look at."""
    seen = "was ever seen" if stall.silent_seconds is None else f"has finished anything for {stall.silent_seconds:.0f} s"
    work = f"{stall.waiting} events wait for it since {stall.waiting_seconds:.0f} s: " if stall.waiting else ""
    return f"the queue `{stall.queue}` stands still: {work}no worker of it {seen}"


def _examine_progress(session: Session, diagnosis: Diagnosis, watch: Watch, *, period_seconds: float) -> None:
    """What the workers last got done, and whether our own test messages come back."""
    queues = {queue: min(each["age_seconds"] for each in beats) for queue, beats in _by_queue(session).items()}
    diagnosis.facts["worker_progress_seconds"] = queues
    diagnosis.facts["outbox_p99_seconds"] = find_vital(session, "outbox_p99_seconds")
    blind = sorted({each["owner"] for each in list_beats(session) if _is_blind(each, watch.silent_seconds)})
    diagnosis.facts["workers_without_valkey"] = len(blind)
    if blind:
        diagnosis.faults.append(f"{len(blind)} workers do not see Valkey and keep to their own share of every pace")
    trips = list_ages(session)
    diagnosis.facts["round_trips"] = {trip.sender: {"age_seconds": trip.seconds, "took_seconds": trip.took_seconds} for trip in trips}
    for trip in trips:
        if is_late(trip.seconds, period_seconds=period_seconds):
            diagnosis.faults.append(f"no test message by {trip.sender} has come back for {trip.seconds:.0f} s")


def _examine_staff_messages(session: Session, diagnosis: Diagnosis, *, late_seconds: float) -> None:
    """Alarms that nobody has taken on, and pages that do not leave in time."""
    waiting = staff_backlog(session)
    diagnosis.facts |= waiting | {"alarms": open_alarms(session)}
    for alarm in diagnosis.facts["alarms"]:
        # A roster without addresses is a matter of the office, not of the machinery.
        if alarm["kind"] != AlarmKind.NOBODY_TO_PAGE:
            diagnosis.faults.append(f"alarm of {alarm['sender']}: {alarm['kind']} ({alarm['count']}); somebody must take it on")
    oldest = max(waiting["paging_late_seconds"], waiting["notice_age_seconds"])
    if oldest > late_seconds:
        diagnosis.faults.append(f"messages to staff wait since {oldest:.0f} s: does a worker serve the queue `paging`?")


def _examine_redis(settings: Settings, diagnosis: Diagnosis) -> None:
    url = settings.redis.url.get_secret_value()
    try:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            diagnosis.facts["redis"] = client.info("server").get("redis_version")
    except (redis.RedisError, ValueError, OSError) as error:
        diagnosis.faults.append(f"Valkey does not answer ({type(error).__name__}): alerts are delayed, nothing is lost")
