"""After a backup was restored: what reads `queued` may have been sent, and nothing of it may go out again by itself.

The database remembers which server it ran on (Postgres' own identifier and timeline). A restored backup, a promoted
replica and a copy differ from what they remember, and no worker sends until somebody has said what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.rule_book_outlets import outlets_by_sender
from alerts.deliveries.actions import release_all
from alerts.deliveries.escalation import Patience, begin_due_steps
from alerts.deliveries.rules import Evidence
from alerts.deliveries.statements import EXPIRE
from alerts.kit.actor import SYSTEM
from alerts.kit.audit import record
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.errors import ConflictError
from alerts.kit.outbox import publish
from alerts.settings import Settings

log = structlog.get_logger()
REMEDY = "this database is not on the server it remembers (a restored backup, a copy, a promoted replica): run `siaga after-restore`"


@dataclass(frozen=True)
class Restored:
    """What was done after a restore.

    `made`: deliveries of lists whose release may have been lost; `unknown`: those that may have been sent.
    """

    made: int = 0
    unknown: int = 0


def is_elsewhere(session: Session) -> bool:
    """Whether the database is not where it remembers to be: then nothing may be sent. False on a replica, where nothing can be written."""
    return session.execute(IS_ELSEWHERE).scalar() is True


def may_send(session: Session) -> bool:
    """The worker's question before every batch."""
    if not is_elsewhere(session):
        return True
    log.error("sending.refused", reason=REMEDY)
    return False


def accept_database(session: Session) -> None:
    """A takeover that lost nothing (a synchronous replica): remember this server, change no delivery."""
    session.execute(ACCEPT)
    record(session, actor=SYSTEM, action="database.accepted")


def after_restore(
    settings: Settings, sessions: Sessions, *, is_snapshot: bool = False, approved_before: datetime | None = None
) -> Restored:
    """Everything queued that may have been sent becomes `unknown`; then sending may begin again.

    Concerns messages that are approved and not over, approved before the restore point (`approved_before`; default:
    all). Their lists are released to the end first, and steps whose time has come are begun: what the lost time may
    have sent has a row then, and the attempt's name that a callback will bring is the next one. Raises ConflictError
    where the database is where it remembers to be, unless `is_snapshot` says that files were put back under it.
    """
    with begin(sessions) as session:
        if not (is_snapshot or is_elsewhere(session)):
            raise ConflictError("not_restored", "this database is where it was; if its files were put back, say --snapshot")
        lists = session.execute(UNRELEASED, {"before": approved_before}).all()
    made = sum(release_all(settings, sessions, row.broadcast_id, audience_id=row.audience_id) for row in lists)
    with begin(sessions) as session:
        unknown = _doubt(session, settings, approved_before)
        session.execute(ACCEPT)
        detail = {"is_snapshot": is_snapshot, "made": made, "unknown": unknown}
        record(session, actor=SYSTEM, action="database.restored", detail=detail)
    return Restored(made, unknown)


def _doubt(session: Session, settings: Settings, approved_before: datetime | None) -> int:
    """In one transaction: steps that are due are begun, open windows closed, and what is queued becomes unknown. The count."""
    session.execute(FENCE)
    values: dict[str, Any] = {"before": approved_before}
    for batch_id in session.execute(DUE_STEPS, values).scalars().all():
        begin_due_steps(session, batch_id, patience=Patience.of(settings))
    windows = list(session.execute(OPEN_WINDOWS).scalars())
    lost = len(session.execute(EXPIRE, {"windows": windows, "evidence": Evidence.RESTORED.value}).all()) if windows else 0
    names = {
        (is_exercise, outlet.channel): name
        for is_exercise in (True, False)
        for name, outlet in reversed(outlets_by_sender(settings, is_exercise=is_exercise).items())
    }
    values |= {
        "statuses": ["Exercise" if is_exercise else "Actual" for is_exercise, _ in names],
        "channels": [str(channel) for _, channel in names],
        "senders": list(names.values()),
        "evidence": Evidence.RESTORED.value,
    }
    lost += len(session.execute(DOUBT, values).all())
    session.execute(FINISH, {"next_step": settings.delivery.step_seconds})
    for row in rows_of(session.execute(CONCERNED, {"before": approved_before})):
        publish(session, "delivery.progress", broadcast_id=row["id"], incident_id=row["incident_id"])
    return lost


