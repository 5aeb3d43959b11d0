"""The heavy questions of monitoring, asked once a minute: do the tables keep their promises, and how old do events get?"""

from __future__ import annotations

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.deliveries.findings import raise_alarm
from alerts.deliveries.lateness import LIVENESS, Watch, late, list_stalls, promise_of
from alerts.deliveries.queries import INVARIANTS, invariants
from alerts.kit.vitals import Measured, find_vital, keep_vitals

log = structlog.get_logger()
PROMISE = "promise_broken"


def measure(session: Session, watch: Watch) -> int:
    """Count what breaks each promise, keep the figures, and call somebody where one has just begun to be broken. The broken ones."""
    stalls = [stall.as_violation() for stall in list_stalls(session, watch)]
    broken = {violation.invariant: violation for violation in (*invariants(session), *late(session, watch), *stalls)}
    measured = [Measured("outbox_p99_seconds", "", float(session.execute(text(OUTBOX_P99)).scalar() or 0))]
    for name in (*INVARIANTS, *LIVENESS, *map(promise_of, watch.all_queues)):
        violation = broken.get(name)
        count = violation.count if violation else 0
        if violation is not None:
            log.error("promise.broken", promise=name, count=count)
            if not find_vital(session, PROMISE, name):
                raise_alarm(session, PROMISE, sender=name, count=count)
        measured.append(Measured(PROMISE, name, float(count), violation.sample if violation else ""))
    keep_vitals(session, measured)
    return len(broken)


OUTBOX_P99 = """
SELECT extract(epoch FROM percentile_disc(0.99) WITHIN GROUP (ORDER BY coalesce(rung_at, clock_timestamp()) - created_at))
FROM outbox_event WHERE created_at > now() - interval '5 minutes'
"""
