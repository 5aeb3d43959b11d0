"""Is it working? For orchestrators (`/healthz`, `/readyz`), for monitoring (`/metrics`) and for people (`siaga doctor`).

Liveness is progress: ages of what waits, and promises of the tables that do not hold; not "the process runs".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import redis
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.deliveries.queries import backlog, invariants, late
from alerts.deliveries.restoring import REMEDY, is_elsewhere
from alerts.kit.db import POSTGRES_MAJOR_MIN, Sessions, Tx, begin
from alerts.kit.errors import AppError
from alerts.migrations import alembic_config
from alerts.notices.queries import backlog as staff_backlog
from alerts.notices.queries import open_alarms
from alerts.notices.rules import AlarmKind
from alerts.settings import Settings

router = APIRouter(tags=["health"])
OUTBOX_AGE_SECONDS_MAX = 60.0
STAFF_LATE_SECONDS_MAX = 60.0


class NotReadyError(AppError):
    """The process runs and cannot serve."""

    status = 503  # type: ignore[assignment]


@dataclass
class Diagnosis:
    """What a doctor says: facts, what is wrong, and what promises of the tables are broken."""

    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    violations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong."""
        return not (self.faults or self.violations)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self) | {"is_healthy": self.is_healthy}


def examine(settings: Settings, sessions: Sessions) -> Diagnosis:
    """Look at everything once. Never raises for a part that is down: that is a fault."""
    diagnosis = Diagnosis()
    try:
        with begin(sessions) as session:
            _examine_database(session, diagnosis)
    except SQLAlchemyError as error:
        diagnosis.faults.append(f"the database does not answer ({type(error).__name__})")
    _examine_redis(settings, diagnosis)
    return diagnosis


def newest_revision() -> str:
    """The version that this code needs."""
    return str(ScriptDirectory.from_config(alembic_config("")).get_current_head())


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
def get_metrics(session: Tx) -> Response:
    """Prometheus text: this process's counters, and what waits in the database."""
    registry = CollectorRegistry()
    for name, value in (backlog(session) | staff_backlog(session)).items():
        Gauge(f"siaga_{name}", "read from the database at this moment", registry=registry).set(value)
    alarms = Gauge("siaga_alarm", "what nobody has taken on yet", ("kind", "sender"), registry=registry)
    for alarm in open_alarms(session):
        alarms.labels(alarm["kind"], alarm["sender"]).set(alarm["count"])
    return Response(generate_latest() + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _examine_database(session: Session, diagnosis: Diagnosis) -> None:
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
    waiting = backlog(session)
    diagnosis.facts |= waiting | {"missions": session.execute(text("SELECT count(*) FROM mission")).scalar_one()}
    if waiting["outbox_age_seconds"] > OUTBOX_AGE_SECONDS_MAX:
        diagnosis.faults.append(f"events wait since {waiting['outbox_age_seconds']:.0f} s: is a relay running?")
    if not diagnosis.facts["missions"]:
        diagnosis.faults.append("no mission is loaded: run `siaga migrate`")
    _examine_staff_messages(session, diagnosis)
    diagnosis.violations += [asdict(violation) for violation in (*invariants(session), *late(session))]


def _examine_staff_messages(session: Session, diagnosis: Diagnosis) -> None:
    """Alarms that nobody has taken on, and pages that do not leave in time."""
    waiting = staff_backlog(session)
    diagnosis.facts |= waiting | {"alarms": open_alarms(session)}
    for alarm in diagnosis.facts["alarms"]:
        # A roster without addresses is a matter of the office, not of the machinery.
        if alarm["kind"] != AlarmKind.NOBODY_TO_PAGE:
            diagnosis.faults.append(f"alarm of {alarm['sender']}: {alarm['kind']} ({alarm['count']}); somebody must take it on")
    late = max(waiting["paging_late_seconds"], waiting["notice_age_seconds"])
    if late > STAFF_LATE_SECONDS_MAX:
        diagnosis.faults.append(f"messages to staff wait since {late:.0f} s: does a worker serve the queue `paging`?")


def _examine_redis(settings: Settings, diagnosis: Diagnosis) -> None:
    url = settings.redis.url.get_secret_value()
    try:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            diagnosis.facts["redis"] = client.info("server").get("redis_version")
    except (redis.RedisError, ValueError, OSError) as error:
        diagnosis.faults.append(f"Valkey does not answer ({type(error).__name__}): alerts are delayed, nothing is lost")