# The timeline by the name of the file being written: the control file has it only after the next checkpoint.
_HERE = """
SELECT CAST(system_identifier AS text) AS system_identifier,
    CAST(('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64) AS bigint) AS timeline
FROM pg_control_system()
"""

IS_ELSEWHERE = text(f"""
SELECT NOT EXISTS (SELECT FROM installation i, ({_HERE}) h WHERE (i.system_identifier, i.timeline) = (h.system_identifier, h.timeline))
WHERE NOT pg_is_in_recovery()
""")  # noqa: S608 - our own words

ACCEPT = text(f"""
INSERT INTO installation AS i (id, system_identifier, timeline) SELECT 1, h.system_identifier, h.timeline FROM ({_HERE}) h
ON CONFLICT (id) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = excluded.timeline, known_at = clock_timestamp()
""")  # noqa: S608

_OPEN = """
state = 'approved' AND clock_timestamp() < approved_at + make_interval(secs => validity_seconds)
AND approved_at < coalesce(CAST(:before AS timestamptz), clock_timestamp())
"""

UNRELEASED = text(f"""
SELECT m.id AS broadcast_id, a.id AS audience_id FROM (SELECT * FROM broadcast WHERE {_OPEN}) m JOIN audience a ON a.broadcast_id = m.id
WHERE a.released_at IS NULL AND a.frozen_at IS NOT NULL AND (a.id = m.audience_id OR a.wave > 1) ORDER BY a.id
""")  # noqa: S608

# Whoever still sends by a claim of before finds it stale.
FENCE = text("UPDATE delivery_batch SET generation = generation + 1, lease_until = clock_timestamp() WHERE state = 'claimed'")

DUE_STEPS = text(f"""
UPDATE delivery_batch SET next_step_at = NULL
WHERE next_step_at <= clock_timestamp() AND broadcast_id IN (SELECT id FROM broadcast WHERE {_OPEN}) RETURNING id
""")  # noqa: S608

OPEN_WINDOWS = text("SELECT id FROM send_window WHERE closed_at IS NULL ORDER BY id FOR UPDATE")

# As early as it may have been sent: a look-up asks the carrier for what it has since then.
DOUBT = text(f"""
WITH sender AS (
    SELECT * FROM unnest(CAST(:statuses AS text[]), CAST(:channels AS text[]), CAST(:senders AS text[])) AS s(status, channel, name)
), lost AS MATERIALIZED (
    SELECT d.id, d.attempts + 1 AS number, d.channel, d.created_at, coalesce(s.name, '') AS sender
    FROM delivery d JOIN (SELECT * FROM broadcast WHERE {_OPEN}) m ON m.id = d.broadcast_id
    LEFT JOIN sender s ON s.status = m.status AND s.channel = d.channel
    WHERE d.state = 'queued' ORDER BY d.id FOR UPDATE OF d
), written AS (
    INSERT INTO attempt (delivery_id, number, channel, sender, state, evidence, intent_at, resolved_at)
    SELECT id, number, channel, sender, 'unknown', :evidence, created_at, clock_timestamp() FROM lost
    ON CONFLICT (delivery_id, number) DO NOTHING
)
UPDATE delivery d SET state = 'unknown', attempts = lost.number, next_attempt_at = NULL, state_at = clock_timestamp()
FROM lost WHERE d.id = lost.id RETURNING d.id
""")  # noqa: S608

FINISH = text("""
UPDATE delivery_batch b SET state = 'done', owner = NULL, lease_until = NULL,
    next_step_at = coalesce(b.next_step_at, clock_timestamp() + make_interval(secs => CAST(:next_step AS float8)))
WHERE b.state <> 'done' AND NOT EXISTS (SELECT FROM delivery d WHERE d.batch_id = b.id AND d.state = 'queued')
""")

CONCERNED = text(f"SELECT id, incident_id FROM broadcast WHERE {_OPEN}")  # noqa: S608
